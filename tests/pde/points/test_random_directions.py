"""Random directions against the exact Laplacian."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import pde

DIM = 4


def u(x):
    return jnp.sin(x @ jnp.arange(1.0, DIM + 1)) + jnp.sum(x**4)


def _estimates(kind, count, n=400):
    x = jnp.linspace(0.1, 0.7, DIM)
    keys = jax.random.split(jax.random.key(0), n)
    draw = jax.vmap(lambda k: pde.random_directions(k, count, DIM, kind=kind))
    value = jax.jit(jax.vmap(lambda v: jsci.laplacian(u, directions=v)(x)))(draw(keys))
    return np.asarray(value), float(jsci.laplacian(u)(x)), np.asarray(jax.hessian(u)(x))


def test_axes_have_the_mean_and_variance_of_drawing_without_repetition():
    values, exact, h = _estimates("axes", 2)
    pairs = [DIM / 2 * sum(p) for p in itertools.combinations(np.diag(h), 2)]
    np.testing.assert_allclose(np.mean(pairs), exact)
    # Each estimate is one of the pairs, all equally likely.
    assert np.abs(values[:, None] - np.array(pairs)).min(axis=1).max() < 1e-10
    assert abs(values.mean() - exact) < 4 * np.std(pairs) / np.sqrt(len(values))
    all_axes = _estimates("axes", DIM, n=2)[0]
    np.testing.assert_allclose(all_axes, exact, rtol=1e-12)


def test_signs_have_the_variance_of_hutchinson():
    """Var = 2 Σ_{i≠j} Hᵢⱼ² / k."""
    values, exact, h = _estimates("signs", 3, n=2000)
    variance = 2 * np.sum((h - np.diag(np.diag(h))) ** 2) / 3
    assert abs(values.mean() - exact) < 4 * np.sqrt(variance / len(values))
    np.testing.assert_allclose(values.var(), variance, rtol=0.2)


def test_each_point_has_directions_of_its_own():
    box = pde.Box((0.0,) * DIM, (1.0,) * DIM)
    x, v = pde.with_directions(box, 5, 2)(jax.random.key(1))
    assert x.shape == (5, DIM) and v.shape == (5, 2, DIM)
    assert jnp.unique(v, axis=0).shape[0] > 1
    r = jax.vmap(lambda x, v: jsci.laplacian(lambda y: jnp.sum(y**2), directions=v)(x))(x, v)
    np.testing.assert_allclose(r, 2 * DIM, rtol=1e-12)


def test_bad_input():
    key = jax.random.key(0)
    with pytest.raises(ValueError, match='kind must be "axes" or "signs"'):
        pde.random_directions(key, 1, 2, kind="normal")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="count <= dim for axes, got count = 3"):
        pde.random_directions(key, 3, 2)
    with pytest.raises(ValueError, match="directions must have shape"):
        jsci.laplacian(u, directions=jnp.ones((1, 2)))(jnp.ones(DIM))
