"""Maps of the channels of a field `(*grid, channels)`, the same at every point."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .products import carry_batch

POINTS_WORTH_A_PRODUCT = 64


def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The exact GELU, x Φ(x) = x (1 + erf(x/√2)) / 2.

    The erf form: `jax.nn.gelu(approximate=False)` uses erfc, the same function at several times
    the cost on a CPU.
    """
    return 0.5 * x * (1 + jax.lax.erf(x * np.sqrt(0.5).astype(x.dtype)))


class Pointwise(eqx.Module):
    """The same affine map at every point: b(x) = a(x) W + c.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `bias`: whether to add c.
    - `key`: PRNG key of the weights, uniform in ±1/√in_channels.

    Called with a field `(*grid, in_channels)`; returns `(*grid, out_channels)`.
    """

    weight: Float[Array, "in_channels out_channels"]
    bias: Float[Array, " out_channels"] | None

    def __init__(
        self, in_channels: int, out_channels: int, *, bias: bool = True, key: PRNGKeyArray
    ):
        bound = 1 / math.sqrt(in_channels)
        keys = jax.random.split(key)
        self.weight = jax.random.uniform(
            keys[0], (in_channels, out_channels), minval=-bound, maxval=bound
        )
        self.bias = (
            jax.random.uniform(keys[1], (out_channels,), minval=-bound, maxval=bound)
            if bias
            else None
        )

    def __call__(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        if a.ndim == 1:  # as a vector, of which a batch is one matrix
            b = a @ self.weight
            return b if self.bias is None else b + self.bias
        points = a.reshape(-1, a.shape[-1])
        # With few points per sample, one product over the whole batch is faster.
        many = points.shape[0] >= POINTS_WORTH_A_PRODUCT
        b = points @ (carry_batch(self.weight, a) if many else self.weight)
        b = b.reshape(*a.shape[:-1], -1)
        return b if self.bias is None else b + self.bias.reshape((1,) * (b.ndim - 1) + (-1,))


def pointwise_mlp(sizes: Sequence[int], keys: Iterator[PRNGKeyArray]) -> list[Pointwise]:
    """The layers of a network of the channels, for `apply_mlp`.

    **Arguments:**

    - `sizes`: channels of the input, of each hidden layer and of the output.
    - `keys`: PRNG keys; each layer takes the next one.

    **Returns:** the layers in a list, since files name a network's arrays by their place in it.
    """
    return [Pointwise(m, n, key=next(keys)) for m, n in pairwise(sizes)]


def apply_mlp(
    layers: Sequence[Pointwise],
    a: Float[Array, "*grid in_channels"],
    activation: Callable[[Array], Array] = gelu,
) -> Float[Array, "*grid out_channels"]:
    """b(x) = Wₙ σ(… σ(W₁ a(x) + c₁) …) + cₙ at every point.

    **Arguments:**

    - `layers`: of `pointwise_mlp`.
    - `a`: the field `(*grid, in_channels)`.
    - `activation`: σ, absent after the last layer.

    **Returns:** the field `(*grid, out_channels)`.
    """
    for layer in layers[:-1]:
        a = activation(layer(a))
    return layers[-1](a)
