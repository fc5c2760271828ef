"""Dual activations against a quadrature in polar coordinates, exact for kinks at zero."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.ntk import infinite
from jaxsci.ntk.infinite._duals.angle import angle

# In polar coordinates (u, v) = (√q1 r cos t, √q2 r cos(t - θ)) no ray crosses a kink, and the
# angles where a sign changes are known: panels that end there make Gauss-Legendre spectral.
X, W = np.polynomial.legendre.leggauss(24)
RADII = np.concatenate([i + (X + 1) / 2 for i in range(14)])
RADIAL = np.tile(W / 2, 14) * RADII * np.exp(-(RADII**2) / 2) / (2 * np.pi)


def angles(theta):
    ends = np.sort(np.mod([np.pi / 2, -np.pi / 2, theta + np.pi / 2, theta - np.pi / 2], 2 * np.pi))
    ends = np.append(ends, ends[0] + 2 * np.pi)
    panels = np.concatenate([np.linspace(a, b, 5) for a, b in itertools.pairwise(ends)])
    low, high = panels[:-1], panels[1:]
    t = (low + (high - low) * (X[:, None] + 1) / 2).ravel()
    return t, ((high - low) * W[:, None] / 2).ravel()


def polar_expectation(f, c, q1, q2):
    theta = np.arccos(np.clip(c / np.sqrt(q1 * q2), -1, 1))
    t, weights = angles(theta)
    u = np.sqrt(q1) * RADII * np.cos(t)[:, None]
    v = np.sqrt(q2) * RADII * np.cos(t - theta)[:, None]
    return float(weights @ np.asarray(f(jnp.asarray(u)) * f(jnp.asarray(v))) @ RADIAL)


COVARIANCES = np.array(
    [
        (0.3, 1.0, 1.0),
        (-0.5, 0.7, 1.9),
        (0.99, 1.0, 1.0),
        (-1.2, 1.0, 1.5),
        (0.0, 0.5, 2.0),
        (2.9, 3.0, 3.0),
        (2.99, 3.01, 2.98),
    ]
)
CLOSED = {
    "relu": infinite.Relu(),
    "leaky_relu": infinite.LeakyRelu(0.2),
    "abs": infinite.Abs(),
    "erf": infinite.Erf(),
    "gelu": infinite.Gelu(),
    "sin": infinite.Sin(1.3, phase=0.4, amplitude=0.8),
    "cos": infinite.Cos(0.7),
    "rbf": infinite.Rbf(0.7),
    "elu": infinite.Elu(0.8),
    "selu": infinite.Selu(),
    "polynomial": infinite.Polynomial([0.1, 1.0, -0.3, 0.2]),
}
SERIES = {
    "tanh": infinite.Tanh(),
    "sigmoid": infinite.Sigmoid(),
    "swish": infinite.Elementwise(jax.nn.silu),
    "short series": infinite.Tanh(degree=9),
    "kink elsewhere": infinite.Elementwise(lambda x: jax.nn.relu(x - 0.5)),
}


def slope(activation):
    return lambda x: jax.jvp(activation.function, (x,), (jnp.ones_like(x),))[1]


def errors(activation, covariances):
    got = activation.dual(*jnp.asarray(covariances.T))
    want = [
        [polar_expectation(f, *row) for row in covariances]
        for f in (activation.function, slope(activation))
    ]
    return np.abs(np.asarray(got) - np.asarray(want))


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms(name):
    np.testing.assert_array_less(errors(CLOSED[name], COVARIANCES), 1e-13)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "swish", "short series"])
def test_series_keep_their_stated_errors(name):
    activation = SERIES[name]
    stated = np.array([activation.error(q) for q in COVARIANCES[:, 1:].max(axis=1)]).T
    np.testing.assert_array_less(errors(activation, COVARIANCES), stated + 1e-12)


def test_a_series_says_that_a_kink_is_hard():
    value, of_slope = SERIES["kink elsewhere"].error(1.0)
    assert value < 1e-3 < 1e-2 < of_slope


@pytest.mark.parametrize("name", [*CLOSED, "tanh"])
def test_equal_opposite_and_zero_signals(name):
    """At ρ = ±1 and at zero variance the limits are known, and derivatives are finite."""
    activation = (CLOSED | SERIES)[name]
    c, q = jnp.array([2.0, -2.0, 0.0]), jnp.array([2.0, 2.0, 0.0])
    value, of_slope = activation.dual(c, q, q)
    f, df = activation.function, slope(activation)
    same = [polar_expectation(g, 2.0, 2.0, 2.0) for g in (f, df)]
    opposite = [polar_expectation(g, -2.0, 2.0, 2.0) for g in (f, df)]
    np.testing.assert_allclose(value[:2], [same[0], opposite[0]], atol=1e-7)
    np.testing.assert_allclose(of_slope[:2], [same[1], opposite[1]], atol=1e-7)
    np.testing.assert_allclose(value[2], f(jnp.zeros(())) ** 2, atol=1e-12)
    gradient = jax.grad(lambda c, q: jnp.sum(activation.dual(c, q, q)[0]), argnums=(0, 1))(c, q)
    assert all(bool(jnp.all(jnp.isfinite(g[:2]))) for g in gradient)


@pytest.mark.parametrize("name", ["relu", "gelu", "elu", "tanh"])
def test_slope_is_the_derivative_of_the_value(name):
    """Price's theorem: d/dc E φ(u) φ(v) = E φ'(u) φ'(v)."""
    activation = (CLOSED | SERIES)[name]
    c, q1, q2 = jnp.array([0.4, -0.9]), jnp.array([1.0, 1.2]), jnp.array([0.8, 1.1])
    step = 1e-5
    up, down = (activation.dual(c + sign * step, q1, q2)[0] for sign in (1, -1))
    np.testing.assert_allclose((up - down) / (2 * step), activation.dual(c, q1, q2)[1], atol=1e-8)


@pytest.mark.parametrize("name", ["relu", "erf", "gelu", "selu", "tanh"])
def test_single_precision(name):
    activation = (CLOSED | SERIES)[name]
    exact = activation.dual(*jnp.asarray(COVARIANCES.T))
    single = activation.dual(*jnp.asarray(COVARIANCES.T, jnp.float32))
    assert {k.dtype for k in single} == {jnp.dtype("float32")}
    np.testing.assert_allclose(single[0], exact[0], atol=2e-5)


def test_bad_degree():
    with pytest.raises(ValueError, match="degree must be 1 or more"):
        infinite.Elementwise(jnp.tanh, degree=0)


def test_angle_is_that_of_the_library():
    t = jnp.concatenate([jnp.linspace(0, jnp.pi, 1001), 10.0 ** jnp.linspace(-12, -1, 100)])
    x, y = 3 * jnp.cos(t), jnp.maximum(3 * jnp.sin(t), 0)
    np.testing.assert_allclose(angle(x, y), jnp.arctan2(y, x), rtol=1e-15, atol=0)
    by_x, by_y = jax.vmap(jax.grad(lambda x, y: angle(x[None], y[None])[0], argnums=(0, 1)))(x, y)
    np.testing.assert_allclose(by_x, -y / 9, atol=1e-13)
    np.testing.assert_allclose(by_y, x / 9, atol=1e-13)
