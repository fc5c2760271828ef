"""Ewald's sum against Madelung constants, pairs of a molecule, differences, and its own cutoff."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.atoms._structure.atoms import moved, strained
from jaxsci.atoms._structure.units import COULOMB

ROCK_SALT = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2


def salt(length=5.64):
    fraction = np.concatenate([ROCK_SALT, ROCK_SALT + 0.5])
    return jsci.atoms.Atoms(fraction * length, ["Na"] * 4 + ["Cl"] * 4, length * np.eye(3))


def caesium_chloride(length=4.1):
    return jsci.atoms.Atoms(
        np.array([[0, 0, 0], [0.5, 0.5, 0.5]]) * length, ["Cs", "Cl"], length * np.eye(3)
    )


def sheared(seed=0):
    """Three atoms in a cell without symmetry."""
    rng = np.random.default_rng(seed)
    cell = 4.0 * np.eye(3) + 0.4 * rng.normal(size=(3, 3))
    places = np.array([[0, 0, 0], [0.5, 0.45, 0.5], [0.1, 0.5, 0.0]]) @ cell
    return jsci.atoms.Atoms(places, ["Ca", "F", "F"], cell)


def energy_of(atoms, charges, cutoff):
    energy, params = jsci.atoms.point_charges(charges, atoms, cutoff=cutoff)
    return float(energy(params, atoms, jsci.atoms.neighbours(atoms, cutoff)))


@pytest.mark.parametrize(
    ("atoms", "cation", "pairs", "distance", "madelung"),
    [
        # Of pairs at their nearest distance: Sakamoto, J. Chem. Phys. 28, 164 (1958).
        (salt(), "Na", 4, 5.64 / 2, 1.747564594633),
        (caesium_chloride(), "Cs", 1, 4.1 * 3**0.5 / 2, 1.762674773071),
    ],
)
def test_madelung_constants(atoms, cation, pairs, distance, madelung):
    energy = energy_of(atoms, {cation: 1.0, "Cl": -1.0}, 7.0)
    np.testing.assert_allclose(-energy / pairs * distance / COULOMB, madelung, rtol=1e-9)


def test_the_cutoff_does_not_matter():
    atoms, charges = sheared(), {"Ca": 2.0, "F": -1.0}
    a, b = (energy_of(atoms, charges, cutoff) for cutoff in (5.0, 9.0))
    np.testing.assert_allclose(a, b, rtol=1e-9)
    # Nor where the cell has a charge: the background is that of any cutoff.
    a, b = (energy_of(atoms, {"Ca": 2.0, "F": -0.7}, cutoff) for cutoff in (5.0, 9.0))
    np.testing.assert_allclose(a, b, rtol=1e-8)


def test_elements_by_number():
    atoms = sheared()
    by_symbol = energy_of(atoms, {"Ca": 2.0, "F": -1.0}, 5.0)
    assert energy_of(atoms, {np.int64(20): 2.0, 9: -1.0}, 5.0) == by_symbol


def test_a_molecule_is_the_sum_over_its_pairs():
    atoms = jsci.atoms.Atoms([[0, 0, 0], [2.0, 0, 0], [0, 0, 3.0]], ["Ca", "F", "F"])
    found = energy_of(atoms, {"Ca": 2.0, "F": -1.0}, 5.0)
    np.testing.assert_allclose(found, COULOMB * (-2 / 2 - 2 / 3 + 1 / 13**0.5), rtol=1e-12)


def test_forces_and_stress_are_derivatives():
    atoms, cutoff = sheared(), 6.0
    energy, params = jsci.atoms.point_charges({"Ca": 2.0, "F": -1.0}, atoms, cutoff=cutoff)
    graph = jsci.atoms.neighbours(atoms, cutoff)
    found = jax.jit(jsci.atoms.properties(energy))(params, atoms, graph)
    h, total = 1e-4, jax.jit(energy)
    for i, k in itertools.product(range(3), range(3)):
        step = np.zeros((3, 3))
        step[i, k] = h
        ahead, behind = (
            total(params, moved(atoms, atoms.positions + s * jnp.asarray(step)), graph)
            for s in (1, -1)
        )
        np.testing.assert_allclose(found.forces[i, k], (behind - ahead) / (2 * h), atol=2e-6)
        ahead, behind = (
            total(params, strained(atoms, jnp.asarray(s * step)), graph) for s in (1, -1)
        )
        slope = (ahead - behind) / (2 * h * atoms.volume)
        np.testing.assert_allclose(found.stress[i, k], slope, atol=2e-6)


def test_padding_has_no_charge():
    charges = {"Ca": 2.0, "F": -1.0}
    atoms = sheared()
    (batch,) = jsci.atoms.batch([jsci.atoms.Frame(atoms), jsci.atoms.Frame(atoms)], 6.0, buckets=1)
    energy, params = jsci.atoms.point_charges(charges, atoms, cutoff=6.0)
    padded = jsci.atoms.Atoms(
        np.concatenate([atoms.positions, np.zeros((2, 3))]),
        np.concatenate([atoms.numbers, [0, 0]]),
        atoms.cell,
    )
    alone = energy(params, atoms, jsci.atoms.neighbours(atoms, 6.0))
    np.testing.assert_allclose(
        energy(params, padded, jsci.atoms.neighbours(padded, 6.0, edges=900)), alone, rtol=1e-12
    )
    found = jax.vmap(energy, (None, 0, 0))(params, batch.atoms, batch.graph)
    np.testing.assert_allclose(found, alone, rtol=1e-12)


def test_bad_input():
    atoms = sheared()
    graph = jsci.atoms.neighbours(atoms, 6.0)
    energy, params = jsci.atoms.point_charges({"Ca": 2.0, "F": -1.0}, atoms, cutoff=6.0)
    with pytest.raises(ValueError, match="know no F"):
        jsci.atoms.point_charges({"Ca": 2.0}, atoms, cutoff=6.0)
    with pytest.raises(ValueError, match="two charges, by symbol and by number"):
        jsci.atoms.point_charges({"Ca": 2.0, 20: 3.0, "F": -1.0}, atoms, cutoff=6.0)
    with pytest.raises(ValueError, match="no element has the number -1"):
        jsci.atoms.point_charges({-1: 2.0, 20: 2.0, 9: -1.0}, atoms, cutoff=6.0)
    with pytest.raises(ValueError, match="finite"):
        jsci.atoms.point_charges({"Ca": np.nan, "F": 1.0}, atoms, cutoff=6.0)
    with pytest.raises(ValueError, match="positive"):
        jsci.atoms.point_charges({"Ca": 2.0, "F": -1.0}, atoms, cutoff=0.0)
    long = moved(atoms, atoms.positions, jnp.asarray(1.2 * np.asarray(atoms.cell)))
    with pytest.raises(ValueError, match="stretched"):
        energy(params, long, graph)
    assert jnp.isnan(jax.jit(energy)(params, long, graph))
    molecule = jsci.atoms.Atoms(atoms.positions, atoms.numbers)
    with pytest.raises(ValueError, match="of a crystal, and this is a molecule"):
        energy(params, molecule, graph)
