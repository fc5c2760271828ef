"""A learned Kohn-Sham matrix as initial guess, with all of its tensor products and with few."""

import itertools
import time
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

import jaxsci as jsci
from benchmarks.cases.dft._problems import FAMILIES, TRAINED, distorted, one_grid, solve
from benchmarks.cases.dft.starts._training import on_matrices
from benchmarks.runner.case import Case, Run, Size

# Fraction of tensor products that are kept: the 70 % sparsity of Luo et al., ICML 2025.
KEEP = 0.3
_BATCH = 32
_SMALL = 5  # atoms of molecules that share a shape


@eqx.filter_jit
def _matrices(molecules):
    """Those of PBE, and those of the atoms' densities, from which the model starts."""
    pbe = jsci.dft.xc("pbe")

    def one(m):
        solved = jsci.dft.hamiltonian(m, jsci.dft.scf(m, pbe, throw=False))
        return solved, _base(m)

    return jax.lax.map(one, molecules)


def _base(m):
    return jsci.dft.fixed_density_hamiltonian(m, jsci.dft.xc(TRAINED[1]), density_matrix=m.guess)


def _samples(geometries):
    """Small and large molecules, reduced to the inputs of the model, and both matrices."""
    samples = {}
    for large in (False, True):
        families = [g for g in geometries.values() if (len(g[0]) > _SMALL) == large]
        family = list(itertools.chain(*families))
        if not family:
            continue
        batch = jsci.dft.stack([one_grid(atoms, TRAINED[0]) for atoms in family])
        matrices = _matrices(batch)
        empty = jnp.zeros((len(family), 1, 1))
        reduced = eqx.tree_at(lambda m: m.repulsion, batch, empty)
        samples["large" if large else "small"] = reduced, *matrices
    return samples


@eqx.filter_jit
def _predict(model, molecules, bases):
    return jax.lax.map(lambda x: model(*x), (molecules, bases))


def _mae(model, samples):
    """Mean |error| of an entry in Hartree."""
    errors = [jnp.abs(_predict(model, m, b) - known).ravel() for m, known, b in samples.values()]
    return float(jnp.mean(jnp.concatenate(errors)))


def _seconds(model, samples, repeats=5):
    """Seconds of one compiled prediction for all samples; the least of several."""
    return min(_timed(model, samples) for _ in range(repeats + 1))


def _timed(model, samples):
    start = time.process_time()
    jax.block_until_ready([_predict(model, m, b) for m, _, b in samples.values()])
    return time.process_time() - start


class _HeldOut(NamedTuple):
    """Means over molecules, of the usual guess and of each model's matrix."""

    steps: list[float]
    levels: list[float]
    energies: list[float]


def _held_out(models, geometries) -> _HeldOut:
    """SCF steps, and errors of occupied levels and of the energy of the matrix' own orbitals."""
    pbe, found = jsci.dft.xc(TRAINED[1]), []
    for family in geometries.values():
        for atoms in family:
            m = one_grid(atoms, TRAINED[0])
            base, result = _start_and_end(m)
            matrices = base, *(_predict_one(model, m, base) for model in models)
            own = [jsci.dft.hamiltonian_guess(m, matrix) for matrix in matrices]
            guesses = m.guess, *own[1:]
            n = int(m.electrons[0])
            known = np.asarray(result.orbital_energies)[:n]
            found.append(
                (
                    [int(solve(m, pbe, g)[0]) for g in guesses],
                    [_mean(_levels(m, x)[:n] - known) for x in matrices],
                    [
                        _mean(
                            jsci.dft.fixed_density_energy(m, pbe, density_matrix=p) - result.energy
                        )
                        for p in own
                    ],
                )
            )
    return _HeldOut(*(np.mean(x, axis=0).tolist() for x in zip(*found, strict=True)))


@eqx.filter_jit
def _start_and_end(m):
    return _base(m), jsci.dft.scf(m, jsci.dft.xc(TRAINED[1]), throw=False)


@eqx.filter_jit
def _predict_one(model, m, base):
    return model(m, base)


def _levels(m, matrix) -> np.ndarray:
    return scipy.linalg.eigh(np.asarray(matrix), np.asarray(m.overlap), eigvals_only=True)


def _mean(error) -> float:
    return float(np.mean(np.abs(error)))


def make_hamiltonian(size: Size) -> Run:
    train, held_out, steps = (4, 1, 40) if size == "smoke" else (32, 4, 3200)
    rng = np.random.default_rng(0)
    geometries = {k: distorted(g, rng, train + held_out) for k, g in FAMILIES.items()}
    if size == "smoke":
        geometries = {k: geometries[k] for k in ("H2O", "CH4")}
    tests = {k: g[train:] for k, g in geometries.items()}
    samples = _samples({k: g[:train] for k, g in geometries.items()})
    unseen = _samples(tests)
    examples = [one_grid(g[0], TRAINED[0]) for g in geometries.values()]
    model = jsci.dft.HamiltonianModel(examples, key=jax.random.key(0))

    def learn():
        curves, key = {}, jax.random.key(1)
        start = time.process_time()
        whole = on_matrices(model, samples, key, steps, _BATCH)
        curves["all"] = [(time.process_time() - start, _mae(whole, unseen))]
        start = time.process_time()
        phases = jsci.dft.sparse_gates(KEEP, random=steps // 8, adaptive=steps // 8)
        few = on_matrices(model, samples, jax.random.key(0), steps // 4, _BATCH, phases)
        few = on_matrices(jsci.dft.prune(few, KEEP), samples, key, 3 * steps // 4, _BATCH)
        curves["few"] = [(time.process_time() - start, _mae(few, unseen))]
        return (whole, few), curves

    def figures(models):
        same, sparse = models
        held_out_means = _held_out(models, tests)
        products = f"{len(same.paths)} and {len(sparse.paths)} tensor products"
        seconds = [_seconds(m, samples) for m in models]
        return {
            f"Hartree by {products}": ", ".join(f"{_mae(m, unseen):.1e}" for m in models),
            "time of a prediction, few / all": f"{seconds[1] / seconds[0]:.2f}",
            "SCF steps (minao, all, few)": ", ".join(f"{x:.2f}" for x in held_out_means.steps),
            "mHartree of occupied levels (minao's matrix, all, few)": ", ".join(
                f"{1e3 * x:.2f}" for x in held_out_means.levels
            ),
            "mHartree of the energy of one diagonalisation": ", ".join(
                f"{1e3 * x:.2f}" for x in held_out_means.energies
            ),
        }

    return Run(
        learn,
        (),
        error=lambda models: _mae(models[0], unseen),
        note=f"{train} geometries each of {', '.join(geometries)} learned, {held_out} held out, in "
        f"{TRAINED[0]}; {steps} steps of Adam with all tensor products, or with {KEEP:.0%} drawn "
        "at random in an eighth of them, the largest in an eighth, and kept in the others",
        figures=figures if size != "smoke" else {},
        host=True,
    )


CASES = [
    Case(
        "dft.learned_hamiltonian",
        "dft",
        "Learned equivariant Kohn-Sham matrices, with all tensor products and with few",
        make_hamiltonian,
        "full",
        reference="self-consistent PBE of geometries held out",
        tolerance=1e-3,
        error_name="mean |error| per matrix entry, Hartree",
    ),
]
