"""Losses against integrals known in closed form."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import h1, normalise, relative_l2, resample
from jaxsci.operators._fields.axis_points import axis_points


def sines(n, *frequencies):
    x = np.arange(n) / n
    return jnp.asarray(np.stack([np.sin(2 * np.pi * k * x) for k in frequencies], -1))


@pytest.mark.parametrize("n", [16, 33, 100])
def test_values_do_not_depend_on_the_grid(n):
    u, e = sines(n, 1), sines(n, 3)
    np.testing.assert_allclose(relative_l2(u + 0.1 * e, u), 0.1, rtol=1e-12)


def test_h1_converges_to_the_integral_at_second_order():
    exact = 0.1 * np.sqrt((1 + (6 * np.pi) ** 2) / (1 + (2 * np.pi) ** 2))
    errors = []
    for n in (128, 256):
        u, e = sines(n, 1), sines(n, 3)
        errors.append(abs(h1(u + 0.1 * e, u, periodic=True) - exact))
    assert 1.9 < np.log2(errors[0] / errors[1]) < 2.1
    assert errors[1] < 2e-3 * exact


@pytest.mark.parametrize("points", ["ends", "cells"])
@pytest.mark.parametrize("loss", [relative_l2, h1])
def test_second_order_without_periodicity(loss, points):
    """On (0, 2): x³ against x², with ∫ x⁴ = 32/5, ∫ x⁶ = 128/7 and slopes of ∫ 4x² and 9x⁴."""
    slopes = (288 / 5, 32 / 3) if loss is h1 else (0, 0)
    exact = np.sqrt((128 / 7 + slopes[0]) / (32 / 5 + slopes[1]))
    errors = []
    for n in (64, 128, 256):
        x = jnp.asarray(2 * axis_points(n + (points == "ends"), points))[:, None]
        options = {"lengths": 2.0} if loss is h1 else {}
        errors.append(abs(loss(x**2 + x**3, x**2, points=points, **options) - exact))
    assert 1.9 < np.log2(errors[1] / errors[2]) < 2.1


def test_a_periodic_end_counts_once():
    """The point that repeats the first adds nothing."""
    u, e = sines(16, 1), sines(16, 3)
    repeat = lambda v: jnp.concatenate([v, v[:1]])  # noqa: E731
    p = u + 0.1 * e
    for loss, options in ((h1, {"periodic": True}), (relative_l2, {})):
        value = loss(repeat(p), repeat(u), points="ends", **options)
        np.testing.assert_allclose(value, loss(p, u, **options), rtol=1e-12)


def test_slopes_beside_land():
    """Linear functions have their slope on every coast, whatever is on land."""
    x = jnp.linspace(0, 1, 12, endpoint=False)
    land = jnp.zeros((12, 12), bool).at[3:6, 4:8].set(True).at[0, 5].set(True)
    weights = jnp.where(land, 0.0, 1.0)
    u = jnp.ones((12, 12, 1))
    p = u + (2 * x[:, None] - x[None, :])[..., None]
    filled = jnp.where(land[..., None], jnp.nan, p)
    mean = jnp.sum(weights * (p - u)[..., 0] ** 2) / jnp.sum(weights)
    value, slope = jax.value_and_grad(h1)(filled, u, weights=weights)
    np.testing.assert_allclose(value, jnp.sqrt(mean + 5), rtol=1e-12)
    assert jnp.all(jnp.isfinite(slope)) and not jnp.any(slope[land])


@pytest.mark.parametrize("n", [16, 17])
def test_h1_is_the_norm_of_its_differences(n):
    """Central differences multiply the wave k by i sin(2πkh)/h, exactly, on every grid."""
    slope = lambda k: np.sin(2 * np.pi * k / n) * n  # noqa: E731
    expected = 0.1 * np.sqrt((1 + slope(3) ** 2) / (1 + slope(1) ** 2))
    u, e = sines(n, 1), sines(n, 3)
    np.testing.assert_allclose(h1(u + 0.1 * e, u, periodic=True), expected, rtol=1e-12)


def test_h1_without_periodicity_is_exact_for_linear_functions():
    x = jnp.linspace(0, 1, 32, endpoint=False)[:, None]
    u = jnp.ones_like(x)
    mean_square = jnp.mean(x**2)
    np.testing.assert_allclose(h1(u + x, u), jnp.sqrt(mean_square + 1), rtol=1e-12)


def test_weights_integrate_on_uneven_points():
    """Gauss-Legendre points: the norm of x² - x against that of x on (0, 1), sqrt(3 / 30)."""
    x, w = np.polynomial.legendre.leggauss(4)
    x, w = jnp.asarray((x + 1) / 2)[:, None], jnp.asarray(w)
    np.testing.assert_allclose(relative_l2(x**2, x, weights=w), np.sqrt(3 / 30), rtol=1e-12)


@pytest.mark.parametrize("loss", [relative_l2, h1])
@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e30])
def test_the_unit_of_the_fields_does_not_matter(loss, size):
    """Squares of such fields are zero or infinite in float32."""
    u, e = sines(16, 1).astype(jnp.float32), sines(16, 3).astype(jnp.float32)
    scaled = loss(size * (u + 0.1 * e), size * u)
    np.testing.assert_allclose(scaled, loss(u + 0.1 * e, u), rtol=1e-5)


@pytest.mark.parametrize("loss", [relative_l2, h1])
def test_the_floor_is_a_norm(loss):
    """Of functions: larger norms are themselves, smaller ones are the floor."""
    u, p = jnp.full((8, 1), 0.5), jnp.full((8, 1), 0.6)
    np.testing.assert_allclose(loss(p, u, floor=0.4), 0.2, rtol=1e-12)
    np.testing.assert_allclose(loss(p, u, floor=2.0), 0.05, rtol=1e-12)
    zero = jnp.zeros((8, 1))
    np.testing.assert_allclose(jax.grad(loss)(p, zero, floor=2.0), 1 / 16, rtol=1e-12)
    assert loss(zero, zero) == 0 and not jnp.any(jax.grad(loss)(zero, zero))
    np.testing.assert_allclose(jax.grad(loss, 1)(p, u), -0.6 / 0.5**2 / 8, rtol=1e-12)


def test_masked_points_do_not_count():
    """NaN of the prediction or the target, in a norm over what is left."""
    w = jnp.array([1.0, 0.0, 2.0, 0.0])
    u, p = jnp.array([[1.0], [jnp.nan], [2.0], [5.0]]), jnp.array([[2.0], [1.0], [2.0], [jnp.nan]])
    np.testing.assert_allclose(relative_l2(p, u, weights=w), 1 / 3, rtol=1e-14)
    assert relative_l2(p, u, weights=jnp.zeros(4)) == 0
    b = normalise(jnp.array([[1.0], [jnp.nan], [4.0], [1.0]]), w)
    np.testing.assert_allclose(b[:, 0] * np.sqrt(2), [-2, np.nan, 1, -2], rtol=1e-5)


@pytest.mark.parametrize("loss", [relative_l2, h1])
def test_gradient_at_a_perfect_fit_is_zero(loss):
    u = sines(16, 1, 2)
    assert loss(u, u) == 0
    assert not jnp.any(jax.grad(loss)(u, u))


def test_gradient_against_finite_differences():
    u, p = sines(12, 1), sines(12, 2)
    for loss in (relative_l2, h1):
        step = lambda s, loss=loss: loss(p.at[3, 0].add(s), u)  # noqa: E731
        numeric = (step(1e-6) - step(-1e-6)) / 2e-6
        np.testing.assert_allclose(jax.grad(loss)(p, u)[3, 0], numeric, rtol=1e-6)


def test_dtype_follows_the_input():
    u, p = sines(16, 1).astype(jnp.float32), sines(16, 2).astype(jnp.float32)
    assert relative_l2(p, u).dtype == h1(p, u).dtype == jnp.float32


def test_bad_input():
    with pytest.raises(ValueError, match=r"got shapes \(8, 1\) and \(16, 1\)"):
        relative_l2(sines(8, 1), sines(16, 1))
    with pytest.raises(ValueError, match="needs 3 points"):
        h1(sines(2, 1), sines(2, 1))
    with pytest.raises(ValueError, match=r"array of shape \(8, 8\); got shape \(8,\)"):
        relative_l2(jnp.ones((8, 8, 1)), jnp.ones((8, 8, 1)), weights=jnp.ones(8))
    with pytest.raises(ValueError, match="one weight for each point"):
        normalise(jnp.ones((8, 1)), jnp.ones(1))
    with pytest.raises(ValueError, match="points='right' is unknown"):
        relative_l2(sines(8, 1), sines(8, 1), points="right")
    holes = sines(8, 1, 2).at[3, 1].set(jnp.nan)
    for loss in (relative_l2, h1):
        with pytest.raises(ValueError, match=r"target\[3, 1\] is nan although its weight"):
            loss(sines(8, 1, 2), holes, weights=jnp.ones(8))
    with pytest.raises(ValueError, match="floor >= 0"):
        h1(sines(8, 1), sines(8, 1), floor=-1.0)


def test_normalise_takes_floats():
    """A share of 1/points is zero among integers, so that the statistics were, too."""
    with pytest.raises(TypeError, match="floats, got int"):
        inspect.unwrap(normalise)(jnp.arange(6)[:, None])


@pytest.mark.parametrize("loss", [relative_l2, h1])
def test_weights_below_zero_are_refused(loss):
    u = jnp.sin(2 * jnp.pi * jnp.arange(16) / 16)[:, None]
    with pytest.raises(ValueError, match="finite and >= 0; got a smallest one of -1"):
        loss(1.1 * u, u, weights=-jnp.ones(16))


def test_a_grid_of_half_a_point_is_refused():
    u = jnp.sin(2 * jnp.pi * jnp.arange(16) / 16)[:, None]
    with pytest.raises(ValueError, match="one whole number of points"):
        resample(u, (2.5,))
