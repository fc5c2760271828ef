"""One affine map of the channels of every point, batched as a CPU likes it."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

POINTS_WORTH_A_PRODUCT = 64


def carry_batch(w: Shaped[Array, "..."], a: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """`w` itself, but batched wherever `vmap` batches `a`.

    Under `vmap`, a product of an unbatched with a batched matrix makes the batch a free axis of one
    large product, for which XLA transposes the field; and the weight gradient becomes one
    contraction over every point of every sample, which a CPU computes at a fraction of its speed.
    With both operands batched, each sample is a matrix product of its own, and the weight gradient
    is their sum. The zero added here is an empty sum: it costs nothing and propagates no NaN.
    """
    empty = jax.lax.stop_gradient(a).reshape(-1)[:0]
    return w + jnp.sum(empty).astype(w.dtype)


class Pointwise(eqx.Module):
    """The same affine map at every point: b(x) = a(x) W + c.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `bias`: whether to add c.
    - `key`: PRNG key of the weights, uniform in ±1/√in_channels.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with a field `(*grid, in_channels)`; returns `(*grid, out_channels)`.
    """

    weight: Float[Array, "in_channels out_channels"]
    bias: Float[Array, " out_channels"] | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bias: bool = True,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        dtype = jnp.dtype(dtype or jnp.result_type(float))
        bound = 1 / math.sqrt(in_channels)
        keys = jax.random.split(key)

        def uniform(key: PRNGKeyArray, *shape: int) -> Array:
            return jax.random.uniform(key, shape, dtype, minval=-bound, maxval=bound)

        self.weight = uniform(keys[0], in_channels, out_channels)
        self.bias = uniform(keys[1], out_channels) if bias else None

    def __call__(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        if a.ndim == 1:  # as a vector, of which a batch is one matrix
            b = a @ self.weight
            return b if self.bias is None else b + self.bias
        points = a.reshape(-1, a.shape[-1])
        # With few points per sample, one product over the whole batch is faster.
        many = points.shape[0] >= POINTS_WORTH_A_PRODUCT
        b = points @ (carry_batch(self.weight, a) if many else self.weight)
        b = b.reshape(*a.shape[:-1], self.weight.shape[1])  # a size of -1 would need a point
        return b if self.bias is None else b + self.bias.reshape((1,) * (b.ndim - 1) + (-1,))
