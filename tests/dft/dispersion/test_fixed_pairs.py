"""The dispersion of ωB97X-D against Psi4 and against its formula, written out pair by pair."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import forces, molecule, stack, xc
from jaxsci.dft._dispersion.fixed_pairs import of_atoms

BOHR = 0.52917721067
HYDROGEN = [("H", (0.0, 0.0, 0.0)), ("H", (0.1, 0.2, 0.74))]
ETHENE = [
    *(("C", (0.0, -0.667578, -2.124659)), ("C", (0.0, 0.667578, -2.124659))),
    *(("H", (0.923621, -1.232253, -2.126185)), ("H", (-0.923621, -1.232253, -2.126185))),
    *(("H", (-0.923621, 1.232253, -2.126185)), ("H", (0.923621, 1.232253, -2.126185))),
]
# Grimme (2006), table 1: C₆ in J/mol nm⁶ and radius in Å.
GRIMME = {
    1: (0.14, 1.001),
    6: (1.75, 1.452),
    17: (5.07, 1.639),
    26: (10.80, 1.562),
    54: (29.99, 1.881),
}


def energy_of(atoms):
    numbers = {"H": 1, "C": 6}
    x = jnp.array([position for _, position in atoms]) / BOHR
    return of_atoms(x, jnp.array([numbers[symbol] for symbol, _ in atoms]))


def test_ethene_equals_psi4():
    # Psi4's own test of its dispersion energies, to the digits of its units.
    np.testing.assert_allclose(energy_of(ETHENE), -0.000834247063, rtol=0, atol=1e-9)


def test_equals_the_formula():
    rng = np.random.default_rng(0)
    z = list(GRIMME)
    x = 4.0 * np.arange(5)[:, None] * [1.0, 0.3, 0.0] + rng.uniform(-1, 1, (5, 3))
    joule, ångström = 1 / (6.02214076e23 * 4.3597447222e-18), 1 / BOHR
    total = 0.0
    for (i, a), (j, b) in itertools.combinations(enumerate(z), 2):
        c6 = math.sqrt(GRIMME[a][0] * GRIMME[b][0]) * joule * (10 * ångström) ** 6
        reach = (GRIMME[a][1] + GRIMME[b][1]) * ångström
        r = np.linalg.norm(x[i] - x[j])
        total -= c6 / r**6 / (1 + 6 * (reach / r) ** 12)
    np.testing.assert_allclose(of_atoms(jnp.asarray(x), jnp.array(z)), total, rtol=1e-5)


def test_ghosts_and_padding_contribute_nothing():
    functional = xc("wb97x-d")
    alone = molecule(HYDROGEN, "sto-3g", grid=0)
    ghost = molecule([*HYDROGEN, ("ghost-He", (0.0, 0.0, 2.0))], "sto-3g", grid=0)
    batch = stack([alone, molecule([("He", (0.0, 0.0, 0.0))], "sto-3g", grid=0)])
    energy = functional.nuclear_energy(alone)
    assert energy < -4e-7
    np.testing.assert_allclose(functional.nuclear_energy(ghost), energy, rtol=1e-13)
    energies = jsci.vmap(functional.nuclear_energy)(batch)
    np.testing.assert_allclose(energies, np.array([float(energy), 0.0]), rtol=1e-13, atol=1e-20)


@pytest.mark.slow
def test_forces_contain_it():
    functional = xc("wb97x-d")
    local = functional + -1.0 * _only_dispersion(functional)
    m = molecule(HYDROGEN, "sto-3g", grid=0, omega=functional.omega)
    change = forces(m, functional) - forces(m, local)
    expected = -jax.grad(of_atoms)(m.coordinates, jnp.array([1, 1]))
    np.testing.assert_allclose(change, expected, rtol=0, atol=1e-10)


def _only_dispersion(functional):
    return jsci.dft.Functional((), "lda", nuclear_terms=functional.nuclear_terms)


def test_elements_beyond_xenon_are_refused():
    x = jnp.arange(6.0).reshape(2, 3)
    with pytest.raises(ValueError, match=r'xc\("wb97x-d"\) knows the elements 1 to 54 .*got 55'):
        of_atoms(x, jnp.array([55, 1]))
    assert np.isnan(jax.jit(of_atoms)(x, jnp.array([55, 1])))
