"""Fluctuations at finite width: recursions against exact forms, and both against networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import ntk

WIDTH, NETWORKS = 16, 20_000


def kernels_of_networks(activation, weight_variance, layers):
    """Σ_i z_i² / n of the preactivations of each layer, input to the first normalised to one."""

    def network(key):
        keys = jax.random.split(key, layers)
        z = jax.random.normal(keys[0], (WIDTH,))

        def layer(z, key):
            weights = jax.random.normal(key, (WIDTH, WIDTH))
            signal = activation(z)
            # the kernel given the layer before, which has the same law without the last weights
            kernel = weight_variance * jnp.mean(signal**2)
            return jnp.sqrt(weight_variance / WIDTH) * weights @ signal, kernel

        return jax.lax.scan(layer, z, keys[1:])[1]

    return jax.jit(jax.vmap(network))(jax.random.split(jax.random.key(0), NETWORKS))


def assert_variance(samples, expected):
    """Within four standard errors of a variance."""
    squares = (samples - jnp.mean(samples)) ** 2
    standard_error = jnp.std(squares) / np.sqrt(len(samples))
    assert abs(jnp.mean(squares) - expected) < 4 * standard_error


def test_relu_vertex_is_that_of_networks_beyond_leading_order():
    """At width 16 and layer 6 the leading order is 25 and the exact vertex 46."""
    kernels = kernels_of_networks(jax.nn.relu, 2.0, 6)[:, -1]
    exact = ntk.relu_vertex(6, WIDTH) / WIDTH
    assert_variance(kernels, exact)
    squares = (kernels - 1) ** 2
    leading = 25 / WIDTH
    assert jnp.mean(squares) - leading > 4 * jnp.std(squares) / np.sqrt(NETWORKS)


def test_linear_variance_is_that_of_networks():
    kernels = kernels_of_networks(lambda z: z, 1.0, 5)[:, -1]
    assert_variance(kernels, ntk.linear_kernel_variance(4, WIDTH))


def test_recursion_has_the_leading_order_of_the_exact_forms():
    k, v = ntk.four_point_recursion(jax.nn.relu, 1.7, depth=6, weight_variance=2.0)
    np.testing.assert_allclose(v / k**2, 5 * np.arange(6), rtol=1e-12)
    np.testing.assert_allclose(
        ntk.relu_vertex(jnp.arange(1, 7), 10**9), 5 * np.arange(6), rtol=1e-6
    )
    k, v = ntk.four_point_recursion(lambda z: z, 1.0, depth=6, weight_variance=1.0)
    np.testing.assert_allclose(v / k**2, 2 * np.arange(6), rtol=1e-12)


def test_tanh_vertex_grows_as_two_thirds_of_depth():
    k, v = ntk.four_point_recursion(jnp.tanh, 0.1, depth=4000, weight_variance=1.0)
    np.testing.assert_allclose(v[-1] / k[-1] ** 2 / 4000, 2 / 3, rtol=0.01)


def test_bad_input():
    with pytest.raises(ValueError, match="width must be 1 or more"):
        ntk.relu_vertex(3, 0)
    with pytest.raises(ValueError, match="depth must be 1 or more"):
        ntk.four_point_recursion(jnp.tanh, 1.0, depth=0, weight_variance=1.0)
