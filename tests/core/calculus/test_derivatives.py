"""Differential operators against derivatives taken by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci

X = jnp.array([0.4, -0.7, 1.1])


def u(x):
    return jnp.sin(x[0]) * x[1] ** 3 * jnp.exp(x[2])


S, C, E = np.sin(0.4), np.cos(0.4), np.exp(1.1)
Y = -0.7


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ((0,), C * Y**3 * E),
        ((1,), S * 3 * Y**2 * E),
        ((-1,), S * Y**3 * E),
        ((0, 0), -S * Y**3 * E),
        ((0, 1), C * 3 * Y**2 * E),
        ((1, 1, 2), S * 6 * Y * E),
        ((0, 0, 0, 0), S * Y**3 * E),
    ],
)
def test_derivative(axes, expected):
    np.testing.assert_allclose(jsci.derivative(u, *axes)(X), expected, rtol=1e-13)


def test_axes_from_numpy():
    for axis in np.arange(3):
        assert jsci.derivative(u, axis)(X) == jsci.derivative(u, int(axis))(X)


def test_gradient_hessian_laplacian_biharmonic():
    np.testing.assert_allclose(
        jsci.grad(u)(X), [C * Y**3 * E, S * 3 * Y**2 * E, S * Y**3 * E], rtol=1e-13
    )
    hessian = jsci.hessian(u)(X)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12)
    np.testing.assert_allclose(jsci.laplacian(u)(X), S * E * 6 * Y, rtol=1e-12)
    # Δ(S E 6 y) = 0 in x and z, and the y-derivatives of 6y vanish: Δ²u = 6y(-S + S)E = 0.
    np.testing.assert_allclose(jsci.biharmonic(u)(X), 0.0, atol=1e-12)


def test_biharmonic_of_a_plane_wave():
    k = jnp.array([1.0, -2.0, 0.5])
    wave = lambda x: jnp.cos(x @ k)  # noqa: E731
    np.testing.assert_allclose(jsci.biharmonic(wave)(X), (k @ k) ** 2 * wave(X), rtol=1e-12)


def test_jacobian_and_divergence():
    field = lambda x: jnp.array([x[0] * x[1], x[1] ** 2, x[0] * x[2]])  # noqa: E731
    expected = [[Y, 0.4, 0], [0, 2 * Y, 0], [1.1, 0, 0.4]]
    np.testing.assert_allclose(jsci.jacobian(field)(X), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(jsci.divergence(field)(X), Y + 2 * Y + 0.4, rtol=1e-13)


def test_component_of_a_vector_field():
    field = lambda x: jnp.stack([u(x), x[0] ** 2])  # noqa: E731
    np.testing.assert_allclose(jsci.derivative(field, 0, component=1)(X), 0.8, rtol=1e-14)


def test_laplacian_of_a_vector_field():
    field = lambda x: jnp.stack([x @ x, x[0] ** 3])  # noqa: E731
    np.testing.assert_allclose(jsci.laplacian(field)(X), [6.0, 6 * 0.4], rtol=1e-13)


def test_under_transforms():
    points = jax.random.normal(jax.random.key(1), (4, 3))
    f = jsci.derivative(u, 0, 1)
    loop = jnp.stack([f(x) for x in points])
    np.testing.assert_allclose(jax.jit(jsci.vmap(f))(points), loop, rtol=1e-13)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jsci.derivative(u), ValueError, "at least one axis"),
        (lambda: jsci.derivative(u, 3)(X), ValueError, "out of range: the point has 3"),
        (lambda: jsci.derivative(u, 0.5)(X), TypeError, "must be integers"),
        (lambda: jsci.derivative(lambda x: x, 0)(X), TypeError, r"give component=i"),
        (lambda: jsci.derivative(lambda x: x, 0, component=7)(X), ValueError, "component=7"),
        (lambda: jsci.grad(lambda x: x)(X), TypeError, r"grad\(lambda x: u\(x\)\[0\]\)"),
        (lambda: jsci.divergence(u)(X), TypeError, "3 components"),
        (lambda: jsci.laplacian(u)(jnp.zeros((2, 3))), TypeError, r"one point of shape \(d,\)"),
        (lambda: jsci.derivative(u, 0)(jnp.arange(3)), TypeError, "numbers, got int64: write"),
        (lambda: jsci.biharmonic(u)(jnp.arange(3)), TypeError, "numbers, got int64: write"),
        (lambda: jsci.jacobian(u)(jnp.arange(3)), TypeError, "numbers, got int64: write"),
        (lambda: jsci.grad(u)(jnp.arange(3)), TypeError, "numbers, got int64: write"),
        (lambda: jsci.hessian(u)(jnp.arange(3)), TypeError, "numbers, got int64: write"),
        (lambda: jsci.laplacian(u)([0.3, 0.4, 0.5]), TypeError, "numbers, got list: write"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
