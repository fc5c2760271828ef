"""Lists of neighbours give the integrals over all pairs, without forming all pairs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.operators import GINO, GNO, BallIntegral
from jaxsci.operators._fields.neighbours import neighbours
from jaxsci.operators._layers import ball_integral as module

RNG = np.random.default_rng(0)
X, Y = jnp.asarray(RNG.random((40, 2))), jnp.asarray(RNG.random((7, 2)))
W = jnp.asarray(RNG.random(40)) / 40
A = jnp.sin(5 * X[:, :1])


def gno(key):
    return GNO(1, 1, dim=2, radius=0.3, width=4, depth=1, key=key)


def gino(key):
    return GINO(1, 1, grid=(6, 5), radius=0.35, width=4, modes=1, depth=1, key=key)


MODELS = pytest.mark.parametrize("make", [gno, gino])


@MODELS
@pytest.mark.parametrize("pairs", [2**18, 50], ids=["at once", "in blocks"])
def test_lists_give_all_pairs_and_their_derivatives(key, make, pairs, monkeypatch):
    monkeypatch.setattr(module, "_PAIRS", pairs)
    model = make(key)
    near = model.neighbours(X, Y)

    @eqx.filter_jit
    def gradients(model, a, x, w, near):
        loss = lambda model, a, x, w: jnp.sum(model(a, x, w, Y, near) ** 2)  # noqa: E731
        return jax.value_and_grad(loss, argnums=(0, 1, 2, 3))(model, a, x, w)

    dense, listed = (gradients(model, A, X, W, lists) for lists in (None, near))
    for p, q in zip(jax.tree.leaves(dense), jax.tree.leaves(listed), strict=True):
        np.testing.assert_allclose(q, p, rtol=1e-12, atol=1e-15)


def test_lists_hold_the_balls_and_nothing_else(key):
    near = gno(key).neighbours(X, Y)[1]
    distance = np.linalg.norm(np.asarray(Y)[:, None] - np.asarray(X), axis=-1)
    for row, index, real in zip(distance, near.index, near.real, strict=True):
        assert set(np.asarray(index)[np.asarray(real)].tolist()) == set(np.nonzero(row < 0.3)[0])


@MODELS
def test_geometries_of_a_batch(key, make):
    """Lists of as many places are stacked, and each sample has its own."""
    f, params = jsci.pure(make(key))
    xs = jnp.stack([X, 0.5 * X])
    near = [make(key).neighbours(x, places=40) for x in xs]
    stacked = jax.tree.map(lambda *v: jnp.stack(v), *near)
    out = jax.jit(jax.vmap(lambda x, near: f(params, A, x, W, x, near)))(xs, stacked)
    np.testing.assert_allclose(out, [f(params, A, x, W) for x in xs], atol=1e-12)


def test_moved_points_are_refused_or_flagged(key):
    model, near = gno(key), gno(key).neighbours(X, Y)
    moved = X.at[3, 0].add(0.01)
    with pytest.raises(ValueError, match="the points x are not those"):
        model(A, moved, W, Y, near)
    with pytest.raises(ValueError, match="the points y are not those"):
        model(A, X, W, Y + 0.1, near)
    with pytest.raises(ValueError, match="within 0.3; these are"):
        model(A[:30], X[:30], W[:30], Y, near)
    other = GNO(1, 1, dim=2, radius=0.2, width=4, depth=1, key=key)
    with pytest.raises(ValueError, match="within 0.2"):
        other(A, X, W, Y, near)
    f = jax.jit(lambda x: model(A, x, W, Y, near))
    assert jnp.all(jnp.isnan(f(moved))) and jnp.all(jnp.isfinite(f(X)))


def test_bad_input(key):
    layer = BallIntegral(1, 1, dim=2, radius=0.3, width=4, key=key)
    with pytest.raises(ValueError, match="holds .* points"):
        layer.neighbours(X, places=2)
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda x: layer.neighbours(x))(X)
    with pytest.raises(ValueError, match="2 entries of which are not finite"):
        layer.neighbours(X.at[3].set(jnp.nan))
    with pytest.raises(ValueError, match="differ in dimension"):
        layer.neighbours(X, Y[:, :1])


def test_empty_balls(key):
    layer = BallIntegral(1, 2, dim=2, radius=0.1, width=4, key=key)
    far = jnp.array([[5.0, 5.0]])
    np.testing.assert_array_equal(layer(A, X, W, far, layer.neighbours(X, far)), 0)


def test_many_pairs_warn(key):
    layer = BallIntegral(1, 1, dim=2, radius=0.1, width=4, key=key)
    many = jax.ShapeDtypeStruct((5000, 2), X.dtype)
    field, weights = (jax.ShapeDtypeStruct(s, X.dtype) for s in ((5000, 1), (5000,)))
    with pytest.warns(UserWarning, match=r"2.5e\+07 pairs"):
        jax.eval_shape(layer, field, many, weights, many)


@pytest.mark.parametrize(("dim", "radius", "n"), [(1, 0.05, 400), (2, 0.2, 60), (3, 0.4, 20)])
def test_integrals_start_at_the_size_of_the_field(key, dim, radius, n):
    """∫ φ W 1 dx over a ball is W's initial draw, within ±1, whatever radius and dimension."""
    axis = (np.arange(n) + 0.5) / n - 0.5
    x = np.stack(np.meshgrid(*[axis] * dim), -1).reshape(-1, dim)
    layer = BallIntegral(1, 1, dim=dim, radius=radius, width=2, key=key)
    window = np.maximum(1 - (x**2).sum(1) / radius**2, 0) ** 2
    drawn = jax.random.uniform(jax.random.split(jax.random.split(key, 4)[3])[0], (1, 1))
    np.testing.assert_allclose(window.mean() * layer.mix.weight, 2 * drawn - 1, rtol=2e-3)


@pytest.mark.parametrize("radius", [np.nan, np.inf])
def test_a_radius_is_a_number(key, radius):
    """An infinite one gave a layer of zeros."""
    with pytest.raises(ValueError, match="radius"):
        BallIntegral(1, 1, dim=2, radius=radius, width=2, key=key)
    with pytest.raises(ValueError, match="radius"):
        GNO(1, 1, dim=2, radius=radius, width=2, depth=1, key=key)
    with pytest.raises(ValueError, match="radius"):
        GINO(1, 1, grid=(4, 4), radius=radius, width=2, modes=1, depth=1, key=key)


def test_one_weight_or_value_is_not_that_of_all_points(key):
    """They were broadcast, and so was one coordinate of x."""
    layer = BallIntegral(1, 1, dim=2, radius=0.3, width=2, key=key)
    for arguments in ((A, X, W[:1], X), (A[:1], X, W, X), (A, X[:, :1], W, X)):
        with pytest.raises(ValueError, match="BallIntegral"):
            layer(*arguments)


def test_without_points_there_is_no_neighbour(key):
    layer = BallIntegral(1, 1, dim=2, radius=0.3, width=2, key=key)
    with pytest.raises(ValueError, match="no point x"):
        layer.neighbours(X[:0], Y)


def test_points_are_floats():
    """Of integers, all points of a GINO's grid were its first."""
    with pytest.raises(TypeError, match="floats, got int"):
        neighbours(np.arange(6).reshape(3, 2), Y, 0.3, None, "GNO")
