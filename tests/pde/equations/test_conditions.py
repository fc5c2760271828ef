"""Conditions hold for the fields that fulfil them and say by how much others do not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import pde


def test_robin():
    disk = pde.Ball((1.0, 0.0), 2.0)
    piece = disk.boundary["sphere"]
    x = piece.from_unit(jnp.array([0.3]))

    def u(x):
        return jnp.sum((x - jnp.array([1.0, 0.0])) ** 2)  # r² = 4, slope 2r = 4 on the circle

    np.testing.assert_allclose(pde.robin(piece, 2.0, 3.0, 5.0)(u, x), 2 * 4 + 3 * 4 - 5)
    neumann = pde.robin(piece, 0.0, 1.0, lambda x: 4.0 + x[0])
    np.testing.assert_allclose(neumann(u, x), -x[0])


def test_periodic():
    op = pde.periodic((2.0, 0.0))
    x = jnp.array([-1.0, 0.3])
    np.testing.assert_allclose(op(lambda x: jnp.sin(jnp.pi * x[0]) * x[1], x), 0.0, atol=1e-14)
    np.testing.assert_allclose(op(lambda x: x[0] ** 2 * x[1], x), [0.0, 4 * 0.3], atol=1e-14)
    with pytest.raises(ValueError, match="give one for the time too"):
        pde.periodic((2.0,))(lambda x: x[0], x)
    with pytest.raises(ValueError, match="not zero"):
        pde.periodic((0.0, 0.0))


def test_interface():
    """Conductivities 1 and 4: slopes 4 and 1."""
    piece = pde.Interval(0.0, 0.5).boundary["right"]
    op = pde.interface(piece, 1.0, 4.0)
    x = jnp.array([0.5])
    fits = op(lambda x: jnp.stack([4 * x[0], 1.5 + x[0]]), x)
    np.testing.assert_allclose(fits, 0.0, atol=1e-14)
    np.testing.assert_allclose(op(lambda x: jnp.stack([x[0], 1 + x[0]]), x), [-1.0, -3.0])
    with pytest.raises(ValueError, match=r"two components.*shape \(\)"):
        op(lambda x: x[0], x)


def test_integral_fixes_the_constant_of_a_neumann_problem():
    """-u″ = cos πx, u′ = 0 at both ends, ∫u = 2: u = 2 + cos(πx)/π², linear in its parameters."""
    line = pde.Interval(0.0, 1.0)

    def u(params, x):
        return jnp.cos(jnp.pi * x[0] * jnp.arange(4)) @ params

    points = pde.gauss_legendre(line, 8)
    loss = jsci.objective(
        {
            "pde": jsci.residual(pde.poisson(lambda x: jnp.cos(jnp.pi * x[0])), u),
            "mean": jsci.residual(pde.integral(2.0), u),
        }
    )
    batch = {"pde": points[0], "mean": jax.tree.map(lambda a: a[None], points)}
    fit = jsci.fit(loss, jnp.ones(4), batch, jsci.gauss_newton(1e-14), steps=2, progress=False)
    np.testing.assert_allclose(fit.params, [2.0, 1 / np.pi**2, 0.0, 0.0], atol=1e-9)


def test_integral_keeps_the_sign_of_its_value():
    """∫ (x - 1) over [0, 1] is -1/2, and is off by 1 from +1/2."""
    points, weights = pde.gauss_legendre(pde.Interval(0.0, 1.0), 2)
    for value, error in ((-0.5, 0.0), (0.5, -1.0)):
        off = pde.integral(value)(lambda x: x[0] - 1, (points, weights))
        np.testing.assert_allclose(off, error, atol=1e-15)
