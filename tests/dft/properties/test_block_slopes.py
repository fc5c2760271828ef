"""Derivatives of single functions on blocks of points against those of the whole grid."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import Functional, molecule
from jaxsci.dft._properties._hessian.block_slopes import owned_blocks, slopes_by_block
from jaxsci.dft._properties._hessian.grid_slopes import differentiated
from jaxsci.dft._scf.hamiltonian import on_grid, operators
from jaxsci.dft._scf.kohn_sham import xc_energy

pytest.importorskip("pyscf")


def _energy(_, d):
    """Of all that a meta-GGA depends on, and cheap to compile."""
    return -((d.rho_a + 2 * d.rho_b) ** 2) - 0.1 * d.rho_a * (d.tau_b + d.sigma_ab) + d.sigma_aa**2


@pytest.mark.slow
@pytest.mark.parametrize("level", ["gga", "mgga"])
def test_equal_to_derivatives_of_the_whole_grid(level):
    functional = Functional(((1.0, _energy),), level)
    m = molecule([("He", (0.0, 0.1, 0.0)), ("H", (0.3, 0.0, 0.8))], "3-21g", grid=0, spin=1)
    noise = jnp.asarray(np.random.default_rng(0).standard_normal((2, m.size, m.size)))
    density = m.guess[None] + 0.02 * (noise + noise.transpose(0, 2, 1))
    ops = operators(m, functional)

    def energy(coordinates, density):
        moved = eqx.tree_at(lambda m: m.coordinates, m, coordinates)
        there = dataclasses.replace(ops, quadrature=on_grid(moved, moved.grid, level))
        return xc_energy(functional, None, there, density)

    expected = jax.jit(lambda p: differentiated(energy, m.coordinates, p))(density)
    ours = jax.jit(lambda p, blocks: slopes_by_block(m, functional, None, p, blocks))
    for x, y in zip(ours(density, owned_blocks(m)), expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-12 * float(jnp.max(jnp.abs(y))))
