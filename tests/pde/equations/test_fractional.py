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


def _first(x):
    return x[0]


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


@pytest.mark.parametrize("order", [0.1, 0.7, 1.0, 1.6, 1.9])
def test_the_fractional_laplacian_of_powers_of_the_distance(order):
    """Of (1 - x²)^(α/2) it is Γ(1 + α), of one power more a parabola (Dyda 2012), in [0, 3] too."""
    line, half = pde.Interval(0.0, 3.0), order / 2
    share = lambda x: x[0] * (3.0 - x[0]) / 1.5**2  # noqa: E731
    factor = 2**order * math.gamma(half + 2) * math.gamma(half + 0.5) / math.sqrt(math.pi)
    for y in (0.0, 0.4, -0.97):
        x = jnp.array([1.5 + 1.5 * y, 0.2])
        for power, exact in (
            (half, math.gamma(1 + order)),
            (half + 1, factor * (1 - (1 + order) * y**2)),
        ):
            u = lambda x, power=power: 2.0 * share(x) ** power  # noqa: E731
            found = pde.fractional_laplacian(u, order, line)(x)
            np.testing.assert_allclose(found, 2.0 * exact * 1.5**-order, rtol=1e-10)
            single = pde.fractional_laplacian(u, order, line)(x.astype(jnp.float32))
            assert single.dtype == jnp.float32
            # Rounding, times what second differences of 1/100 of the distance make of it.
            np.testing.assert_allclose(single, found, rtol=1e-4 if order <= 1 else 1e-2)


@pytest.mark.parametrize("order", [0.5, 1.0, 1.5, 1.9])
def test_near_an_end_are_numbers_to_a_few_percent_or_none(order):
    distance = 10.0 ** -np.arange(1, 16)
    for dtype, reach in ((jnp.float32, 0.01), (jnp.float64, 1e-6)):
        for lower, upper in ((-1.0, 1.0), (0.0, 1.0), (0.0, 2.0), (3.0, 7.0)):
            share = lambda x, a=lower, b=upper: (x[0] - a) * (b - x[0])  # noqa: E731
            derivative = pde.fractional_laplacian(
                lambda x, share=share: share(x) ** (order / 2), order, pde.Interval(lower, upper)
            )
            places = jnp.asarray(np.append(lower + distance, upper - distance), dtype)
            found = jax.vmap(derivative)(places[:, None])
            given = np.isfinite(found)
            assert given[np.tile(distance, 2) / (upper - lower) > reach].all()
            np.testing.assert_allclose(found[given], math.gamma(1 + order), rtol=0.05)


def test_an_equation_of_fractional_diffusion():
    """(-Δ)^(α/2) u + x u = f of u = (1 - x²)^(α/2) (2 - x²), by its edge times polynomials."""
    order, line = 1.2, pde.Interval(-1.0, 1.0)
    edge = lambda x: (1 - x[0] ** 2) ** (order / 2)  # noqa: E731
    factor = 2**order * math.gamma(order / 2 + 2) * math.gamma(order / 2 + 0.5) / math.sqrt(math.pi)

    def op(u, x):
        of_parts = math.gamma(1 + order) + factor * (1 - (1 + order) * x[0] ** 2)
        source = of_parts + x[0] * edge(x) * (2 - x[0] ** 2)
        return pde.fractional_laplacian(u, order, line)(x) + x[0] * u(x) - source

    result = pde.least_squares(
        op,
        lambda f: lambda params, x: edge(x) * f(params, x),
        pde.polynomial_features(line, [6]),
        pde.sobol(line, 32),
    )
    x = jnp.linspace(-0.99, 0.99, 21)[:, None]
    exact = jax.vmap(lambda x: edge(x) * (2 - x[0] ** 2))(x)
    found = jax.vmap(lambda x: result.field(result.params, x))(x)
    np.testing.assert_allclose(found, exact, atol=1e-8)


def test_outside_of_the_interval_and_on_its_ends_is_no_value():
    derivative = pde.fractional_laplacian(lambda x: x[0] ** 2, 0.5, pde.Interval(0.0, 1.0))
    assert jnp.isnan(jax.vmap(derivative)(jnp.array([[-0.1], [0.0], [1.0], [2.0]]))).all()
    near = jax.vmap(pde.fractional_laplacian(lambda x: 1 - x[0] ** 2, 1.9, pde.Interval(-1.0, 1.0)))
    places = jnp.array([[1 - 1e-3], [1 - 1e-12]])  # as float32 and float64 hold no digits of it
    assert jnp.isnan(near(places.astype(jnp.float32))).all()
    assert jnp.isnan(near(places)).tolist() == [False, True]
    with pytest.raises(ValueError, match="between 0.1 and 1.9, got 2.0"):
        pde.fractional_laplacian(lambda x: x[0], 2.0, pde.Interval(0.0, 1.0))
    with pytest.raises(TypeError, match="Interval of space, got a Ball"):
        pde.fractional_laplacian(lambda x: x[0], 1.0, pde.Ball((0.0,), 1.0))  # pyright: ignore


@pytest.mark.parametrize("order", ["0.5", None, 0.5j, [0.5]])
def test_an_order_that_is_no_number_is_refused(order):
    line = pde.Interval(0.0, 1.0)
    of = (lambda a: pde.caputo(_first, a), lambda a: pde.fractional_laplacian(_first, a, line))
    for make in of:
        with pytest.raises(TypeError, match="takes a number as its order"):
            make(order)
        with pytest.raises(TypeError, match="cannot be an unknown"):
            jax.grad(lambda a, make=make: make(a)(jnp.ones(1)))(0.5)


def test_points_of_numpy_are_points_and_lists_and_whole_numbers_are_refused():
    derivative = pde.caputo(lambda x: x[0] * x[1], 0.5)
    found = derivative(np.array([3.0, 0.7]))
    np.testing.assert_allclose(found, derivative(jnp.array([3.0, 0.7])), rtol=1e-15)
    for x in ([3.0, 0.7], np.array([3, 1]), 1.0):
        with pytest.raises(TypeError, match="array of floating-point numbers"):
            derivative(x)
    with pytest.raises(TypeError, match="array of floating-point numbers, got list"):
        pde.periodic((1.0, 0.0))(lambda x: x[0], [3.0, 0.7])


@pytest.mark.parametrize("x", [1.0, [], [[1.0, 2.0]]])
def test_what_is_no_point_is_refused(x):
    with pytest.raises(ValueError, match=r"one point \(x, t\) or \(t,\)"):
        pde.caputo(lambda x: x[0], 0.5)(jnp.array(x))
    line = pde.Interval(0.0, 2.0)
    with pytest.raises(ValueError, match=r"one point \(x,\) or \(x, t\)"):
        pde.fractional_laplacian(lambda x: x[0], 0.5, line)(jnp.array(x))


def test_a_field_that_is_no_number_is_refused():
    line, x = pde.Interval(0.0, 2.0), jnp.ones(1)
    with pytest.raises(TypeError, match=r"scalar field, but it returned shape \(1,\)"):
        pde.fractional_laplacian(lambda x: x, 0.5, line)(x)
    with pytest.raises(TypeError, match=r"scalar field, but it returned shape \(1,\)"):
        pde.caputo(lambda x: x, 0.5)(x)
