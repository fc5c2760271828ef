"""Attention: a quadrature sum over points in any order, with masks that leave points out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import nn

KEYS = jax.random.split(jax.random.key(1), 6)
Q = jax.random.normal(KEYS[0], (2, 3, 4))
K = jax.random.normal(KEYS[1], (2, 5, 4))
V = jax.random.normal(KEYS[2], (2, 5, 6))
W = jnp.array([0.1, 0.4, 0.2, 0.7, 0.3])
MASK = np.array([True, False, True, True, False])
ROWS = np.array([[1, 0, 1, 1, 0], [0, 1, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
NORMALISERS = pytest.mark.parametrize("normaliser", ["softmax", "slices", jax.nn.softplus])


def by_hand(q, k, v, w, normaliser, allowed):
    """One head in NumPy, from the formulas."""
    q, k, v, w = map(np.asarray, (q, k, v, w))
    logits = q @ k.T / np.sqrt(q.shape[1])
    if callable(normaliser):
        return (np.asarray(normaliser(jnp.asarray(logits))) * allowed * w) @ v
    scores = np.exp(logits) * allowed
    if normaliser == "slices":
        scores = scores / np.maximum(scores.sum(0), 1e-300)
    scores = scores * w
    return scores / scores.sum(1, keepdims=True) @ v


@NORMALISERS
def test_the_formulas(normaliser):
    for mask in (None, MASK, ROWS):
        allowed = np.ones((3, 5)) if mask is None else np.broadcast_to(mask, (3, 5))
        out = nn.attention(Q, K, V, W, mask=mask, normaliser=normaliser)
        for head in range(2):
            expected = by_hand(Q[head], K[head], V[head], W, normaliser, allowed)
            np.testing.assert_allclose(out[head], expected, rtol=1e-12)
        one = nn.attention(Q[0], K[0], V[0], W, mask=mask, normaliser=normaliser)
        np.testing.assert_allclose(one, out[0], rtol=1e-12)


@NORMALISERS
def test_a_mask_equals_leaving_out(normaliser):
    out = nn.attention(Q, K, V, W, mask=MASK, normaliser=normaliser)
    fewer = nn.attention(Q, K[:, MASK], V[:, MASK], W[MASK], normaliser=normaliser)
    np.testing.assert_allclose(out, fewer, rtol=1e-12)
    if not callable(normaliser):
        weightless = nn.attention(Q, K, V, W * MASK, normaliser=normaliser)
        np.testing.assert_allclose(out, weightless, rtol=1e-12)


@NORMALISERS
def test_a_point_split_in_two_changes_nothing(normaliser):
    order, split = np.r_[0, 0, 1:5], jnp.concatenate([W[:1] / 2, W[:1] / 2, W[1:]])
    out = nn.attention(Q, K, V, W, normaliser=normaliser)
    twice = nn.attention(Q, K[:, order], V[:, order], split, normaliser=normaliser)
    np.testing.assert_allclose(twice, out, rtol=1e-12)


@NORMALISERS
def test_the_order_of_points_does_not_matter_and_that_of_queries_is_kept(normaliser):
    out = nn.attention(Q, K, V, W, mask=ROWS, normaliser=normaliser)
    p, q = np.array([3, 1, 4, 0, 2]), np.array([2, 0, 1])
    turned = nn.attention(
        Q[:, q], K[:, p], V[:, p], W[p], mask=ROWS[q][:, p], normaliser=normaliser
    )
    np.testing.assert_allclose(turned, out[:, q], rtol=1e-12)


def test_slices_divide_every_point():
    """With values that count: the shares of a point over all slices are its weight."""
    shares = nn.attention(Q, K, jnp.broadcast_to(jnp.eye(5), (2, 5, 5)), W, normaliser="slices")
    size = np.exp(np.einsum("hqd,hpd->hqp", Q, K) / 2)
    received = (size / size.sum(1, keepdims=True) * np.asarray(W)).sum(-1, keepdims=True)
    np.testing.assert_allclose((shares * received).sum(1), np.stack([W, W]), rtol=1e-12)


def test_large_logits_do_not_overflow():
    for normaliser in ("softmax", "slices"):
        out = nn.attention(1e6 * Q, K, V, W, mask=ROWS, normaliser=normaliser)
        assert jnp.isfinite(out[:, [0, 2]]).all() and jnp.isfinite(out[:, 1]).all()


@NORMALISERS
def test_a_query_without_points_is_refused_or_flagged(normaliser):
    none = ROWS & (np.arange(3) != 1)[:, None]
    with pytest.raises(ValueError, match="no point in 1 of its 3 rows, the first is row 1"):
        nn.attention(Q, K, V, mask=none, normaliser=normaliser)
    masked = jax.jit(lambda k, m: nn.attention(Q, k, V, mask=m, normaliser=normaliser))
    out = masked(K, none)
    assert jnp.isnan(out[:, 1]).all() and jnp.isfinite(out[:, [0, 2]]).all()
    slope = jax.jit(jax.grad(lambda k, m: jnp.sum(masked(k, m)[:, [0, 2]] ** 2)))(K, none)
    kept = jax.grad(lambda k: jnp.sum(masked(k, jnp.asarray(ROWS))[:, [0, 2]] ** 2))(K)
    if normaliser == "slices":  # the query takes a share of the points where it may see them
        assert jnp.isfinite(slope).all()
    else:
        np.testing.assert_allclose(slope, kept, rtol=1e-12)


def test_float32_stays():
    small = [a.astype(jnp.float32) for a in (Q, K, V, W)]
    for normaliser in ("softmax", "slices", jax.nn.softplus):
        out = nn.attention(*small, mask=ROWS, normaliser=normaliser)
        assert out.dtype == jnp.float32
        exact = nn.attention(Q, K, V, W, mask=ROWS, normaliser=normaliser)
        np.testing.assert_allclose(out, exact, atol=1e-5)
    layer = nn.Attention(4, heads=2, key=KEYS[3], dtype=jnp.float32)
    assert layer(small[0][0], small[1][0], mask=ROWS).dtype == jnp.float32


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"query": Q[0]}, "same heads, d and points"),
        ({"key": K[..., :3]}, "same heads, d and points"),
        ({"value": V[:, :4]}, "same heads, d and points"),
        ({"key": K[:, :0], "value": V[:, :0], "weights": W[:0]}, "same heads, d and points"),
        ({"query": Q[..., :0], "key": K[..., :0]}, "same heads, d and points"),
        ({"weights": W[:4]}, r"one per point, \(5,\); got \(4,\)"),
        ({"weights": W.at[2].set(-0.5)}, "not be negative, the least is -0.5"),
        ({"mask": ROWS[:2]}, r"shape \(5,\) or \(3, 5\)"),
        ({"mask": MASK[:4]}, r"got \(4,\)"),
        ({"mask": np.zeros(5, bool)}, "no point in 1 of its 1 rows"),
        ({"normaliser": "sparsemax"}, "allowed are 'softmax', 'slices' and a function"),
        ({"normaliser": lambda row: row[:2]}, r"a score per point, \(5,\); it returned \(2,\)"),
    ],
)
def test_what_does_not_fit(given, message, monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)  # as users have it
    with pytest.raises(ValueError, match=message):
        nn.attention(**{"query": Q, "key": K, "value": V, "weights": W} | given)


def test_complex_queries_and_keys_are_refused(monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    with pytest.raises(TypeError, match="real queries and keys, got complex128 and float64"):
        nn.attention(1j * Q, K, V)


def test_masks_of_numbers_are_refused(monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    for mask in (np.ones(5), np.ones(5, int), jnp.zeros(5)):
        with pytest.raises(TypeError, match="a mask of booleans, True where a point is seen"):
            nn.attention(Q, K, V, mask=mask)
        with pytest.raises(TypeError, match="pointer_logits takes a mask of booleans"):
            nn.pointer_logits(Q[0], K[0], jnp.ones(4), mask=mask)
