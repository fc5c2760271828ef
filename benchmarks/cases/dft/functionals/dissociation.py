"""Bonds pulled apart by a local hybrid that learns well depths and exact conditions of atoms."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft.functionals import _dimers as dimers
from benchmarks.cases.dft.functionals._dimers import PBE
from benchmarks.runner.case import Case, Run, Size
from jaxsci.dft._basis.units import HARTREE_IN_KCAL_PER_MOL
from jaxsci.dft._functionals.exact_exchange_density import of_orbitals
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.kohn_sham import density_features
from jaxsci.dft._xc.density import both_spins
from jaxsci.dft._xc.slater import slater

RANGES = None, 0.4
WIDTH = 12
KEYS = "pair_potentials", "pair_potentials_0.4"
# Bonds to pull apart while learning: length in ångström and core orbitals, which full CI leaves.
PULLED = {
    ("Li", "H"): (1.6, 0),
    ("B", "H"): (1.23, 1),
    ("F", "H"): (0.92, 1),
    ("Li", "Li"): (2.67, 2),
}
STRETCH = 0.8, 1.0, 1.3, 1.6, 2.0, 2.5, 3.2, 4.5


class Seen(NamedTuple):
    """What a local hybrid sees of one density: PBE's energy, its inputs, and what they scale."""

    energy: jax.Array
    inputs: jax.Array
    parts: jax.Array


def network():
    """Coefficients of local exchange and of exact exchange at two ranges, on top of PBE."""
    mlp = jsci.nn.MLP(5, 3, width=WIDTH, depth=2, key=jax.random.key(0), dtype=jnp.float64)
    small = eqx.tree_at(
        lambda m: m.layers[-1], mlp, replace_fn=lambda layer: dimers.scaled(layer, 0.05)
    )
    return jsci.pure(small)


def hybrid():
    """PBE with the correction."""
    return PBE + jsci.dft.local_hybrid(network()[0], ranges=RANGES)


def prepared(molecule):
    """With what exact exchange needs at every point."""
    return jsci.dft.with_pair_potentials(molecule, RANGES)


@eqx.filter_jit
def _ground(m, solver):
    r = jsci.dft.scf(m, PBE, max_steps=150, solver=solver, throw=False)
    return r.converged, both_spins(r.density_matrix.reshape(-1, m.size, m.size))


@eqx.filter_jit
def _seen(m, density):
    """As `local_hybrid` sees it, of a density matrix of both spins."""
    ops = operators(m, PBE)
    grid = ops.quadrature
    found = density_features(ops, density, "gga")
    weights = grid.flat()[1]
    present = (found.rho > 1e-10) & (weights != 0)
    safe = jax.tree.map(lambda x: jnp.where(present, x, 1), found)
    orbitals = grid.map(lambda rows: rows[0])[grid.basis.row]
    exact = jnp.stack([jnp.sum(of_orbitals(orbitals, density, m.extras[k]), 0) for k in KEYS], 1)
    local = jax.vmap(slater)(safe)[:, None]
    inputs = jax.vmap(lambda f: jsci.dft.descriptors(f, "gga"))(safe)
    inputs = jnp.concatenate([inputs, exact / (local + exact)], axis=1)
    parts = jnp.concatenate([local, exact], axis=1) * weights[:, None]
    there = present[:, None]
    energy = jsci.dft.fixed_density_energy(m, PBE, density_matrix=density)
    return Seen(energy, jnp.where(there, inputs, 0), jnp.where(there, parts, 0))


def seen_one(m, *, atom: bool) -> list[Seen]:
    """At PBE's density; of an atom also with equal spins, half of all electrons each."""
    for solver in dimers.SOLVERS:
        converged, density = _ground(m, solver)
        if converged:
            break
    else:
        return []
    densities = [density]
    if atom:
        densities.append(jnp.stack([density.mean(axis=0)] * 2))
    return [_seen(m, p) for p in densities]


def see_all(species) -> dict[Any, list[Seen]]:
    """Of dimers and atoms by name, one after the other, with orbitals for each spin."""
    both = [dataclasses.replace(m, spins="unrestricted") for m in species.values()]
    padded = jsci.dft.pad_to_buckets(both, dimers.BUCKETS)
    return {
        k: seen_one(m, atom=int(m.atom_mask.sum()) == 1)
        for k, m in zip(species, padded, strict=True)
    }


def pulled_apart():
    """Of each bond: molecules without unpaired electrons, and energies of full CI in 6-31G."""
    found = {}
    for (a, b), (length, core) in PULLED.items():
        bonds = [[(a, (0.0, 0.0, 0.0)), (b, (0.0, 0.0, length * x))] for x in STRETCH]
        molecules = [prepared(jsci.dft.molecule(x, "6-31g", grid=dimers.GRID)) for x in bonds]
        found[a + b] = molecules, np.array([_full_ci(x, core) for x in bonds])
    return found


def _full_ci(atoms, core: int) -> float:
    from pyscf import gto, mcscf, scf

    mol = gto.M(atom=atoms, basis="6-31g", verbose=0)
    field: Any = scf.RHF(mol).newton()
    field.kernel()
    active: Any = mcscf.CASCI(field, mol.nao - core, mol.nelectron - 2 * core)
    active.kernel()
    return active.e_tot


