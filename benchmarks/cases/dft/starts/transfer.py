"""A learned initial density of larger molecules than it was trained on: SCF steps of the whole."""

import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

import jaxsci as jsci
from benchmarks.cases.dft._problems import DISTORTION, TRAINED
from benchmarks.cases.dft.starts._cost import gibibytes_of_guess, share_of_time
from benchmarks.cases.dft.starts._learned_set import (
    auxiliary,
    build,
    densities,
    learned,
    on_one_grid,
)
from benchmarks.cases.dft.starts._organic import LARGEST_LEARNED, Structure, g2, tested
from benchmarks.cases.dft.starts._training import on_densities, steps_from, through_the_field
from benchmarks.runner.case import Case, Run, Size

_GRID = 1
_GROUPS = 3  # of training molecules by size
_SHAPES = 4  # of tested molecules
_BATCH = 16
# Molecules, drawn at random, that are tested in another basis or functional.
_UNSEEN = (("def2-svp", "b3lyp", 12), ("def2-tzvp", "pbe", 8))
_QUICK = 6  # heavy atoms, at most, of molecules whose time is measured
_GUESS_BUILDS = 1  # the learned guess costs one potential, of an auxiliary density


def _known(structures: Sequence[Structure]):
    return densities(structures, TRAINED[1], TRAINED[0], _GRID)


def _train(structures, key, steps):
    parts = [auxiliary(s) for s in structures]
    groups = min(_GROUPS, len(structures))
    return on_densities(parts, _known(structures), key, steps, batch=_BATCH, groups=groups)


def _steps(f, params, structures, basis: str, functional: str) -> np.ndarray:
    """SCF steps of each from "minao", from the learned density, and from the exact one of PBE."""
    exact = _known(structures)
    counts = np.zeros((len(structures), 3), int)
    order = np.argsort([c.size for c in exact], kind="stable")
    with tqdm(total=len(order), desc=f"{functional}/{basis}", delay=2.0) as bar:
        for part in np.array_split(order, min(_SHAPES, len(order))):
            made = [build(structures[i].atoms, basis, _GRID) for i in part]
            aux = jsci.dft.stack_auxiliary([jsci.dft.auxiliary(m) for m in made])
            batch = jsci.dft.stack([on_one_grid(m) for m in made])
            for k, i in enumerate(part):
                m, a = jax.tree.map(lambda x, k=k: x[k], (batch, aux))
                known = jnp.pad(exact[i], (0, a.charge.size - exact[i].size))
                counts[i] = steps_from(m, a, (f(params, a), known), functional)
                bar.update()
    return counts


def _effective(counts: np.ndarray, column: int) -> np.ndarray:
    """Fock matrices from a guess, with that of the guess itself, as a share of minao's."""
    return (counts[:, column] + _GUESS_BUILDS) / counts[:, 0]


def _row(counts: np.ndarray) -> str:
    minao, learned, exact = counts.mean(axis=0)
    shares = [_effective(counts, column) for column in (1, 2)]
    return (
        f"{minao:.2f}, {learned:.2f}, {exact:.2f} steps; with the guess {shares[0].mean():.2f} of "
        f"minao's, at most {shares[0].max():.2f}, exact {shares[1].mean():.2f}"
    )


def make_transfer(size: Size) -> Run:
    small = size == "smoke"
    steps, further = (20, 1) if small else (3000, 60)
    structures = learned(1 if small else 3, DISTORTION)
    if small:
        structures = [s for s in structures if s.name in ("CO", "H2CO", "H2O")]
        tests = [s for s in g2() if s.name == "CH3OH"]
    else:
        tests = tested(30)
    rng = np.random.default_rng(5)
    tests = [s.distorted(rng, DISTORTION) for s in tests]
    _known(structures)  # not timed: computed once

    def learn():
        start = time.process_time()
        f, params = _train(structures, jax.random.key(0), steps)
        few = [build(s.atoms, TRAINED[0], 0) for s in structures if 1 < s.heavy <= 2]
        few = [on_one_grid(m) for m in few]
        params = through_the_field(f, params, few, jax.random.key(1), further, terms=3)
        spent = time.process_time() - start
        counts = _steps(f, params, tests, *TRAINED)
        return (f, params, counts), [(spent, float(_effective(counts, 1).mean()))]

    def figures(result):
        f, params, counts = result
        rows = {"/".join(reversed(TRAINED)): counts}
        drawn = [tests[i] for i in jax.random.permutation(jax.random.key(29), len(tests))]
        rows |= {f"{x}/{b}": _steps(f, params, drawn[:n], b, x) for b, x, n in _UNSEEN}
        found = {
            f"{name} (minao, learned, exact density)": _row(counts) for name, counts in rows.items()
        }
        shares = share_of_time(f, params, [s for s in drawn if s.heavy <= _QUICK][:4])
        error = shares.std() / len(shares) ** 0.5
        found["CPU time on default grids, of minao's"] = f"{shares.mean():.2f} ± {error:.2f}"
        found["GiB of the guess of C20H42"] = f"{gibibytes_of_guess(20):.2f}"
        return found

    return Run(
        learn,
        (),
        error=lambda result: float(_effective(result[2], 1).mean()),
        note=f"{len(structures)} distorted molecules of ase's g2 with H, C, N, O and at most "
        f"{LARGEST_LEARNED} heavy atoms learned; tested on {len(tests)} with 5 to 8, five of g2 "
        f"and the others joined from two of it, some of them in the other rows; {steps} steps on "
        f"densities, {further} through three SCF steps; grid {_GRID} alone, density fitting",
        figures=figures if not small else {},
        host=True,
    )


CASES = [
    Case(
        "dft.learned_guess_g2",
        "dft",
        "SCF steps from a learned density of molecules larger than those it was trained on",
        make_transfer,
        "full",
        reference="steps from minao of the same molecules at equal tolerance",
        tolerance=1.0,
        error_name="share of minao's steps, the guess counted as one",
    ),
]
