"""Fractional numbers of electrons: what is known of them exactly, and what refuses them."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import (
    DIIS,
    Functional,
    fixed_density_energy,
    fixed_density_hamiltonian,
    forces,
    hamiltonian_guess,
    harris_energy,
    molecule,
    reaction,
    reaction_error,
    scf,
    stability,
    to_pyscf,
    xc,
)

pytest.importorskip("pyscf")

COLD = DIIS(temperature=1e-4)
FAR = 30.0  # Bohr


def atom(alpha, beta, basis="6-31g"):
    return molecule("H 0 0 0", basis, spin=1, grid=1).with_electrons(alpha, beta)


def two(charge, basis="6-31g"):
    """Hydrogen atoms without functions but s, so that neither is polarised by the other."""
    atoms = [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, FAR))]
    return molecule(atoms, basis, charge=charge, spin=charge, unit="bohr", grid=1)


@eqx.filter_jit
def solved(m, functional):
    return scf(m, functional, solver=COLD, tolerance=1e-12)


def energy(m, functional):
    return solved(m, functional).energy


def spread(result):
    """The density of an electron in the lowest orbital of an atom and of one far from it."""
    orbital = jnp.concatenate([result.orbitals[0][:, 0]] * 2) / jnp.sqrt(2)
    return orbital[:, None] * orbital[None]


@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_a_part_of_one_electron_by_hartree_fock_is_exact(fraction):
    """Without self-interaction the energy is linear from no electron to one."""
    whole, part = (energy(atom(n, 0.0), xc("hf")) for n in (1.0, fraction))
    np.testing.assert_allclose(part, fraction * whole, atol=1e-11)


def test_half_of_each_spin_by_hartree_fock_in_one_orbital():
    """E = h + J/2 - J/4, where the exact energy is h: the error of fractional spins."""
    m = atom(0.5, 0.5, "sto-3g")
    assert m.repulsion is not None
    h, j = m.core_hamiltonian[0, 0], m.repulsion[0, 0]
    np.testing.assert_allclose(energy(m, xc("hf")), h + j / 4, atol=1e-12)
    np.testing.assert_allclose(energy(atom(1.0, 0.0, "sto-3g"), xc("hf")), h, atol=1e-12)


@pytest.mark.parametrize(("name", "between"), [("svwn", 0.0), ("hf", -0.5 / FAR)])
def test_stretched_hydrogen_is_two_atoms_with_half_of_each_spin(name, between):
    """Both electrons in one orbital, whose exchange by Hartree-Fock reaches from atom to atom."""
    half = solved(atom(0.5, 0.5), xc(name))
    pair = fixed_density_energy(two(0), xc(name), density_matrix=2 * spread(half))
    np.testing.assert_allclose(pair, 2 * half.energy + between, atol=2e-6)
    assert half.energy > 0.03 + energy(atom(1.0, 0.0), xc(name))


@pytest.mark.parametrize(("name", "between"), [("svwn", 0.25 / FAR), ("hf", 0.0)])
def test_stretched_ion_is_two_atoms_with_half_an_electron(name, between):
    """By a local functional half an electron repels the other half, by Hartree-Fock it does not."""
    half, whole = (solved(atom(n, 0.0), xc(name)) for n in (0.5, 1.0))
    alpha = spread(half)
    density = jnp.stack([alpha, jnp.zeros_like(alpha)])
    ion = fixed_density_energy(two(1), xc(name), density_matrix=density)
    np.testing.assert_allclose(ion, 2 * half.energy + between, atol=2e-6)
    if name == "hf":  # and exact
        np.testing.assert_allclose(ion, whole.energy, atol=2e-6)
    else:
        assert ion < whole.energy - 0.03


def scaled(params, d):
    return params * xc("svwn")(None, d)


@pytest.mark.slow
def test_exact_conditions_are_reactions_to_train_on():
    """E[½ α, ½ β] - E[α] = 0, less the heat of two orbitals that are half filled."""
    functional = Functional(((1.0, scaled),), level="lda")
    sample = reaction([atom(0.5, 0.5, "sto-3g"), atom(1.0, 0.0, "sto-3g")], (1, -1), 0.0)
    error = reaction_error(functional, solver=COLD, tolerance=1e-13)
    value, slope = jax.value_and_grad(error)(jnp.asarray(0.9), sample)

    def apart(p):
        return sum(
            s * scf(atom(a, b, "sto-3g"), functional, p, solver=COLD, tolerance=1e-13).energy
            for s, a, b in ((1, 0.5, 0.5), (-1, 1.0, 0.0))
        )

    heat = COLD.temperature * 2 * np.log(2)
    np.testing.assert_allclose(value, apart(jnp.asarray(0.9)) - heat, atol=1e-10)
    difference = (apart(jnp.asarray(0.91)) - apart(jnp.asarray(0.89))) / 0.02
    np.testing.assert_allclose(slope, difference, atol=1e-8)  # one orbital: linear in p


def test_forces_on_half_an_electron_more():
    def at(z):
        atoms = [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, z))]
        return molecule(atoms, "6-31g", unit="bohr", grid=0).with_electrons(1.25, 1.25)

    def free(z):
        return scf(at(z), xc("hf"), solver=COLD, tolerance=1e-13).free_energy

    h = 1e-3
    force = forces(at(1.6), xc("hf"), solver=COLD, tolerance=1e-13)[1, 2]
    np.testing.assert_allclose(force, -(free(1.6 + h) - free(1.6 - h)) / (2 * h), atol=1e-6)


def test_the_last_orbital_is_filled_in_part():
    result = scf(molecule("He 0 0 0", "6-31g", grid=0).with_electrons(1.25, 1.0), xc("svwn"),
                 solver=COLD)  # fmt: skip
    np.testing.assert_allclose(result.occupations, [[1, 0.25], [1, 0]], atol=1e-12)
    assert np.isinf(result.gap[0]) and result.gap[1] > 0.1


def evenly(m):
    """The density of the guess, half of it in each spin."""
    return jnp.stack([m.guess, m.guess]) / 2


@pytest.fixture(scope="module")
def half():
    return atom(0.5, 0.5, "sto-3g")


@pytest.mark.parametrize(
    "call",
    [
        lambda m: scf(m, xc("hf")),
        lambda m: harris_energy(m, xc("hf"), density_matrix=evenly(m)),
        lambda m: hamiltonian_guess(m, m.core_hamiltonian),
        lambda m: stability(m, xc("hf"), result=scf(m, xc("hf"), solver=COLD)),
        lambda m: to_pyscf(m, xc("hf"), scf(m, xc("hf"), solver=COLD)),
    ],
)  # fmt: skip
def test_what_fills_whole_orbitals_refuses(half, call):
    with pytest.raises(ValueError, match="whole numbers of electrons"):
        call(half)


def test_what_needs_no_orbitals_takes_them(half):
    matrix = fixed_density_hamiltonian(half, xc("hf"), density_matrix=evenly(half))
    p, j = half.guess[0, 0], half.repulsion[0, 0]
    np.testing.assert_allclose(matrix, half.core_hamiltonian + 0.5 * p * j, atol=1e-12)


@pytest.mark.parametrize("electrons", [(-0.5, 0.5), (1.5, 0.5), (0.0, 0.0), (np.nan, 0.5)])
def test_impossible_numbers_are_refused(electrons):
    m = molecule("H 0 0 0", "sto-3g", spin=1, grid=0)
    with pytest.raises(ValueError, match="numbers of electrons must lie"):
        m.with_electrons(*electrons)
    shared = molecule("H 0 0 0", "sto-3g", spin=1, grid=0, restricted=True)
    with pytest.raises(ValueError, match="restricted=False"):
        shared.with_electrons(0.5, 0.5)


def test_no_derivative_in_the_number_of_electrons(half):
    def energy_of(electrons):
        m = dataclasses.replace(half, electrons=electrons)
        return scf(m, xc("hf"), solver=COLD, throw=False).energy

    with pytest.raises(TypeError, match="no derivative in the number of electrons"):
        jax.grad(energy_of)(half.electrons)
