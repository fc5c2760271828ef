"""Learned Kohn-Sham matrices of larger molecules than those trained on: SCF steps."""

import dataclasses
import time
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

import jaxsci as jsci
from benchmarks.cases.dft._problems import DISTORTION, TRAINED, solve
from benchmarks.cases.dft.starts._learned_set import (
    build,
    learned,
    matrices,
    of_atoms,
    on_one_grid,
)
from benchmarks.cases.dft.starts._organic import LARGEST_LEARNED, Structure, g2, tested
from benchmarks.cases.dft.starts._training import on_matrices
from benchmarks.runner.case import Case, Run, Size

_GRID = 1
_GROUPS = 3  # of training molecules by size
_SHAPES = 4  # of tested molecules
_BATCH = 16
_FEW = 12  # drawn at random, and tested with a functional of which nothing was learned


def samples(structures: Sequence[Structure], groups: int):
    """By size: molecules, self-consistent matrices, and those of the atoms' densities."""
    known = matrices(structures, TRAINED[1], TRAINED[0], _GRID)
    kept = [i for i, x in enumerate(known) if np.all(np.isfinite(x))]
    kept.sort(key=lambda i: len(known[i][0]))
    stacks = {}
    for name, part in enumerate(np.array_split(kept, groups)):
        # The model needs the basis and its overlap, not the integrals with fitting functions.
        made = [build(structures[i].atoms, TRAINED[0], 0) for i in part]
        batch = jsci.dft.stack([dataclasses.replace(m, fit=None) for m in made])
        padded = [_padded(known[i], m) for i, m in zip(part, _each(batch), strict=True)]
        base, last = jnp.swapaxes(jnp.stack(padded), 0, 1)
        stacks[str(name)] = batch, last, base
    return stacks


def _each(batch):
    return [jax.tree.map(lambda x, i=i: x[i], batch) for i in range(len(batch.overlap))]


def _padded(matrices, m):
    """With the energies of padding, which are above all others, on the diagonal."""
    missing = len(m.overlap) - matrices.shape[-1]
    beyond = jnp.diag(jnp.where(m.basis_mask, 0, jnp.diagonal(m.core_hamiltonian)))
    return jnp.pad(matrices, [(0, 0), (0, missing), (0, missing)]) + beyond


def model_of(structures: Sequence[Structure]):
    """Untrained, with all elements and pairs of these molecules."""
    one_of_each = {s.name: s for s in structures}.values()
    examples = [build(s.atoms, TRAINED[0], 0) for s in one_of_each]
    return jsci.dft.HamiltonianModel(examples, key=jax.random.key(0))


def steps_of(model, structures: Sequence[Structure], functional: str) -> np.ndarray:
    """SCF steps of each from "minao" and from the learned matrix."""
    xc = jsci.dft.xc(functional)
    counts = np.zeros((len(structures), 2), int)
    order = np.argsort([len(s.symbols) + 2 * s.heavy for s in structures], kind="stable")
    with tqdm(total=len(order), desc="learned matrices", delay=2.0) as bar:
        for part in np.array_split(order, min(_SHAPES, len(order))):
            made = [build(structures[i].atoms, TRAINED[0], _GRID) for i in part]
            padded = jsci.dft.pad_to_buckets([on_one_grid(m) for m in made], 1)
            for i, m in zip(part, padded, strict=True):
                solved = [solve(m, xc, guess) for guess in (m.guess, guess_of(model, m, xc))]
                assert all(bool(converged) for _, converged, _ in solved)
                counts[i] = [int(steps) for steps, *_ in solved]
                bar.update()
    return counts


@eqx.filter_jit
def guess_of(model, m, xc):
    """From the learned matrix: what the model adds to that of the atoms' densities."""
    return jsci.dft.hamiltonian_guess(m, model(m, of_atoms(m, xc)))


def effective(counts: np.ndarray) -> np.ndarray:
    """Fock matrices from the guess, with that of the atoms' densities, as a share of minao's."""
    return (counts[:, 1] + 1) / counts[:, 0]


def _row(counts: np.ndarray) -> str:
    minao, found = counts.mean(axis=0)
    shares = effective(counts)
    return (
        f"{minao:.2f}, {found:.2f} steps; with the guess {shares.mean():.2f} of minao's, at most "
        f"{shares.max():.2f}"
    )


def make_matrices(size: Size) -> Run:
    small = size == "smoke"
    steps = 20 if small else 2000
    structures = learned(1 if small else 3, DISTORTION)
    tests = tested(30)
    if small:
        structures = [s for s in structures if s.name in ("CO", "H2CO", "H2O")]
        tests = [s for s in g2() if s.name == "CH3OH"]
    rng = np.random.default_rng(5)
    tests = [s.distorted(rng, DISTORTION) for s in tests]
    stacks = samples(structures, min(_GROUPS, len(structures)))  # not timed: computed once

    def learn():
        start = time.process_time()
        model = on_matrices(model_of(structures), stacks, jax.random.key(1), steps, _BATCH)
        spent = time.process_time() - start
        counts = steps_of(model, tests, TRAINED[1])
        return (model, counts), [(spent, float(effective(counts).mean()))]

    def figures(result):
        model, counts = result
        drawn = [tests[i] for i in jax.random.permutation(jax.random.key(29), len(tests))]
        rows = {TRAINED[1]: counts, "b3lyp": steps_of(model, drawn[:_FEW], "b3lyp")}
        return {f"{x}/{TRAINED[0]} (minao, learned matrix)": _row(c) for x, c in rows.items()}

    return Run(
        learn,
        (),
        error=lambda result: float(effective(result[1]).mean()),
        note=f"{len(structures)} distorted molecules of ase's g2 with H, C, N, O and at most "
        f"{LARGEST_LEARNED} heavy atoms learned; tested on {len(tests)} with 5 to 8, those of "
        f"dft.learned_guess_g2; {steps} steps of Adam; grid {_GRID} alone, density fitting",
        figures=figures if not small else {},
        host=True,
    )


CASES = [
    Case(
        "dft.learned_matrix_g2",
        "dft",
        "SCF steps from a learned matrix of molecules larger than those it was trained on",
        make_matrices,
        "full",
        reference="steps from minao of the same molecules at equal tolerance",
        tolerance=1.0,
        error_name="share of minao's steps, the guess counted as one",
    ),
]
