"""A functional learned from half of the dimers, on the other half and on dissociation curves."""

import time
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import jaxsci as jsci
from benchmarks.runner.case import Case, Run, Size
from jaxsci.dft._basis.units import HARTREE_IN_KCAL_PER_MOL
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.kohn_sham import density_features
from jaxsci.dft._xc.slater import slater

BASIS, GRID, BUCKETS = "def2-svp", 0, 3
# The prior keeps the parameters near their initial values, as half of the dimers are few.
PRIOR, STEPS, WIDTH = 1.6e-2, 40, 8
DAMPED = jsci.dft.DIIS(damping=0.2)
PBE, OTHERS = jsci.dft.xc("pbe"), {"LDA": "svwn", "B3LYP": "b3lyp"}
NOISE = 0.0, 3.0, 10.0, 30.0  # kcal/mol
Dimers = list[jsci.dft.data.Dimer]
# One after another until one converges.
SOLVERS = DAMPED, jsci.dft.DIIS(level_shift=0.4), jsci.dft.Newton()


class Found(NamedTuple):
    """Energy (NaN if unconverged), density matrix, and what a correction sees of the density."""

    energy: jax.Array
    density: jax.Array
    seen: tuple[jax.Array, jax.Array]


class Solved(NamedTuple):
    """The same of many species, by name."""

    energies: dict[str, float]
    densities: dict[str, jax.Array]
    seen: dict[str, tuple[jax.Array, jax.Array]]


@eqx.filter_jit
def _solve(m, functional, params, guess, solver) -> Found:
    r = jsci.dft.scf(m, functional, params, guess=guess, max_steps=150, solver=solver, throw=False)
    ops = operators(m, PBE)
    found = density_features(ops, r.density_matrix, "gga")
    present = (found.rho > 1e-10) & (ops.quadrature.flat()[1] != 0)
    safe = jax.tree.map(lambda x: jnp.where(present, x, 1), found)
    inputs = jax.vmap(lambda f: jsci.dft.descriptors(f, "gga"))(safe)
    local = jnp.where(present, ops.quadrature.flat()[1] * slater(safe), 0)
    energy = jnp.where(r.converged, r.energy, jnp.nan)
    return Found(energy, r.density_matrix, (inputs, local))


def solve_one(m, functional, params=None, other_start=None) -> Found:
    """From the usual start; where another leads to a lower energy, from that."""
    starts = ["minao"] if other_start is None else ["minao", other_start]
    found = [_converged(m, functional, params, guess) for guess in starts]
    return min(found, key=lambda x: float(jnp.nan_to_num(x.energy, nan=jnp.inf)))


def _converged(m, functional, params, guess) -> Found:
    """By the first solver that converges."""
    for solver in SOLVERS:
        found = _solve(m, functional, params, guess, solver)
        if jnp.isfinite(found.energy):
            break
    return found


def solve_all(species, functional, params=None, buckets=BUCKETS, other_starts=None) -> Solved:
    """Every species by itself, in a few shapes, also from densities of the same shapes."""
    padded = jsci.dft.pad_to_buckets(list(species.values()), buckets)
    starts = other_starts or {}
    found = {
        k: solve_one(m, functional, params, starts.get(k))
        for k, m in zip(species, padded, strict=True)
    }
    return Solved(
        {k: float(x.energy) for k, x in found.items()},
        {k: x.density for k, x in found.items()},
        {k: x.seen for k, x in found.items()},
    )


def errors(energies, dimers):
    """Errors of the well depths in kcal/mol."""
    depth = [sum(energies[e] for e in d.elements) - energies[d.name] for d in dimers]
    return HARTREE_IN_KCAL_PER_MOL * (np.array(depth) - [d.well_depth for d in dimers])


def _samples(solved: Solved, dimers):
    """Error of PBE and the inputs of the correction: dimer, then its atoms, padded."""
    size = max(local.shape[0] for _, local in solved.seen.values())

    def padded(name):
        inputs, local = solved.seen[name]
        extra = size - local.shape[0]
        return jnp.pad(inputs, ((0, extra), (0, 0))), jnp.pad(local, (0, extra))

    rows = [[padded(k) for k in (d.name, *d.elements)] for d in dimers]
    inputs, local = (jnp.stack([jnp.stack([r[j] for r in row]) for row in rows]) for j in (0, 1))
    return {"dimers": (inputs, local, jnp.asarray(errors(solved.energies, dimers)))}


