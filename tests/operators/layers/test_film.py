"""Operators that depend on conditions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.operators import FNO, FiLM, Transformer, UNet, relative_l2

X = jnp.arange(16) / 16
A = jnp.sin(2 * jnp.pi * X)[:, None]
C = jnp.array([0.3, -1.0])
POINTS, WEIGHTS = X[:, None], jnp.full(16, 1 / 16)
MAKE = {
    "FNO": lambda key, n: FNO(1, 1, width=4, modes=3, depth=2, conditions=n, key=key),
    "UNet": lambda key, n: UNet(1, 1, dim=1, width=4, levels=1, radius=0.2, conditions=n, key=key),
    "Transformer": lambda key, n: Transformer(
        1, 1, dim=1, width=4, heads=2, depth=1, conditions=n, key=key
    ),
}


@eqx.filter_jit
def call(name, model, *conditions):
    if name == "Transformer":
        return model(A, POINTS, WEIGHTS, None, *conditions)
    return model(A, *conditions)


def test_the_formula(key):
    layer = FiLM(3, 2, width=4, key=key)
    a = jax.random.normal(key, (5, 6, 3))
    np.testing.assert_array_equal(layer(a, C), a)
    layer = jax.tree.map(lambda leaf: leaf + 0.1, layer)
    hidden, last = layer.network
    h = np.asarray(C @ hidden.weight + hidden.bias)
    h = np.asarray(jax.nn.gelu(h, approximate=False))
    scale, shift = np.split(h @ np.asarray(last.weight) + np.asarray(last.bias), 2)
    np.testing.assert_allclose(layer(a, C), (1 + scale) * np.asarray(a) + shift, rtol=1e-12)


@pytest.mark.parametrize("name", MAKE)
def test_networks_begin_as_those_without_conditions(name, key):
    """The same weights under the same names; moved, the output depends on each condition."""
    plain, model = MAKE[name](key, 0), MAKE[name](key, 2)
    np.testing.assert_array_equal(call(name, model, C), call(name, plain))
    paths = lambda m: {  # noqa: E731
        jax.tree_util.keystr(p): leaf
        for p, leaf in jax.tree_util.tree_leaves_with_path(eqx.filter(m, eqx.is_array))
    }
    with_films = paths(model)
    assert all(np.array_equal(with_films[p], leaf) for p, leaf in paths(plain).items())
    moved = jax.tree.map(lambda leaf: leaf + 0.1 if eqx.is_array(leaf) else leaf, model)
    slopes = jax.jacobian(lambda c: call(name, moved, c))(C)
    assert jnp.all(jnp.any(slopes != 0, (0, 1)))


@pytest.mark.parametrize("name", MAKE)
def test_conditions_that_do_not_fit_are_refused(name, key):
    with pytest.raises(ValueError, match=f"{name} was made with conditions=2.*got none"):
        call(name, MAKE[name](key, 2))
    with pytest.raises(ValueError, match=r"shape \(3, 2\).*jax.vmap"):
        call(name, MAKE[name](key, 2), jnp.ones((3, 2)))
    with pytest.raises(ValueError, match="conditions=0"):
        call(name, MAKE[name](key, 0), C)
    with pytest.raises(ValueError, match="needs conditions >= 0"):
        MAKE[name](key, -1)


def test_one_network_learns_a_family_of_maps(key):
    """The shift by c of a wave: without the condition the best answer is their mean."""
    f, params = jsci.pure(MAKE["FNO"](key, 1), dtype=jnp.float64)
    shifts = jnp.linspace(0, 0.5, 6)[:, None]
    targets = jnp.sin(2 * jnp.pi * (X[None] - shifts))[..., None]
    loss = jsci.objective({"data": lambda p, s: relative_l2(f(p, A, s[0]), s[1])})
    result = jsci.fit(
        loss, params, {"data": (shifts, targets)}, optax.adam(1e-2), steps=300, progress=False
    )
    mean = targets.mean(0)
    best = np.mean([relative_l2(mean, t) ** 2 for t in targets])
    assert result.history["loss"][-1] < 0.02 * best


def test_numbers_below_one_are_refused(key):
    with pytest.raises(ValueError, match="channels, conditions and width >= 1"):
        FiLM(2, 0, width=4, key=key)


@pytest.mark.parametrize(("channels", "given"), [(3, 1), (1, 3)])
def test_fields_of_other_channels_are_not_broadcast(channels, given, key):
    layer = FiLM(channels, 2, width=4, key=key)
    with pytest.raises(ValueError, match=rf"channels={channels} and takes a field"):
        layer(jnp.ones((8, given)), jnp.ones(2))
