"""EvoNorm against its formula, and self-normalising networks against their promise."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import nn


def evo_norm(key, channels, groups):
    """A layer with other than its initial parameters."""
    keys = jax.random.split(key, 3)
    layer = nn.EvoNorm(channels, groups=groups)
    new = [1 + jax.random.normal(k, (channels,)) for k in keys]
    return eqx.tree_at(lambda l: (l.scale, l.slope, l.shift), layer, new)


@pytest.mark.parametrize("groups", [1, 3, 6])
def test_evo_norm_is_its_formula(key, groups):
    layer = evo_norm(key, 6, groups)
    a = 2 + 3 * np.asarray(jax.random.normal(key, (4, 5, 6)))
    by_group = a.reshape(4, 5, groups, -1)
    deviation = np.sqrt(by_group.var((0, 1, 3)) + 1e-5).repeat(6 // groups)
    scale, slope, shift = (np.asarray(p) for p in (layer.scale, layer.slope, layer.shift))
    right = scale * a / (1 + np.exp(-slope * a)) / deviation + shift
    np.testing.assert_allclose(layer(jnp.asarray(a)), right, atol=1e-12)


def test_evo_norm_of_a_sample_does_not_depend_on_its_batch(key):
    layer = evo_norm(key, 4, 2)
    batch = jax.random.normal(key, (3, 7, 4))
    np.testing.assert_allclose(jax.vmap(layer)(batch)[1], layer(batch[1]), atol=1e-12)


def test_evo_norm_is_one_map_of_functions(key):
    """On 33 Gauss-Legendre points and on 101: the same values of a smooth function's image."""
    layer = evo_norm(key, 2, 1)

    def at_the_middle(n):
        x, w = np.polynomial.legendre.leggauss(n)
        a = jnp.asarray(np.stack([np.exp(x), np.sin(3 * x)], -1))
        return layer(a, jnp.asarray(w))[n // 2]

    np.testing.assert_allclose(at_the_middle(33), at_the_middle(101), atol=1e-12)


def test_points_of_weight_zero_do_not_count(key):
    layer = evo_norm(key, 2, 1)
    a = jax.random.normal(key, (5, 2))
    land = jnp.concatenate([a, jnp.full((1, 2), jnp.nan)])
    weights = jnp.array([1.0, 1, 1, 1, 1, 0])
    np.testing.assert_allclose(layer(land, weights)[:5], layer(a), atol=1e-12)


def test_sixty_four_layers_of_selus_keep_mean_and_variance(key):
    """From inputs of mean 0.5 and deviation 2 to mean 0 and variance 1."""
    net = nn.MLP(512, 512, width=512, depth=64, activation=jax.nn.selu, init="lecun", key=key,
                 dtype=jnp.float32)  # fmt: skip
    x = 0.5 + 2 * jax.random.normal(jax.random.key(1), (64, 512), jnp.float32)

    @jax.jit
    def hidden(weights, x):
        """The activations before the last layer, which is affine."""
        return jax.lax.scan(lambda h, w: (jax.nn.selu(h @ w), None), x, weights)[0]

    assert not any(jnp.any(layer.bias) for layer in net.layers)
    h = hidden(jnp.stack([layer.weight for layer in net.layers[:-1]]), x)
    assert abs(jnp.mean(h)) < 0.05
    assert 0.9 < jnp.var(h) < 1.1


def test_lecun_weights_have_the_variance_of_their_inputs(key):
    layer = nn.Dense(400, 50, key=key, init="lecun")
    np.testing.assert_allclose(jnp.std(layer.weight), 1 / 20, rtol=0.02)


def test_alpha_dropout_keeps_mean_and_variance(key):
    x = jax.random.normal(key, (1_000_000,))
    for rate in (0.1, 0.5):
        y = nn.alpha_dropout(jax.random.key(1), x, rate)
        np.testing.assert_allclose((jnp.mean(y), jnp.var(y)), (0, 1), atol=1e-2)
        # What is dropped has one value, the limit of the activation, shifted and scaled.
        values, counts = np.unique(y, return_counts=True)
        a = ((1 - rate) * (1 + rate * 1.758099340847377**2)) ** -0.5
        right = a * (rate - 1) * 1.758099340847377
        np.testing.assert_allclose(values[np.argmax(counts)], right, rtol=1e-12)
        np.testing.assert_allclose(np.max(counts), rate * 1e6, rtol=1e-2)
    assert nn.alpha_dropout(key, x, 0.0) is x


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: nn.EvoNorm(4, groups=3), "groups=3 must divide channels=4"),
        (lambda k: nn.EvoNorm(4, epsilon=0.0), "epsilon must be positive"),
        (lambda k: nn.EvoNorm(4)(jnp.ones((5, 3))), "channels=4 in the last axis"),
        (lambda k: nn.EvoNorm(4)(jnp.ones((0, 4))), "empty field"),
        (lambda k: nn.EvoNorm(4)(jnp.ones((5, 4)), jnp.ones(4)), "one weight for each point"),
        (lambda k: nn.Dense(2, 2, init="he", key=k), "'glorot' and 'lecun'"),
        (lambda k: nn.alpha_dropout(k, jnp.ones(3), 1.0), r"rate in \[0, 1\), got 1.0"),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises(ValueError, match=message):
        call(key)


@pytest.mark.parametrize("dtype", [int, complex])
def test_evo_norm_takes_real_floats(dtype):
    """A share of 1/points is zero among integers, so that the statistics were, too."""
    with pytest.raises(TypeError, match="real floats"):
        nn.EvoNorm(4)._check(jnp.ones((6, 4), dtype), None)
