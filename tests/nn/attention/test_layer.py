"""The layers of attention: as their formulas, and learned normalisers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import nn

X = jax.random.normal(jax.random.key(2), (5, 4))
Y = jax.random.normal(jax.random.key(3), (3, 4))
W = jnp.array([0.1, 0.4, 0.2, 0.7, 0.3])


def test_the_layer_is_its_formula(key):
    layer = nn.Attention(4, heads=2, key=key)
    q, kv = layer.query(Y), layer.key_value(X)
    k, v = kv[:, :4], kv[:, 4:]
    heads = [nn.attention(*(a[:, h : h + 2] for a in (q, k, v)), W) for h in (0, 2)]
    expected = layer.out(jnp.concatenate(heads, 1))
    np.testing.assert_allclose(layer(Y, X, W), expected, rtol=1e-12)
    mask = np.array([True, True, False, True, False])
    np.testing.assert_allclose(layer(Y, X, mask=mask), layer(Y, X[mask]), rtol=1e-12)
    assert [leaf.shape for leaf in jax.tree.leaves(layer)] == [
        (4, 4),
        (4,),
        (4, 8),
        (8,),
        (4, 4),
        (4,),
    ]


def test_the_fourier_normaliser_is_its_formula(key):
    scores = nn.FourierNormaliser(5, rank=2, degree=3, key=key)
    layer = nn.Attention(4, heads=2, normaliser=scores, key=key)
    row = X[0, :1] * jnp.arange(5.0)
    k = np.arange(1, 4)
    series = np.concatenate([np.cos(np.outer(row, k)), np.sin(np.outer(row, k))], 1)
    low = scores.down
    phi = jax.nn.silu(row) @ low.base.weight + low.base.bias + series.reshape(-1) @ low.weight
    np.testing.assert_allclose(scores(row), phi @ scores.up.weight + scores.up.bias, rtol=1e-12)

    q, (key_rows, v) = layer.query(Y), np.split(layer.key_value(X), 2, 1)
    logits = np.asarray(q[:, 2:] @ key_rows[:, 2:].T / np.sqrt(2))
    second = np.stack([scores(jnp.asarray(l)) for l in logits]) * np.asarray(W) @ v[:, 2:]
    out = np.linalg.solve(layer.out.weight.T, (layer(Y, X, W) - layer.out.bias[None]).T).T
    np.testing.assert_allclose(out[:, 2:], second, rtol=1e-9)


def test_a_normaliser_is_trained_and_saved_with_its_layer(key, tmp_path):
    scores = nn.FourierNormaliser(5, rank=2, key=key)
    f, params = jsci.pure(nn.Attention(4, heads=2, normaliser=scores, key=key))
    slope = jax.grad(lambda p: jnp.sum(f(p, Y, X) ** 2))(params)
    assert all(jnp.any(leaf != 0) for leaf in jax.tree.leaves(slope))
    jsci.save(tmp_path / "layer.jsci", params)
    loaded = jsci.load(tmp_path / "layer.jsci", like=jax.tree.map(jnp.zeros_like, params))
    np.testing.assert_array_equal(f(loaded, Y, X), f(params, Y, X))


def test_slices_of_a_layer_summarise_points(key):
    """Few learned queries: in double resolution with half the weights, the same summary."""
    f, params = jsci.pure(nn.Attention(4, heads=2, normaliser="slices", key=key))
    once = jax.jit(f)(params, Y, X, W)
    twice = f(params, Y, jnp.repeat(X, 2, 0), jnp.repeat(W, 2) / 2)
    np.testing.assert_allclose(once, twice, rtol=1e-12)


def test_pointers(key):
    pointer = nn.Pointer(4, 4, width=6, key=key)
    mask = np.array([True, True, False, True, False])
    logits = pointer(Y, X, mask=mask)
    for i in range(3):
        for j in range(5):
            d, e = Y[i] @ pointer.query.weight, X[j] @ pointer.point.weight + pointer.point.bias
            expected = np.tanh(d + e) @ pointer.vector if mask[j] else -np.inf
            np.testing.assert_allclose(logits[i, j], expected, rtol=1e-12)
    assert jnp.isfinite(
        jax.grad(lambda x: jax.nn.log_softmax(pointer(Y, x, mask=mask))[:, 0].sum())(X)
    ).all()
    chances = jax.nn.softmax(logits)
    np.testing.assert_allclose(chances[:, mask], jax.nn.softmax(pointer(Y, X[mask])), rtol=1e-12)
    with pytest.raises(ValueError, match="no point in 1 of its 1 rows"):
        pointer(Y, X, mask=np.zeros(5, bool))
    unseen = jax.jit(lambda m: jax.nn.softmax(pointer(Y, X, mask=m)))(np.zeros(5, bool))
    assert jnp.isnan(unseen).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: nn.Attention(8, heads=3, key=k), "heads that divide width, got 3 and 8"),
        (lambda k: nn.Attention(4, heads=2, key=k)(Y, X[:, :3]), r"\(queries, 4\) and points"),
        (lambda k: nn.Attention(4, heads=2, key=k)(Y[0], X), "Batch with jax.vmap"),
        (lambda k: nn.Pointer(4, 0, width=3, key=k), "point_size must be a positive integer"),
        (lambda k: nn.Pointer(4, 4, width=3, key=k)(Y, X[:, :3]), r"points \(points, 4\); got"),
        (lambda k: nn.pointer_logits(Y, X, jnp.ones(3)), r"a vector \(width,\); got"),
        (lambda k: nn.FourierNormaliser(5, rank=0, key=k), "out_size must be a positive integer"),
        (lambda k: nn.FourierNormaliser(4, rank=2, key=k)(X[:, 0]), "made for in_size=4"),
    ],
)
def test_what_does_not_fit(call, message, key, monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)  # as users have it
    with pytest.raises(ValueError, match=message):
        call(key)


def test_no_query_and_no_point(key):
    layer, pointer = nn.Attention(4, heads=2, key=key), nn.Pointer(4, 4, width=2, key=key)
    assert layer(Y[:0], X).shape == (0, 4)
    assert pointer(Y[:0], X).shape == (0, 5)
    with pytest.raises(ValueError, match=r"attention takes queries .* \(2, 0, 2\)"):
        layer(Y, X[:0])
    with pytest.raises(ValueError, match=r"pointer_logits takes queries .* \(0, 2\)"):
        pointer(Y, X[:0])
