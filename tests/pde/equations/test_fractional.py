"""Fractional derivatives of powers, and equations with known solutions."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erfcx

from jaxsci import laplacian, pde


@pytest.mark.parametrize("order", [0.1, 0.3, 0.5, 0.9])
def test_powers_of_time_are_those_of_the_gamma_function(order):
    """Also t^α, whose slope is infinite at the beginning."""
    for power in (order, 1.0, 2.5):
        u = lambda x, power=power: x[0] * x[1] ** power  # noqa: E731
        found = pde.caputo(u, order)(jnp.array([3.0, 0.7]))
        factor = math.gamma(power + 1) / math.gamma(power + 1 - order)
        np.testing.assert_allclose(found, 3.0 * factor * 0.7 ** (power - order), rtol=1e-12)


def test_a_relaxation_of_order_one_half():
    """D^½ u = -u from 1: u = exp(t) erfc(√t), in powers of √t."""
    features = lambda x: x[0] ** (jnp.arange(1, 17) / 2)  # noqa: E731
    result = pde.least_squares(
        lambda u, x: pde.caputo(u, 0.5)(x) + u(x),
        lambda f: lambda params, x: 1.0 + f(params, x),
        features,
        pde.sobol(pde.Interval(0.0, 1.0), 64),
    )
    t = jnp.linspace(0.01, 1.0, 50)
    found = jax.vmap(lambda t: result.field(result.params, t[None]))(t)
    np.testing.assert_allclose(found, erfcx(np.sqrt(t)), atol=1e-9)


def test_an_operator_of_space_beside_it():
    """u = t² sin x fulfils D^α u - Δu = (2 t^(2 - α)/Γ(3 - α) + t²) sin x."""
    u = lambda x: x[1] ** 2 * jnp.sin(x[0])  # noqa: E731
    x = jnp.array([0.4, 0.9])
    found = pde.caputo(u, 0.7)(x) - laplacian(lambda s: u(s))(x) + 2 * jnp.sin(x[0])
    expected = (2 * 0.9**1.3 / math.gamma(2.3) + 0.9**2) * np.sin(0.4)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("order", [0.0, 1.0, 1.5, float("nan")])
def test_other_orders_are_refused(order):
    with pytest.raises(ValueError, match="between 0.1 and 0.9"):
        pde.caputo(lambda x: x[0], order)


@pytest.mark.parametrize("x", [1.0, [], [[1.0, 2.0]]])
def test_what_is_no_point_is_refused(x):
    with pytest.raises(ValueError, match=r"one point \(x, t\) or \(t,\)"):
        pde.caputo(lambda x: x[0], 0.5)(jnp.array(x))