def samples(seen, learned, curves=None):
    """Dimers with their atoms, atoms with equal spins, and whole curves, in one shape of grids."""
    kept = [d for d in learned if all(seen[k] for k in (d.name, *d.elements))]
    size = max(s.parts.shape[0] for one in seen.values() for s in one)

    def stacked(rows):
        return _stacked([_padded(r, size) for r in rows])

    wells = [stacked([seen[d.name][0], *(seen[e][0] for e in d.elements)]) for d in kept]
    data = {
        "dimers": (_stacked(wells), jnp.array([d.well_depth for d in kept])),
        "spins": _stacked([stacked(s) for s in seen.values() if len(s) == 2]),
    }
    if curves:
        energies = jnp.array([energies for _, energies in curves.values()])
        data["curves"] = _stacked([stacked(s) for s, _ in curves.values()]), energies
    return data


def see_curves(pulled):
    """What is seen of the molecules of `pulled_apart`, and their energies."""
    seen = see_all(
        {(k, i): m for k, (molecules, _) in pulled.items() for i, m in enumerate(molecules)}
    )
    return {
        k: ([seen[k, i][0] for i in range(len(molecules))], energies)
        for k, (molecules, energies) in pulled.items()
    }


def learn(data):
    """Well depths, atoms with equal spins and the energy of the atom, curves but for a constant."""
    f, start = network()

    def energies(p, s):
        coefficients = jax.vmap(jax.vmap(lambda d: f(p, d)))(s.inputs)
        return HARTREE_IN_KCAL_PER_MOL * (s.energy + jnp.sum(s.parts * coefficients, axis=(1, 2)))

    def dimer(p, sample):
        s, known = sample
        pair, a, b = energies(p, s)
        return a + b - pair - HARTREE_IN_KCAL_PER_MOL * known

    def spin(p, s):
        atom, equal = energies(p, s)
        return equal - atom

    def curve(p, sample):
        s, known = sample
        error = energies(p, s) - HARTREE_IN_KCAL_PER_MOL * known
        return (error - jnp.mean(error)) / jnp.sqrt(error.size)

    terms = {"dimers": dimer, "spins": spin, "curves": curve}
    return dimers.fit_near({k: terms[k] for k in data}, start, data)


def at_fixed_densities(seen, params) -> dict[str, float]:
    """Energies at the densities that are seen, NaN where PBE did not converge."""
    f, _ = network()

    @jax.jit
    def energy(s):
        return s.energy + jnp.sum(s.parts * jax.vmap(lambda d: f(params, d))(s.inputs))

    return {k: float(energy(s[0])) if s else np.nan for k, s in seen.items()}


def _stacked(rows):
    return jax.tree.map(lambda *x: jnp.stack(x), *rows)


def _padded(s: Seen, size: int) -> Seen:
    extra = size - s.parts.shape[0]
    return Seen(s.energy, *(jnp.pad(x, ((0, extra), (0, 0))) for x in (s.inputs, s.parts)))


def make_dissociation(size: Size) -> Run:
    learned, held_out = dimers.choose(size, metals=False)
    functional = hybrid()
    species = {k: prepared(m) for k, m in dimers.species_of(learned).items()}
    others = {k: prepared(m) for k, m in dimers.species_of(held_out).items()}
    pulled = pulled_apart()

    def step():
        seen = see_all(species)
        found = {
            "without curves": learn(samples(seen, learned)),
            "with curves": learn(samples(seen, learned, see_curves(pulled))),
        }
        unseen = see_all(others)
        return {k: (p, at_fixed_densities(unseen, p)) for k, p in found.items()}

    def figures(result):
        text = {}
        for name, (params, energies) in result.items():
            lost = dimers.failed(energies, held_out)
            text[f"{name}: MAE held out, failed"] = (
                f"{dimers.mae(energies, held_out):.2f}, {', '.join(lost) or 'none'}"
            )
            for curve in ("H2", "N2"):
                text[f"{name}: non-parallelity of {curve} (PBE, learned)"] = ", ".join(
                    f"{dimers.curve_error(curve, *x):.1f}"
                    for x in ((PBE,), (functional, params, prepared))
                )
        return text

    return Run(
        step,
        (),
        error=lambda result: dimers.mae(result["with curves"][1], held_out),
        note=f"a local hybrid on PBE learned at PBE's densities from {len(learned)} well depths, "
        "atoms with equal spins, and without or with full CI of four other bonds pulled apart; "
        f"{len(held_out)} dimers held out at PBE's densities, both curves self-consistent and "
        f"without unpaired electrons; {dimers.BASIS}, grid {dimers.GRID}",
        figures=figures if size != "smoke" else {},
        host=True,
    )


CASES = [
    Case(
        "dft.dissociation",
        "dft",
        "Bonds pulled apart by a local hybrid that has learned from atoms with equal spins",
        make_dissociation,
        "full",
        reference="experiment",
        tolerance=8.0,
        error_name="mean |error| of well depths in kcal/mol",
    )
]
