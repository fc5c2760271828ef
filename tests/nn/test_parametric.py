"""Separable networks and networks whose weights are a function of coefficients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import nn


@pytest.mark.parametrize(("dim", "out_size"), [(1, "scalar"), (3, "scalar"), (2, 2)])
def test_separable_on_a_grid_is_the_network_at_each_point(dim, out_size, key):
    net = nn.Separable(dim, out_size, rank=3, width=4, depth=1, key=key)
    axes = [jnp.linspace(-1, 1, 3 + i) for i in range(dim)]
    points = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)
    grid = net.on_grid(axes)
    one_by_one = jax.vmap(net)(points)
    assert grid.shape[:dim] == tuple(len(a) for a in axes)
    np.testing.assert_allclose(grid.reshape(one_by_one.shape), one_by_one, rtol=1e-13, atol=1e-14)


def test_separable_derivative_on_the_grid_is_one_tangent(key):
    net = nn.Separable(2, "scalar", rank=3, width=4, depth=1, key=key)
    x, y = jnp.linspace(0, 1, 4), jnp.linspace(0, 1, 3)
    slope = jax.jvp(lambda y: net.on_grid([x, y]), (y,), (jnp.ones_like(y),))[1]
    np.testing.assert_allclose(slope[2, 1], jsci.derivative(net, 1)(jnp.array([x[2], y[1]])))
    with pytest.raises(ValueError, match="on_grid needs 2 axes, got 1"):
        net.on_grid([x])


def test_hypernetwork_is_the_target_network_with_shifted_weights(key):
    inner = nn.MLP(2, "scalar", width=4, depth=1, key=key)
    net = nn.Hypernetwork(inner, 2, width=5, depth=1, key=key)
    x, mu = jnp.array([0.3, -0.2]), jnp.array([0.1, 0.9])
    np.testing.assert_allclose(net(x, mu), net.at(mu)(x))
    encoded = np.concatenate([np.cos(np.pi * mu / 2), np.sin(np.pi * mu / 2)])
    np.testing.assert_allclose(encoded @ encoded, 2.0)
    shift = net.generator(jnp.asarray(encoded))
    weights = np.concatenate([np.ravel(a) for a in jax.tree.leaves(inner)]) + shift
    first, bias = weights[:8].reshape(2, 4), weights[8:12]
    last, offset = weights[12:16], weights[16]
    np.testing.assert_allclose(net(x, mu), np.tanh(x @ first + bias) @ last + offset, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:There are fewer residuals")  # it is asked between them
def test_a_family_of_problems_is_learnt_at_once(key):
    """u = sin(x + μ) from its values at five μ, asked at one between them."""
    inner = nn.MLP(1, "scalar", width=8, depth=1, key=key)
    f, params = jsci.pure(nn.Hypernetwork(inner, 1, width=8, depth=1, key=key))
    x, mu = jnp.meshgrid(jnp.linspace(-1, 1, 9), jnp.linspace(0, 1, 5))
    x, mu = x.reshape(-1, 1), mu.reshape(-1, 1)
    loss = jsci.objective({"data": lambda p, s: f(p, s[0], s[1]) - jnp.sin(s[0][0] + s[1][0])})
    fit = jsci.fit(
        loss, params, {"data": (x, mu)}, jsci.levenberg_marquardt(), steps=30, progress=False
    )
    between = f(fit.params, jnp.array([0.33]), jnp.array([0.4]))
    np.testing.assert_allclose(between, jnp.sin(0.73), atol=2e-3)


def test_bad_input(key):
    with pytest.raises(ValueError, match="rank must be a positive integer, got 0"):
        nn.Separable(2, "scalar", rank=0, width=3, depth=1, key=key)
    with pytest.raises(ValueError, match="coefficients must be a positive integer"):
        nn.Hypernetwork(nn.MLP(1, 1, width=2, depth=1, key=key), 0, width=3, depth=1, key=key)
