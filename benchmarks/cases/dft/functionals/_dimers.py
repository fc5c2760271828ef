"""Dimers and dissociation curves, solved species by species, and least squares near a start."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import jaxsci as jsci
from benchmarks.runner.case import Size
from jaxsci.dft._basis.units import HARTREE_IN_KCAL_PER_MOL
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.kohn_sham import density_features
from jaxsci.dft._xc.density import both_spins
from jaxsci.dft._xc.slater import slater

BASIS, GRID, BUCKETS = "def2-svp", 0, 3
# The prior keeps the parameters near their initial values, as half of the dimers are few.
PRIOR, STEPS = 1.6e-2, 40
PBE = jsci.dft.xc("pbe")
Dimers = list[jsci.dft.data.Dimer]
# One after another until one converges.
SOLVERS = jsci.dft.DIIS(damping=0.2), jsci.dft.DIIS(level_shift=0.4), jsci.dft.Newton()


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
    spins = both_spins(r.density_matrix.reshape(-1, m.size, m.size))
    found = density_features(ops, spins, "gga")
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


def mae(energies, dimers):
    """Mean |error| of the well depths that are known, in kcal/mol."""
    return float(np.nanmean(np.abs(errors(energies, dimers))))


def failed(energies, dimers):
    """Names of those without a well depth."""
    return [d.name for d in dimers if not np.isfinite(errors(energies, [d])).all()]


def scaled(layer, factor):
    """A layer with all of its numbers multiplied."""
    return jax.tree.map(lambda x: factor * x if eqx.is_inexact_array(x) else x, layer)