def _train(network, params, samples):
    """At the densities of PBE: the change of a well depth is a sum over the grids of three."""

    def dimer(p, sample):
        inputs, local, error = sample
        factors = jax.vmap(jax.vmap(lambda d: network(p, d)))(inputs)
        energies = jnp.sum(local * factors, axis=1)
        return error + HARTREE_IN_KCAL_PER_MOL * (energies[1] + energies[2] - energies[0])

    return fit_near({"dimers": dimer}, params, samples)


def fit_near(terms, params, samples, weights=None):
    """Least squares with a prior around the initial parameters."""
    start, _ = ravel_pytree(params)

    def prior(p, one):
        return one * (ravel_pytree(p)[0] - start)

    weights = {"prior": PRIOR * start.size} | (weights or {})
    loss = jsci.objective(terms | {"prior": prior}, weights)
    data = samples | {"prior": jnp.ones((1, 1))}
    optimizer = jsci.levenberg_marquardt()
    return jsci.fit(loss, params, data, optimizer, steps=STEPS, progress=False).params


def curve_error(name, functional, params=None, prepared=lambda m: m):
    """Non-parallelity in kcal/mol: the range of the error along a dissociation curve."""
    curve = jsci.dft.data.dissociation_curve(name)
    molecules = [jsci.dft.molecule(a, curve.basis, grid=GRID) for a in curve.molecules]
    species = dict(zip(curve.distances.tolist(), map(prepared, molecules), strict=True))
    energies = solve_all(species, functional, params, buckets=1).energies
    error = np.array(list(energies.values())) - curve.energies
    return HARTREE_IN_KCAL_PER_MOL * (np.nanmax(error) - np.nanmin(error))


def halves(dimers):
    """A random half to learn from, and the other."""
    order = np.random.default_rng(0).permutation(len(dimers))
    half = len(dimers) // 2
    return [dimers[i] for i in order[:half]], [dimers[i] for i in order[half:]]


def choose(size: Size, *, metals: bool) -> tuple[Dimers, Dimers]:
    """The halves of those with a 3d metal, or of the others."""
    found = [d for d in jsci.dft.data.dimers() if d.has_3d_metal == metals]
    return halves(found[: 4 if metals else 8] if size == "smoke" else found)


def species_of(dimers):
    """These dimers and their atoms."""
    spins = jsci.dft.data.atom_spins()
    atoms = {e: ([(e, (0.0, 0.0, 0.0))], spins[e]) for d in dimers for e in d.elements}
    geometries = atoms | {d.name: (d.atoms, d.spin) for d in dimers}
    return {k: jsci.dft.molecule(a, BASIS, spin=s, grid=GRID) for k, (a, s) in geometries.items()}


def network():
    """A small correction of PBE, and its parameters."""
    mlp = jsci.nn.MLP(3, "scalar", width=WIDTH, depth=2, key=jax.random.key(0), dtype=jnp.float64)
    mlp = eqx.tree_at(lambda m: m.layers[-1], mlp, replace_fn=lambda layer: scaled(layer, 0.05))
    return jsci.pure(mlp)


def learn(pbe: Solved, dimers, noise: float = 0.0):
    """Parameters from the dimers that PBE converges, with errors in kcal/mol added to theirs."""
    f, start = network()
    known = [d for d in dimers if np.isfinite(errors(pbe.energies, [d])).all()]
    samples = _samples(pbe, known)
    inputs, local, error = samples["dimers"]
    error += noise * np.random.default_rng(1).standard_normal(len(known))
    return _train(f, start, {"dimers": (inputs, local, error)})


def at_fixed_densities(pbe: Solved, dimers, params):
    """MAE in kcal/mol at the densities of PBE."""
    f, _ = network()
    inputs, local, error = _samples(pbe, dimers)["dimers"]
    factors = eqx.filter_jit(jax.vmap(jax.vmap(jax.vmap(lambda d: f(params, d)))))(inputs)
    energies = jnp.sum(local * factors, axis=2)
    change = HARTREE_IN_KCAL_PER_MOL * (energies[:, 1] + energies[:, 2] - energies[:, 0])
    return float(np.nanmean(np.abs(error + change)))


def learned_functional():
    """PBE with the correction."""
    return jsci.dft.neural_functional(network()[0], base=PBE)


def mae(energies, dimers):
    """Mean |error| of the well depths that are known, in kcal/mol."""
    return float(np.nanmean(np.abs(errors(energies, dimers))))


def failed(energies, dimers):
    """Names of those without a well depth."""
    return [d.name for d in dimers if not np.isfinite(errors(energies, [d])).all()]


