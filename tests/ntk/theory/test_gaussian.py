"""Gaussian expectations against closed forms, smooth and with kinks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.ntk._gaussian import expectation


@pytest.mark.parametrize(("power", "moment"), [(2, 1.0), (4, 3.0), (6, 15.0), (8, 105.0)])
def test_moments(power, moment):
    got = expectation(lambda u: u**power, 1.7)
    np.testing.assert_allclose(got, moment * 1.7 ** (power / 2), rtol=1e-13)


def test_oscillating_and_kinked_functions():
    np.testing.assert_allclose(expectation(jnp.cos, 3.0), np.exp(-1.5), rtol=1e-13)
    np.testing.assert_allclose(expectation(jax.nn.relu, 4.0), 2 / np.sqrt(2 * np.pi), rtol=1e-13)
    np.testing.assert_allclose(expectation(jnp.sign, 1.0), 0, atol=1e-14)
    np.testing.assert_allclose(
        expectation(jnp.exp, 0.5, 0.3), np.exp(0.3 + 0.25), rtol=1e-13
    )  # the log-normal mean


def test_leading_axes_and_gradient_in_the_variance():
    both = expectation(lambda u: jnp.stack([u**2, u**4]), 2.0)
    np.testing.assert_allclose(both, [2.0, 12.0], rtol=1e-13)
    slope = jax.grad(lambda k: expectation(jnp.cos, k))(3.0)
    np.testing.assert_allclose(slope, -np.exp(-1.5) / 2, rtol=1e-12)


def test_dtype_follows_the_variance():
    assert expectation(jnp.tanh, jnp.float32(1.0)).dtype == jnp.float32
