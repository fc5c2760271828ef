"""The slopes of the energy on the grid, block by block, against the derivative of the whole."""

import jax
import numpy as np
import pytest

from jaxsci.dft import Functional, molecule
from jaxsci.dft._properties.nuclei import moved
from jaxsci.dft._properties.xc_slopes import xc_slopes
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.kohn_sham import xc_energy

pytest.importorskip("pyscf")


def _energy(_, d):
    """Of all that a functional can depend on, and cheap to compile."""
    gradients = 0.1 * d.sigma_ab * d.rho_a - 0.1 * d.rho_a * (d.tau_b + d.laplacian_a)
    return -((d.rho_a + 2 * d.rho_b) ** 2) + gradients


def test_equal_to_derivatives_of_the_whole_grid():
    functional = Functional(((1.0, _energy),), "laplacian")
    m = molecule([("He", (0.0, 0.1, 0.0)), ("H", (0.3, 0.0, 0.8))], "sto-3g", grid=0, spin=1)
    noise = np.random.default_rng(0).standard_normal((2, m.size, m.size))
    density = m.guess[None] + 0.02 * (noise + noise.transpose(0, 2, 1))

    def energy(coordinates, density):
        ops = operators(moved(m, coordinates), functional)
        return xc_energy(functional, None, ops, density)

    value, slopes = jax.jit(jax.value_and_grad(energy, (0, 1)))(m.coordinates, density)
    found = jax.jit(lambda p: xc_slopes(m, functional, None, p))(density)
    potential = 0.5 * (slopes[1] + slopes[1].transpose(0, 2, 1))
    for x, y in zip(found, (value, slopes[0], potential), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-13 * float(np.max(np.abs(y))))
