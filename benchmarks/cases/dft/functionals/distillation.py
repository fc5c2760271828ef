"""B3LYP distilled into a semilocal functional, from its derivatives or from its densities."""

import itertools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import one_grid
from benchmarks.cases.dft.starts._organic import g2
from benchmarks.runner.case import Case, Run, Size
from jaxsci.dft._basis.units import HARTREE_IN_KCAL_PER_MOL

BASIS, GRID, HEAVY, LEARNED = "6-31g", 0, 3, 20
DEGREE, ROTATIONS = 3, 2
# Of the squares of gradients and curvatures beside those of energies.
WEIGHTS = tuple(10.0**k for k in range(-7, 1))
B3LYP = jsci.dft.xc("b3lyp")
POWERS = [k for k in itertools.product(range(DEGREE + 1), repeat=3) if sum(k) <= DEGREE]


def polynomial(params, d):
    """Products of Legendre polynomials of all descriptors but the spin polarisation."""
    x = 2 * d[jnp.array([0, 2, 3])] - 1
    legendre = jnp.stack([jnp.ones(3), x, (3 * x**2 - 1) / 2, (5 * x**3 - 3 * x) / 2])
    products = [legendre[i, 0] * legendre[j, 1] * legendre[k, 2] for i, j, k in POWERS]
    return jnp.vdot(params, jnp.stack(products))


FUNCTIONAL = jsci.dft.neural_functional(polynomial, level="mgga")
START = jnp.zeros(len(POWERS))


def split(size: Size):
    """Molecules to learn from, and others, in random order."""
    known = [s for s in g2() if s.heavy <= HEAVY and s.name != "CH2_s1A1d"]
    order = [known[i] for i in np.random.default_rng(0).permutation(len(known))]
    if size == "smoke":
        small = [s for s in order if s.heavy < 2]
        return small[:2], small[2:]
    return order[:LEARNED], order[LEARNED:]


def molecules(size: Size):
    """Those to learn from, and the others, in one shape."""
    learned, held_out = split(size)
    made = [one_grid(s.atoms, BASIS, GRID) for s in learned + held_out]
    padded = jsci.dft.pad_to_buckets(made, 1)
    return padded[: len(learned)], padded[len(learned) :]


class Squares(NamedTuple):
    """cᵀ A c + 2 bᵀ c of each molecule: its gradient and curvatures, linear in the parameters."""

    a: np.ndarray
    b: np.ndarray


class Energies(NamedTuple):
    """r + J c, the error of each molecule's energy near some parameters."""

    r: np.ndarray
    j: np.ndarray


def from_derivatives(learned):
    """Gauss-Newton in energies of own solutions, beside derivatives with a small weight."""
    key = jax.random.key(0)
    data = jsci.dft.reference_derivatives(learned, B3LYP, rotations=ROTATIONS, key=key)
    of_derivatives = squares(data)
    return fitted(data, of_derivatives, best_weight(energies(data, START), of_derivatives))


def squares(data) -> Squares:
    r, j = map(np.asarray, _linear(DERIVATIVES, START, data))
    return Squares(np.einsum("mri,mrj->mij", j, j), np.einsum("mri,mr->mi", j, r))


def energies(data, params) -> Energies:
    r, j = map(np.asarray, _linear(_error_of_own_energy, params, data))
    return Energies(r - j @ np.asarray(params), j)


def best_weight(near: Energies, of_derivatives: Squares) -> float:
    """With which molecules that are left out of the training, one by one, have the least error."""
    every = np.arange(len(near.r))

    def left_out(weight):
        found = [_solve(near, of_derivatives, weight, every != k) for k in every]
        return np.mean(np.abs(near.r + np.sum(near.j * found, axis=1)))

    return min(WEIGHTS, key=left_out)


def fitted(data, of_derivatives: Squares, weight: float, steps=5):
    params, every = START, np.ones(len(of_derivatives.b), bool)
    for _ in range(steps):
        params = jnp.asarray(_solve(energies(data, params), of_derivatives, weight, every))
    return params


