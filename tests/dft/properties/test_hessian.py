"""Hessians against PySCF and against differences of forces."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import forces, hessian, molecule, scf, xc
from jaxsci.dft._basis.grid import Grid, points_and_weights
from jaxsci.dft._properties._hessian.weight_slopes import weight_slopes

pytest.importorskip("pyscf")

BOHR = 0.52917721092
HYDRIDE = [("Li", (0.0, 0.1, 0.0)), ("H", (0.3, 0.0, 1.5))]
BENT = [("O", (0.0, 0.0, 0.12)), ("H", (0.0, 0.76, -0.47)), ("H", (0.1, -0.70, -0.50))]
IMIDOGEN = [("N", (0.0, 0.0, 0.0)), ("H", (0.1, 0.0, 1.04))]


def test_equal_to_pyscf():
    from pyscf import gto

    field: Any = gto.M(atom=HYDRIDE, basis="sto-3g", verbose=0).RHF().run(conv_tol=1e-13)
    with pytest.warns(UserWarning, match=r"not stationary: the largest force is .*e-0\d Hartree"):
        ours = hessian(molecule(HYDRIDE, "sto-3g", grid=0), xc("hf"))
    np.testing.assert_allclose(ours, field.Hessian().kernel().transpose(0, 2, 1, 3), atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("atoms", "spin", "name"), [(BENT, 0, "pbe"), (IMIDOGEN, 2, "b3lyp")])
def test_equal_to_differences_of_forces(atoms, spin, name):
    functional, h = xc(name), 2e-3

    def build(s):
        first, (symbol, (x, y, z)), *rest = atoms
        moved = [first, (symbol, (x, y, z + s * BOHR)), *rest]
        return molecule(moved, "sto-3g", spin=spin, grid=0)

    def force(s):
        return forces(build(s), functional, tolerance=1e-14)

    with pytest.warns(UserWarning, match="not stationary"):
        ours = hessian(build(0.0), functional)
    difference = (force(-2 * h) - 8 * force(-h) + 8 * force(h) - force(2 * h)) / (12 * h)
    np.testing.assert_allclose(ours[1, 2], -difference, atol=1e-8)
    np.testing.assert_allclose(ours.sum(0), 0, atol=1e-10)  # a translation costs nothing


@pytest.mark.slow
@pytest.mark.parametrize(("atoms", "spin", "name"), [(BENT, 0, "b3lyp"), (IMIDOGEN, 2, "pbe")])
def test_equal_without_the_coarse_grid(atoms, spin, name):
    functional = xc(name)
    m = molecule(atoms, "6-31g", spin=spin, grid=2)
    assert m.grid.coarse is not None
    alone = dataclasses.replace(m, grid=dataclasses.replace(m.grid, coarse=None))
    result = scf(m, functional, tolerance=1e-13)
    with pytest.warns(UserWarning, match="not stationary"):
        ours, expected = (hessian(each, functional, result=result) for each in (m, alone))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=3e-8)


def test_slopes_of_weights_are_those_of_differences():
    rng, owner, h = np.random.default_rng(0), 2, 1e-3
    coordinates = jnp.array([[0, 0, 0.2], [0, 1.4, -0.9], [0.3, -1.3, -1], [2, 0.1, 3], [1, 1, 1]])
    real = jnp.array([True] * 4 + [False])
    adjustment = jnp.asarray(rng.uniform(-0.4, 0.4, (5, 5)))
    places, weights = map(jnp.asarray, (rng.standard_normal((20, 3)), rng.uniform(1, 2, 20)))
    grid = Grid(places, jnp.full(20, owner), weights, adjustment)
    values = jnp.asarray(rng.standard_normal(20))
    weights_at = jax.jit(lambda x: points_and_weights(grid, x, real)[1])
    at = (places, weights, jnp.asarray(owner), adjustment)
    slopes_at = jax.jit(lambda x: weight_slopes(*at, x, real, values))

    def differences(f):
        shifts = h * np.eye(15).reshape(15, 5, 3)
        near, far = (
            np.stack([f(coordinates + k * s) - f(coordinates - k * s) for s in shifts])
            for k in (1, 2)
        )
        return ((8 * near - far) / (12 * h)).reshape(5, 3, *near.shape[1:])

    ours = slopes_at(coordinates)
    np.testing.assert_allclose(ours.weight, weights_at(coordinates), rtol=0, atol=1e-14)
    np.testing.assert_allclose(ours.slopes, differences(weights_at), rtol=0, atol=1e-8)
    second = differences(lambda x: slopes_at(x).slopes @ values)
    np.testing.assert_allclose(ours.hessian, second, rtol=0, atol=1e-8)


def test_fits_are_refused():
    fitted = molecule([("He", (0.0, 0.0, 0.0))], "sto-3g", grid=0, density_fit=True)
    with pytest.raises(ValueError, match="build the molecule with density_fit=False"):
        hessian(fitted, xc("hf"))
