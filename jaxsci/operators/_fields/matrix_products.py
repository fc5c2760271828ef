"""Matrix products on fields `(*grid, channels)`, in a form that XLA batches without transposes."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...nn._pointwise import carry_batch


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
