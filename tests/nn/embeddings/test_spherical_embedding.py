"""Spherical harmonics of unit vectors: values, and derivatives at the poles, to degree 40."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import sph_harm_y

import jaxsci as jsci
from jaxsci import nn

POLES = np.array([[0.0, 0, 1], [0, 0, -1]])
DIRECTIONS = np.concatenate([POLES, [[0.36, 0.48, 0.8], [0.0, -1, 0], [3e-4, 0, 1]]])


def reference(x, degree):
    """SciPy's complex harmonics, combined to real ones without the Condon-Shortley sign."""
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    theta, phi = np.arccos(x[:, 2]), np.arctan2(x[:, 1], x[:, 0])
    columns = []
    for l in range(degree + 1):
        for m in range(-l, l + 1):
            y = sph_harm_y(l, abs(m), theta, phi) * (-1) ** m
            columns.append(y.real if m == 0 else np.sqrt(2) * (y.real if m > 0 else y.imag))
    return np.stack(columns, -1)


def test_equals_scipy_in_float32():
    embedding = jax.jit(jax.vmap(nn.SphericalEmbedding(40)))
    y = embedding(jnp.asarray(2.5 * DIRECTIONS, jnp.float32))
    assert y.dtype == jnp.float32 and y.shape == (5, 1681)
    np.testing.assert_allclose(y, reference(DIRECTIONS, 40), atol=1e-4)


def test_gradients_at_the_poles_in_float32():
    """At the poles ∂ Y_lm/∂x is √(l(l + 1)(2l + 1)/8π) for m = 1, with the sign of zˡ⁺¹."""
    slope = jax.jit(jax.vmap(jax.jacfwd(nn.SphericalEmbedding(40))))
    found = slope(jnp.asarray(POLES, jnp.float32))
    l = np.arange(41)
    size = np.sqrt(l * (l + 1) * (2 * l + 1) / (8 * np.pi))
    right = np.zeros((2, 1681, 3))
    for pole, sign in enumerate([np.ones(41), (-1.0) ** (l + 1)]):
        right[pole, (l**2 + l + 1)[1:], 0] = (sign * size)[1:]
        right[pole, (l**2 + l - 1)[1:], 1] = (sign * size)[1:]
    np.testing.assert_allclose(found, right, atol=1e-4 * size[-1])


def test_the_laplacian_is_that_of_the_sphere():
    """-l(l + 1) Y_lm, at the poles as elsewhere."""
    embedding = nn.SphericalEmbedding(40)

    @jax.jit
    @jax.vmap
    def laplacian(x):
        return jnp.trace(jax.hessian(embedding)(x), axis1=-2, axis2=-1)

    x = DIRECTIONS / np.linalg.norm(DIRECTIONS, axis=-1, keepdims=True)
    l = np.repeat(np.arange(41), 2 * np.arange(41) + 1)
    right = -l * (l + 1) * np.asarray(jax.vmap(embedding)(jnp.asarray(x)))
    np.testing.assert_allclose(laplacian(jnp.asarray(x)), right, atol=1e-8)


@pytest.mark.parametrize("network", [nn.MLP, nn.SIREN])
def test_networks_of_the_direction(network, key):
    net = network(3, "scalar", width=4, depth=1, embedding=nn.SphericalEmbedding(3), key=key)
    x = jnp.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(net(2 * x), net(x), rtol=1e-12)
    trace = jnp.trace(jax.hessian(net)(x))
    np.testing.assert_allclose(jsci.laplacian(net)(x), trace, rtol=1e-10)


def test_the_first_layer_of_a_siren_sees_the_features(key):
    """U(±1/m) with m features: the output of the first layer does not grow with their number."""
    net = nn.SIREN(3, 1, width=64, depth=1, embedding=nn.SphericalEmbedding(10), key=key)
    first = net.layers[0].weight
    assert first.shape == (121, 64)
    assert 0.9 / 121 < jnp.max(jnp.abs(first)) <= 1 / 121


def test_bad_input():
    with pytest.raises(ValueError, match="whole number >= 0, got -1"):
        nn.SphericalEmbedding(-1)
    with pytest.raises(ValueError, match="in_size=3"):
        nn.SphericalEmbedding(2)(jnp.ones(2))
    with pytest.raises(ValueError, match="the origin has no direction"):
        nn.SphericalEmbedding(2)(jnp.zeros(3))
    assert jnp.all(jnp.isnan(jax.jit(nn.SphericalEmbedding(1))(jnp.zeros(3))[1:]))
