"""Axes with equal entries are found, only where they are, and shorten the kernel's features."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.core._gram.dense import gram
from jaxsci.core._gram.structured.constant_axes import constant_axes
from jaxsci.core._gram.structured.features import linearise
from jaxsci.core._gram.structured.program import evaluate, trace


def spread(x, w):
    """Equal along positions, then mixed again in ways that keep it and ways that do not."""
    rows = jnp.broadcast_to(x[:, None], (3, 4, 2))  # equal along axis 1
    flat = (2.0 * rows - rows / 3).reshape(3, 4, 1, 2).transpose(1, 0, 2, 3)  # along axis 0
    merged = flat.reshape(12, 2)  # along none
    product = jnp.einsum("tnc,cd->tnd", flat[:, :, 0], w)  # along axis 0
    batched = jnp.einsum("tnc,tnd->tcd", flat[:, :, 0], product)  # along axis 0
    split = jnp.broadcast_to(x.sum(), (4, 6)).reshape(2, 2, 3, 2)  # along all
    both = product.sum(1)[:, None] + jnp.arange(3.0)[None, :, None]  # along axis 0
    return flat, merged, product, batched, split, both, (product * jnp.arange(4.0)[:, None, None])


def test_axes_with_equal_entries():
    x = jax.random.normal(jax.random.key(0), (3, 2))
    w = jax.random.normal(jax.random.key(1), (2, 5))
    program = trace(spread, x, w)
    constant: dict[Any, frozenset[int]] = {**constant_axes(program)}
    expected = [{0, 2}, set(), {0}, {0}, {0, 1, 2, 3}, {0}, set()]
    assert [set(constant[v]) for v in program.outputs] == expected
    for v, value in zip(program.outputs, evaluate(program, [x, w]), strict=True):
        for axis in constant[v]:
            first = value.take(jnp.array([0]), axis=axis)
            np.testing.assert_array_equal(value, jnp.broadcast_to(first, value.shape))


def test_an_empty_array_has_no_groups_of_axes():
    program = trace(lambda x: jnp.reshape(x, (3, 0)), jnp.zeros((0, 3)))
    (empty,) = program.outputs
    assert isinstance(empty, int) and constant_axes(program)[empty] == frozenset()


def pooled(p, x):
    """The weights below the mean see one cotangent for all positions."""
    return jnp.tanh(jnp.tanh(x @ p["w"]) @ p["v"]).mean(0) @ p["h"] + (x @ p["s"]).mean(0)


def repeated(p, x):
    """One activation for all positions, told apart afterwards."""
    tokens = jnp.broadcast_to(x[0], x.shape) @ p["s"]
    return jnp.tanh(tokens * jnp.arange(1.0, 6.0)[:, None]).sum(0)


@pytest.mark.parametrize("f", [pooled, repeated])
def test_one_position_for_equal_cotangents_or_activations(f):
    keys = jax.random.split(jax.random.key(0), 5)
    shapes = {"h": (4, 2), "s": (3, 2), "v": (3, 4), "w": (3, 3)}
    params = {n: jax.random.normal(k, s) for k, (n, s) in zip(keys, shapes.items(), strict=False)}
    x = jax.random.normal(keys[-1], (3, 5, 3))
    kernel = gram(f, params, x, implementation="structured")
    naive = gram(f, params, x, implementation="jacobian")
    np.testing.assert_allclose(kernel, naive, rtol=0, atol=1e-12 * float(naive.max()))

    def arranged(p, z):
        return f(p, z)[None, None]

    (features,) = linearise([arranged], params, [x[0]], [(3, 3)], "structured")
    _, factors = features(x[0])
    positions = {k.split(":")[0]: s["right"].left.shape[1] for k, s in factors.items()}
    assert positions["leaf1"] == 1
    assert f is repeated or positions["leaf3"] == 5
