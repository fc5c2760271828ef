"""Geodesic acceleration of Levenberg-Marquardt in curved valleys."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import nn


def _loss_after(steps, residual, start, points, *, acceleration):
    loss = jsci.objective({"r": residual})
    optimizer = jsci.levenberg_marquardt(acceleration=acceleration)
    fit = jsci.fit(loss, start, {"r": points}, optimizer, steps=steps, progress=False)
    return float(loss.value(fit.params, {"r": points})), fit


def test_follows_a_curved_valley_in_fewer_steps():
    """Residuals of Rosenbrock's function with a valley ten times narrower."""

    def rosenbrock(params, scale):
        x, y = params
        return jnp.stack([scale * (y - x**2), 1 - x])

    start = (jnp.array(-1.2), jnp.array(1.0))
    points = jnp.full(1, 100.0)
    plain, _ = _loss_after(20, rosenbrock, start, points, acceleration=False)
    bent, fit = _loss_after(20, rosenbrock, start, points, acceleration=True)
    assert bent < 1e-9 * plain
    np.testing.assert_allclose(fit.params, [1.0, 1.0], atol=1e-6)


def test_reaches_a_far_lower_residual_on_a_network(key):
    f, params = jsci.pure(nn.MLP(1, "scalar", width=12, depth=1, key=key))

    def equation(params, x):
        return jsci.laplacian(lambda y: f(params, y))(x) + 9 * jnp.sin(3 * x[0])

    points = jnp.linspace(0, 2, 40)[:, None]
    plain, _ = _loss_after(60, equation, params, points, acceleration=False)
    bent, _ = _loss_after(60, equation, params, points, acceleration=True)
    assert bent < 0.1 * plain


def test_needs_no_forward_mode_of_the_residual():
    @jax.custom_vjp
    def cube(x):
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2 * g,))
    loss, _ = _loss_after(
        30, lambda p, x: cube(p) - x, jnp.array(3.0), jnp.full(1, 8.0), acceleration=True
    )
    assert loss < 1e-20


@pytest.mark.parametrize("acceleration", [False, True])
def test_never_raises_the_loss(acceleration):
    def residual(p, x):
        return jnp.sin(5 * p * x) - x

    _, fit = _loss_after(
        15, residual, jnp.array(0.9), jnp.linspace(0.1, 1, 7), acceleration=acceleration
    )
    assert (np.diff(fit.history["loss"]) <= 0).all()
