"""The exchange energy density integrates to the exact-exchange energy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import exchange_energy_density, molecule, pair_potentials, stack
from jaxsci.dft._basis.grid import points_and_weights

pytest.importorskip("pyscf")

LIH = [("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.6))]


@pytest.fixture(scope="module")
def lih():
    return molecule(LIH, "6-31g", grid=5)


def integral(m, density):
    _, weights = points_and_weights(m.grid, m.coordinates, m.atom_mask)
    return float(jnp.sum(weights * density))


def exact(density, omega=None):
    """-¼ tr(P K) of a restricted density, by PySCF."""
    from pyscf import gto

    mol = gto.M(atom=LIH, basis="6-31g", verbose=0)
    with mol.with_range_coulomb(omega or 0.0):
        repulsion = mol.intor("int2e")
    return -0.25 * np.einsum("ijkl,jk,il", repulsion, density, density)


# The grid integrates smooth densities of these two atoms to a few 1e-9 Hartree at level 5; the
# long range has no cusp where two electrons meet and cannot be worse.
@pytest.mark.parametrize("omega", [None, 0.4])
def test_integral_is_the_exact_exchange_energy(lih, omega):
    density = exchange_energy_density(lih, lih.guess, pair_potentials(lih, omega=omega))
    np.testing.assert_allclose(integral(lih, density.sum(0)), exact(lih.guess, omega), atol=1e-8)
    np.testing.assert_array_equal(density[0], density[1])


def test_derivative_and_spins(lih):
    potentials = pair_potentials(lih)

    @jax.jit
    def energy(p):
        _, weights = points_and_weights(lih.grid, lih.coordinates, lih.atom_mask)
        return jnp.sum(exchange_energy_density(lih, p, potentials) @ weights)

    # Homogeneous of degree two in the density matrix of each spin (Euler).
    value, slope = jax.value_and_grad(energy)(lih.guess)
    np.testing.assert_allclose(jnp.vdot(slope, lih.guess), 2 * value, rtol=1e-12)
    spins = jnp.stack([lih.guess, 0 * lih.guess])
    np.testing.assert_allclose(energy(spins), 2 * value, rtol=1e-12)


def test_bad_input_is_explained(lih):
    with pytest.raises(ValueError, match="one molecule as molecule"):
        pair_potentials(stack([lih]))
    with pytest.raises(ValueError, match="omega is -1.0; it must be positive"):
        pair_potentials(lih, omega=-1.0)
