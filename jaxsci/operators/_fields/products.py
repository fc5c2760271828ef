"""Matrix products on fields `(*grid, channels)`, in a form that XLA batches without transposes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped


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


def along_axis(
    matrix: Float[np.ndarray, "rows n"], a: Float[Array, "..."], axis: int
) -> Float[Array, "..."]:
    """Multiply one axis of `a` by a constant matrix: bᵢⱼₗ = Σₙ Mⱼₙ aᵢₙₗ."""
    before, after = a.shape[:axis], a.shape[axis + 1 :]
    rows, n = matrix.shape
    m = carry_batch(jnp.asarray(matrix, a.dtype), a)
    if math.prod(after) == 1:
        product = a.reshape(-1, n) @ m.T
    else:
        blocks = a.reshape(math.prod(before), n, -1)
        product = jnp.broadcast_to(m, (blocks.shape[0], rows, n)) @ blocks
    return product.reshape(*before, rows, *after)
