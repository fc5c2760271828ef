"""The Laplace approximation is exact for a linear model."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import pde


def _line(params, x):
    return params[0] + params[1] * x


def test_linear_regression_has_its_textbook_deviation():
    x = np.linspace(-1, 2, 12)
    y = 1 + 0.5 * x + 0.1 * np.sin(9 * x)
    loss = jsci.objective({"data": lambda p, s: _line(p, s[0]) - s[1]}, {"data": 3.0})
    batch = {"data": (jnp.asarray(x), jnp.asarray(y))}
    design = np.stack([np.ones(12), x], axis=1)
    best, square, _, _ = np.linalg.lstsq(design, y)
    deviation = pde.laplace_deviation(_line, loss, jnp.asarray(best), batch, prior=1e-14)
    at = np.array([1.0, 0.7])
    expected = np.sqrt(square[0] / 10 * at @ np.linalg.solve(design.T @ design, at))
    np.testing.assert_allclose(deviation(jnp.array(0.7)), expected, rtol=1e-10)
    # With the noise given: of one value, so √(3/12) of it for a scaled residual.
    known = pde.laplace_deviation(
        lambda p, x: p[1], loss, jnp.asarray(best), batch, prior=1e-14, noise=0.1 * 0.5
    )
    slope = 0.1 * np.sqrt(np.linalg.inv(design.T @ design)[1, 1])
    np.testing.assert_allclose(known(jnp.array(0.0)), slope, rtol=1e-10)


def test_bad_input():
    loss = jsci.objective({"data": lambda p, s: _line(p, s[0]) - s[1]})
    batch = {"data": (jnp.array([0.0, 1.0]), jnp.array([1.0, 2.0]))}
    with pytest.raises(ValueError, match="2 residuals determine 2 parameters.*give noise="):
        pde.laplace_deviation(_line, loss, jnp.ones(2), batch)
    with pytest.raises(ValueError, match="prior and noise must be positive"):
        pde.laplace_deviation(_line, loss, jnp.ones(2), batch, prior=0.0)
    with pytest.raises(ValueError, match="must be positive, got 1e-10 and -0.1"):
        pde.laplace_deviation(_line, loss, jnp.ones(2), batch, noise=-0.1)
