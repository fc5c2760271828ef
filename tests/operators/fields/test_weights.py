"""Quadrature weights of double precision leave fields in the precision that they have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import nn, operators

KEY = jax.random.key(0)
N = 30
W = jnp.full(N, 1 / N, jnp.float64)  # as `cell_weights` returns them
H = jax.random.normal(KEY, (N, 4), jnp.float32)
X = jax.random.uniform(KEY, (N, 2), jnp.float32)


def single(layer):
    return jax.tree.map(lambda a: a.astype(jnp.float32), layer)


CALLS = {
    "normalise": lambda: operators.normalise(H, W),
    "EvoNorm": lambda: nn.EvoNorm(4, dtype=jnp.float32)(H, W),
    "attention": lambda: nn.attention(H, H, H, W),
    "attention, by relu": lambda: nn.attention(H, H, H, W, normaliser=jax.nn.relu),
    "SliceAttention": lambda: single(operators.SliceAttention(4, heads=2, slices=3, key=KEY))(H, W),
    "BallIntegral": lambda: single(
        operators.BallIntegral(4, 2, dim=2, radius=0.3, width=4, key=KEY)
    )(H, X, W, X),
    "SpectralConv": lambda: single(operators.SpectralConv(4, 2, modes=(2, 2), key=KEY)).at_points(
        H, X, W
    ),
    "h1": lambda: operators.h1(H, H + 1, weights=W, lengths=np.float64(2.0)),
    "vrmse": lambda: operators.metrics.vrmse(H, H + 1, weights=W),
}


@pytest.mark.parametrize("name", CALLS)
def test_dtype_follows_the_field(name):
    assert CALLS[name]().dtype == jnp.float32
