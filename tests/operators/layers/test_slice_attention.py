"""Attention through slices: a map of functions, linear in the number of points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.operators import SliceAttention, SliceTransformer


def transformer(key):
    return SliceTransformer(1, 2, dim=1, width=8, heads=2, slices=3, depth=2, key=key)


def midpoints(n, stretch=2):
    edges = (np.arange(n + 1) / n) ** stretch
    return jnp.asarray((edges[1:] + edges[:-1]) / 2)[:, None], jnp.asarray(np.diff(edges))


def field(x):
    return jnp.sin(3 * x) + x**2


def test_the_formula(key):
    layer = SliceAttention(6, heads=2, slices=4, key=key)
    h = jax.random.normal(key, (9, 6))
    w = jnp.linspace(1, 2, 9)
    out = []
    for head in range(2):
        logits = layer.slice(h)[:, 4 * head : 4 * head + 4]
        s = jnp.exp(logits) / jnp.exp(logits).sum(1, keepdims=True)
        v = layer.value(h)[:, 3 * head : 3 * head + 3]
        mass = w @ s
        z = (s.T @ (w[:, None] * v)) / (mass + 1e-6 * w.sum())[:, None]
        q, k, value = jnp.split(layer.tokens(z), 3, -1)
        out.append(s @ (jax.nn.softmax(q @ k.T / np.sqrt(3), -1) @ value))
    expected = layer.out(jnp.concatenate(out, -1))
    np.testing.assert_allclose(layer(h, w), expected, atol=1e-13)


def test_refinement_and_uneven_points(key):
    """Weighted: second order in the spacing. Without the weights the answer is another one."""
    f, params = jsci.pure(transformer(key))
    places = jnp.array([[0.2], [0.9]])

    @jax.jit
    def answer(x, w):
        points, weights = jnp.concatenate([places, x]), jnp.concatenate([jnp.zeros(2), w])
        return f(params, field(points), points, weights)[:2]

    exact = answer(*midpoints(640, 1))

    def error(n, weighted=True):
        x, w = midpoints(n)
        return jnp.max(jnp.abs(answer(x, w if weighted else jnp.full(n, 1 / n)) - exact))

    assert 1.7 < jnp.log2(error(20) / error(40)) < 2.4
    assert error(40) < error(40, weighted=False) / 10


def test_order_of_the_points_and_size_of_the_domain_do_not_matter(key):
    model = transformer(key)
    x, w = midpoints(9)
    p = jax.random.permutation(key, 9)
    expected = model(field(x), x, w)
    np.testing.assert_allclose(model(field(x)[p], x[p], w[p]), expected[p], atol=1e-12)
    np.testing.assert_allclose(model(field(x), x, 7 * w), expected, atol=1e-12)


def test_unused_slices_are_harmless(key):
    """Shares that underflow leave outputs and derivatives finite."""
    layer = SliceAttention(4, heads=1, slices=2, key=key)
    h = 1e4 * jnp.ones((5, 4), jnp.float32)
    out, slope = jax.value_and_grad(lambda h: jnp.sum(layer(h, jnp.ones(5, jnp.float32))))(h)
    assert jnp.isfinite(out) and jnp.all(jnp.isfinite(slope))


def test_conditions(key):
    model = SliceTransformer(
        1, 1, dim=1, width=4, heads=1, slices=2, depth=1, conditions=2, key=key
    )
    x, w = midpoints(5)
    assert model(field(x), x, w, jnp.ones(2)).shape == (5, 1)
    with pytest.raises(ValueError, match="condition"):
        model(field(x), x, w)


def test_bad_input(key):
    with pytest.raises(ValueError, match="heads that divide width"):
        SliceAttention(8, heads=3, slices=2, key=key)
    with pytest.raises(ValueError, match="slices >= 1"):
        SliceAttention(8, heads=2, slices=0, key=key)
    with pytest.raises(ValueError, match="depth >= 1"):
        SliceTransformer(1, 1, dim=1, width=8, heads=2, slices=2, depth=0, key=key)
    layer = SliceAttention(8, heads=2, slices=2, key=key)
    with pytest.raises(ValueError, match="one weight for each point"):
        layer(jnp.ones((5, 8)), jnp.ones(4))
    x, w = midpoints(6)
    with pytest.raises(ValueError, match=r"\(points, 1\); got shape \(6, 2\)"):
        transformer(key)(jnp.ones((6, 2)), x, w)
    with pytest.raises(ValueError, match="quadrature weights"):
        transformer(key)(field(x), x, w[:5])


def test_fields_of_another_width(key):
    layer = SliceAttention(4, heads=2, slices=2, key=key)
    with pytest.raises(ValueError, match="in_channels=4"):
        layer(jnp.ones((5, 3)), jnp.ones(5))
    with pytest.raises(ValueError, match="empty"):
        layer(jnp.ones((0, 4)), jnp.ones(0))
