"""B3LYP distilled into a semilocal functional, from its derivatives or from its densities."""

import itertools

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
DEGREE, ROTATIONS = 3, 4
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


def in_two(structures):
    """The smaller and the larger molecules: each half in one shape."""
    made = [one_grid(s.atoms, BASIS, GRID) for s in structures]
    made.sort(key=lambda m: (m.size, m.grid.owner.shape[0]))
    half = len(made) // 2
    return {"small": made[:half], "large": made[half:]}


def from_derivatives(parts, steps=2):
    """The residuals are linear in the parameters: the second step mends the first one's damping."""
    data = {
        name: jsci.dft.reference_derivatives(m, B3LYP, rotations=ROTATIONS, key=jax.random.key(0))
        for name, m in parts.items()
    }
    return _fit(jsci.dft.derivative_error(FUNCTIONAL), data, steps)


def from_densities(parts, steps=6):
    """Self-consistent energies and densities."""
    data = {}
    for name, m in parts.items():
        solved = field(jsci.dft.stack(m), B3LYP)
        data[name] = jsci.dft.training_batch(m, solved.energy, densities=solved.density_matrix)
    return _fit(jsci.dft.mixed_error(FUNCTIONAL, energy=1.0, density=1.0), data, steps)


def _fit(error, data, steps):
    loss = jsci.objective(dict.fromkeys(data, error), batch_size=1)
    optimizer = jsci.levenberg_marquardt(1e-8, acceleration=False, space="parameter")
    return jsci.fit(loss, START, data, optimizer, steps=steps, progress=False).params


@eqx.filter_jit
def field(molecules, functional, params=None, guess=None):
    """Results of the SCF of a stack."""

    def one(args):
        m, p = args
        return jsci.dft.scf(m, functional, params, guess=p, throw=False)

    return jax.lax.map(one, (molecules, molecules.guess if guess is None else guess))


def tested(parts, params):
    """Of B3LYP and of a functional (PBE without parameters), per molecule: errors and steps."""
    functional = jsci.dft.xc("pbe") if params is None else FUNCTIONAL
    found = []
    for m in map(jsci.dft.stack, parts.values()):
        known, own = field(m, B3LYP), field(m, functional, params)
        after = field(m, B3LYP, guess=own.density_matrix)
        wrong = np.where(known.converged & own.converged, own.energy - known.energy, np.nan)
        found.append(np.stack([wrong, known.steps, after.steps], axis=1))
    return np.concatenate(found)


def make_distillation(size: Size) -> Run:
    learned, held_out = map(in_two, split(size))

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
        note=f"{sum(map(len, learned.values()))} molecules of g2 learned from, "
        f"{sum(map(len, held_out.values()))} held out, {BASIS}, grid {GRID}; PBE and "
        f"{START.size} coefficients of local exchange; self-consistent total energies",
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