def make_dimers(size: Size) -> Run:
    """Learned from half of the main-group dimers; tried on the others."""
    learned, held_out = choose(size, metals=False)
    species, functional = species_of(learned + held_out), learned_functional()

    def step() -> Any:
        clock = time.process_time()
        pbe = solve_all(species, PBE)
        params = learn(pbe, learned)
        own = solve_all(species, functional, params, other_starts=pbe.densities)
        return (params, pbe, own), [(time.process_time() - clock, mae(own.energies, held_out))]

    def figures(result):
        params, pbe, own = result
        rows = {"PBE": pbe, "learned": own}
        rows |= others(species, pbe)
        text = {
            f"MAE {name} (learned from, held out, unconverged)": (
                f"{mae(x.energies, learned):.2f}, {mae(x.energies, held_out):.2f}, "
                f"{len(failed(x.energies, learned + held_out))}"
            )
            for name, x in rows.items()
        }
        for curve in ("H2", "N2"):
            text[f"{curve} non-parallelity (PBE, learned)"] = ", ".join(
                f"{curve_error(curve, *f):.1f}" for f in ((PBE, None), (functional, params))
            )
        found = [d for d in held_out if not failed(pbe.energies, [d])]
        for noise in NOISE:
            w = learn(pbe, learned, noise)
            text[f"MAE held out at PBE's densities, {noise:g} kcal/mol of noise learned from"] = (
                f"{at_fixed_densities(pbe, found, w):.2f}"
            )
        return text

    return Run(
        step,
        (),
        error=lambda result: mae(result[2].energies, held_out),
        note=f"{len(learned)} main-group dimers learned from at PBE's densities, {len(held_out)} "
        f"held out and solved self-consistently; {BASIS}, grid {GRID}; kcal/mol, D0 + ω/2",
        figures=figures if size != "smoke" else {},
        host=True,
    )


def make_metals(size: Size) -> Run:
    """Dimers with a 3d metal: by a functional that has seen none, and by one that has."""
    main, _ = choose(size, metals=False)
    learned, held_out = choose(size, metals=True)
    known, species = species_of(main), species_of(learned + held_out)
    functional = learned_functional()

    def step() -> Any:
        pbe = solve_all(species, PBE)
        of_main = solve_all(known, PBE)
        both = Solved(
            of_main.energies | pbe.energies,
            of_main.densities | pbe.densities,
            of_main.seen | pbe.seen,
        )
        params = {
            "learned without metals": learn(of_main, main),
            "learned with metals": learn(both, main + learned),
        }
        own = {
            k: solve_all(species, functional, p, other_starts=pbe.densities)
            for k, p in params.items()
        }
        return {"PBE": pbe} | own

    def figures(found):
        rows = found | others(species, found["PBE"])
        return metal_rows({k: x.energies for k, x in rows.items()}, learned, held_out)

    return Run(
        step,
        (),
        error=lambda found: mae(found["learned with metals"].energies, held_out),
        note=f"{len(main)} main-group dimers and {len(learned)} with a 3d metal learned from at "
        f"PBE's densities, {len(held_out)} with a metal held out and solved self-consistently; "
        f"{BASIS}, grid {GRID}; kcal/mol, D0 + ω/2",
        figures=figures if size != "smoke" else {},
        host=True,
    )


def others(species, pbe: Solved) -> dict[str, Solved]:
    """LDA and B3LYP."""
    return {
        name: solve_all(species, jsci.dft.xc(x), other_starts=pbe.densities)
        for name, x in OTHERS.items()
    }


def metal_rows(energies, learned, held_out):
    """Of each functional: errors, and what fails by name."""
    text = {}
    for name, found in energies.items():
        lost = failed(found, learned + held_out)
        text[f"MAE {name} (all, held out)"] = (
            f"{mae(found, learned + held_out):.2f}, {mae(found, held_out):.2f}"
        )
        text[f"{name} fails for {len(lost)} of {len(learned + held_out)}"] = ", ".join(lost)
    return text


def scaled(layer, factor):
    """A layer with all of its numbers multiplied."""
    return jax.tree.map(lambda x: factor * x if eqx.is_inexact_array(x) else x, layer)


CASES = [
    Case(
        "dft.dimers",
        "dft",
        "Well depths of dimers by a functional learned from others",
        make_dimers,
        "full",
        reference="experiment",
        tolerance=8.0,
        error_name="mean |error| in kcal/mol",
    ),
    Case(
        "dft.dimers-metals",
        "dft",
        "Well depths of dimers with a 3d metal by functionals that have seen none, and some",
        make_metals,
        "full",
        reference="experiment",
        tolerance=20.0,
        error_name="mean |error| in kcal/mol",
    ),
]
