"""Transformer and GNO: maps of functions, whatever points carry them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import nn
from jaxsci.operators import GINO, GNO, Transformer, attention


def transformer(key):
    return Transformer(1, 2, dim=1, width=8, heads=2, depth=1, key=key)


def gno(key):
    return GNO(1, 2, dim=1, radius=0.4, width=6, depth=1, key=key)


def gino(key):
    return GINO(1, 2, grid=(12,), radius=0.3, width=6, modes=3, depth=1, key=key)


MODELS = pytest.mark.parametrize("make", [transformer, gno, gino])


def gauss(n):
    """Gauss-Legendre points and weights on (0, 1)."""
    x, w = np.polynomial.legendre.leggauss(n)
    return jnp.asarray((x + 1) / 2)[:, None], jnp.asarray(w / 2)


def midpoints(n, stretch):
    """Midpoints of a grid squeezed towards 0 by x = s^stretch, with the widths of its cells."""
    edges = (np.arange(n + 1) / n) ** stretch
    return jnp.asarray((edges[1:] + edges[:-1]) / 2)[:, None], jnp.asarray(np.diff(edges))


def field(x):
    return jnp.sin(3 * x) + x**2


Y = jnp.array([[0.2], [0.55], [0.9]])


@MODELS
def test_uneven_points_give_the_same_operator(make, key):
    """Weighted: second order in the spacing. Without the weights the answer is another one."""
    f, params = jsci.pure(make(key))
    model = jax.jit(f)
    exact = model(params, field(gauss(80)[0]), *gauss(80), Y)

    def error(n, weighted=True):
        x, w = midpoints(n, 2)
        w = w if weighted else jnp.full(n, 1 / n)
        return jnp.max(jnp.abs(model(params, field(x), x, w, Y) - exact))

    assert 1.7 < jnp.log2(error(40) / error(80)) < 2.4
    assert error(80) < error(80, weighted=False) / 10


@MODELS
def test_a_point_split_in_two_changes_nothing(make, key):
    model = make(key)
    x, w = gauss(9)
    order = np.r_[0, 0, 1:9]
    split = w[order].at[:2].multiply(0.5)
    expected = model(field(x), x, w, Y)
    np.testing.assert_allclose(model(field(x[order]), x[order], split, Y), expected, atol=1e-12)


@MODELS
def test_order_of_the_points_does_not_matter(make, key):
    model = make(key)
    x, w = gauss(9)
    p = jax.random.permutation(key, 9)
    np.testing.assert_allclose(model(field(x)[p], x[p], w[p]), model(field(x), x, w)[p], atol=1e-12)


@MODELS
def test_batch_and_dtype(make, key):
    f, params = jsci.pure(make(key), dtype=jnp.float32)
    x, w = (v.astype(jnp.float32) for v in gauss(9))
    a = jax.random.normal(key, (3, 9, 1), jnp.float32)
    out = jax.jit(jax.vmap(f, (None, 0, None, None)))(params, a, x, w)
    assert out.shape == (3, 9, 2)
    assert out.dtype == jnp.float32
    one = jax.jit(f)
    np.testing.assert_allclose(out, jnp.stack([one(params, b, x, w) for b in a]), atol=1e-5)


def test_attention_with_equal_weights_is_the_ordinary_one(key):
    q, k, v = jax.random.normal(key, (3, 2, 5, 4))
    scores = jax.nn.softmax(jnp.einsum("hqd,hkd->hqk", q, k) / 2, -1)
    np.testing.assert_allclose(attention(q, k, v, jnp.full(5, 0.2)), scores @ v, atol=1e-14)


def test_attention_with_a_learned_normaliser(key):
    """A Fourier layer to few outputs and back, in place of the softmax of each row."""
    keys = jax.random.split(key, 3)
    q, k, v = jax.random.normal(keys[0], (3, 2, 5, 4))
    down = nn.KANLayer(5, 2, basis=nn.Fourier(3), key=keys[1])
    up = nn.Dense(2, 5, key=keys[2])
    weights = jnp.linspace(0.1, 0.3, 5)
    out = attention(q, k, v, weights, normaliser=lambda row: up(down(row)))
    row = q[1, 3] @ k[1].T / 2
    np.testing.assert_allclose(out[1, 3], (up(down(row)) * weights) @ v[1], atol=1e-13)
    exponential = attention(q, k, v, weights, normaliser=jnp.exp)
    norm = attention(q, k, jnp.ones_like(v), weights, normaliser=jnp.exp)
    np.testing.assert_allclose(exponential / norm, attention(q, k, v, weights), atol=1e-13)


def test_the_layer_of_nn_has_the_names_that_saved_files_have(key):
    paths, _ = jax.tree_util.tree_flatten_with_path(transformer(key))
    names = [jax.tree_util.keystr(path) for path, _ in paths]
    parts = ("query", "key_value", "out")
    for layer in (".blocks[0].attend", ".cross"):
        expected = [f"{layer}.{part}.{leaf}" for part in parts for leaf in ("weight", "bias")]
        assert [name for name in names if name.startswith(layer)] == expected
    assert jsci.operators.Attention is nn.Attention and attention is nn.attention


def test_gno_sees_no_further_than_its_balls(key):
    """Two integrals of radius 0.4: the input beyond 0.8 does not reach the output at 0."""
    model = GNO(1, 1, dim=1, radius=0.4, width=4, depth=1, key=key)
    x, w = gauss(20)
    y = jnp.zeros((1, 1))
    slope = jax.jit(jax.grad(lambda a: model(a, x, w, y)[0, 0]))(field(x))[:, 0]
    assert jnp.all(slope[x[:, 0] > 0.8] == 0)
    assert jnp.all(slope[x[:, 0] < 0.6] != 0)


def test_layers_compose_as_written(key):
    """The formulas in NumPy, with attention, ball integrals and the FNO taken as they are."""
    x, w = gauss(7)
    a = field(x)
    model = transformer(key)

    def norm(h):
        centred = h - h.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)

    def two(layers, h):
        return layers[1](jax.nn.gelu(layers[0](h), approximate=False))

    h = 100 * model.lift(jnp.concatenate([a, x], -1))  # so large that norms show
    big = eqx.tree_at(lambda m: m.lift, model, _scaled(model.lift, 100))
    block = model.blocks[0]
    h = h + block.attend(norm(h), norm(h), w)
    h = h + two(block.network, norm(h))
    u = two(model.project, model.cross(two(model.embed, x), norm(h), w))
    np.testing.assert_allclose(big(a, x, w), u, atol=1e-10)

    model, z = gino(key), jnp.arange(12.0)[:, None] / 12
    v = model.middle(model.gather(model.lift(jnp.concatenate([a, x], -1)), x, w, z))
    back = model.scatter(v, z, jnp.full(12, 1 / 12), x)  # ∫ 1 dz = 1
    u = two(model.project, jnp.concatenate([back, model.embed(x)], -1))
    np.testing.assert_allclose(model(a, x, w), u, atol=1e-12)


def _scaled(layer, factor):
    return jax.tree.map(lambda p: factor * p, layer)


X, W = jnp.linspace(0, 1, 6)[:, None], jnp.full(6, 1 / 6)


@MODELS
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((jnp.ones((6, 2)), X, W), r"\(points, 1\); got shape \(6, 2\)"),
        ((jnp.ones((6, 1)), X[:5], W), "needs the 6 points"),
        ((jnp.ones((6, 1)), X, W[:5]), "quadrature weights"),
        ((jnp.ones((6, 1)), X, W, jnp.ones((4, 2))), r"\(queries, 1\); got \(4, 2\)"),
    ],
)
def test_bad_input(make, key, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(key)(*arguments)


def test_bad_settings(key):
    with pytest.raises(ValueError, match="heads that divide width"):
        Transformer(1, 1, dim=1, width=8, heads=3, depth=1, key=key)
    with pytest.raises(ValueError, match="at least the spacing"):
        GINO(1, 1, grid=(8, 8), radius=0.1, width=4, modes=2, depth=1, key=key)
    with pytest.raises(ValueError, match="radius"):
        GNO(1, 1, dim=1, radius=0.0, width=4, depth=1, key=key)