def _solve(near: Energies, of_derivatives: Squares, weight: float, kept):
    """The least squares of the molecules that are kept."""
    r, j = near.r[kept], near.j[kept]
    a = j.T @ j + weight * of_derivatives.a[kept].sum(axis=0)
    b = j.T @ r + weight * of_derivatives.b[kept].sum(axis=0)
    return np.linalg.solve(a, -b)


ENERGY = jsci.dft.derivative_error(FUNCTIONAL, gradient=0.0, curvature=0.0)
DERIVATIVES = jsci.dft.derivative_error(FUNCTIONAL, energy=0.0)
RELAXATION = jsci.dft.relaxation_error(FUNCTIONAL)


def _error_of_own_energy(params, known):
    """To second order, without an SCF: at the reference's density, and how far it would fall."""
    sample = jsci.dft.Sample(known.molecule, known.energy, known.density)
    return ENERGY(params, known)[0] - RELAXATION(params, sample)


@eqx.filter_jit
def _linear(residual, params, data):
    """Residuals of each molecule, and their Jacobians."""

    def of_one(known):
        return residual(params, known), jax.jacfwd(residual)(params, known)

    return jax.lax.map(of_one, data)


def from_densities(learned, steps=4):
    """Self-consistent energies and densities."""
    solved = [field(m, B3LYP) for m in learned]
    energies = jnp.stack([r.energy for r in solved])
    data = jsci.dft.training_batch(learned, energies, densities=solved)
    return _fit(jsci.dft.mixed_error(FUNCTIONAL, energy=1.0, density=1.0), data, steps)


def _fit(error, data, steps):
    loss = jsci.objective({"b3lyp": error}, batch_size=1)
    optimizer = jsci.levenberg_marquardt(1e-8, acceleration=False, space="parameter")
    return jsci.fit(loss, START, {"b3lyp": data}, optimizer, steps=steps, progress=False).params


def field(m, functional, params=None, guess=None):
    """The result of an SCF."""
    return _field(m, functional, params, m.guess if guess is None else guess)


@eqx.filter_jit
def _field(m, functional, params, guess):
    return jsci.dft.scf(m, functional, params, guess=guess, throw=False)


def tested(found, params):
    """Of a functional (PBE without parameters): errors, B3LYP's steps, and those from its density.

    One row for each molecule.
    """
    functional = jsci.dft.xc("pbe") if params is None else FUNCTIONAL
    rows = []
    for m in found:
        known, own = field(m, B3LYP), field(m, functional, params)
        after = field(m, B3LYP, guess=own.density_matrix)
        sound = known.converged & own.converged & after.converged
        wrong = jnp.where(sound, own.energy - known.energy, jnp.nan)
        rows.append([float(wrong), int(known.steps), int(after.steps)])
    return np.array(rows)


def make_distillation(size: Size) -> Run:
    learned, held_out = molecules(size)

    def learn():
        return {"derivatives": from_derivatives(learned), "densities": from_densities(learned)}

    def error(found):
        return _mae(tested(held_out, found["derivatives"]))

    def figures(found):
        rows = {"PBE": None} | found
        text = {}
        for name, params in rows.items():
            inside, outside = tested(learned, params), tested(held_out, params)
            steps = outside[:, 2].mean() / outside[:, 1].mean()
            text[f"{name}: MAE (learned from, held out), steps of minao's, unconverged"] = (
                f"{_mae(inside):.2f}, {_mae(outside):.2f}, {steps:.2f}, "
                f"{np.isnan([*inside[:, 0], *outside[:, 0]]).sum()}"
            )
        return text

    return Run(
        learn,
        (),
        error=error,
        note=f"{len(learned)} molecules of g2 learned from, {len(held_out)} held out, {BASIS}, "
        f"grid {GRID}; PBE and {START.size} coefficients of local exchange; self-consistent total "
        "energies",
        figures=figures if size != "smoke" else {},
        host=True,
    )


def _mae(found):
    return float(HARTREE_IN_KCAL_PER_MOL * np.nanmean(np.abs(found[:, 0])))


CASES = [
    Case(
        "dft.distillation",
        "dft",
        "B3LYP distilled into a semilocal functional by its orbital derivatives",
        make_distillation,
        "full",
        reference="self-consistent B3LYP of molecules not learned from",
        tolerance=10.0,
        error_name="mean |error| in kcal/mol",
    )
]
