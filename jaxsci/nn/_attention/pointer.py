"""Pointers: distributions over the points of the input."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from .._dense import check_sizes
from .._pointwise import Pointwise
from .mask import Mask, allowed_points


def pointer_logits(
    query: Float[Array, "queries width"],
    key: Float[Array, "points width"],
    vector: Float[Array, " width"],
    *,
    mask: Mask | None = None,
) -> Float[Array, "queries points"]:
    """Logits of a distribution over the points, for each query.

        l_ij = vᵀ tanh(q_i + k_j)

    **Arguments:**

    - `query`, `key`: features of the queries `(queries, width)` and of the points
        `(points, width)`.
    - `vector`: v, `(width,)`.
    - `mask`: True where a query may point, `(points,)` or `(queries, points)`.

    **Returns:** the logits `(queries, points)`, -∞ where masked.

    **Raises:** `ValueError` for shapes that do not fit or a mask that leaves a query no point;
    `TypeError` for a mask that is not of booleans.

    **Notes:** under jit, a query without a point has -∞ everywhere, of which a softmax is NaN.

    **Source:** Vinyals, Fortunato and Jaitly, "Pointer Networks" (2015), equation 3.

    ```python
    points = jax.random.normal(key, (6, 4))
    logits = jsci.nn.pointer_logits(points[:1], points, jnp.ones(4), mask=jnp.arange(6) > 0)
    ```
    """
    shapes = query.shape[-1:], key.shape[-1:], vector.shape
    if not query.ndim == key.ndim == 2 or len(set(shapes)) > 1 or not len(key):
        raise ValueError(
            "pointer_logits takes queries (queries, width), keys (points, width) and a vector "
            f"(width,); got {query.shape}, {key.shape} and {vector.shape}."
        )
    logits = jnp.tanh(query[:, None] + key[None]) @ vector
    allowed = allowed_points(mask, logits.shape, "pointer_logits")
    return logits if allowed is None else jnp.where(allowed, logits, -jnp.inf)


class Pointer(eqx.Module):
    """`pointer_logits` of queries and points that learned matrices make comparable.

        l_ij = vᵀ tanh(W₁ e_j + W₂ d_i + b)

    **Arguments:**

    - `query_size`, `point_size`: numbers of features of a query d and of a point e.
    - `width`: number of entries of v.
    - `key`: PRNG key of the parameters.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called as `pointer(query, points, mask=None)`, with `(queries, query_size)` and
    `(points, point_size)`; returns the logits `(queries, points)` of `pointer_logits`.

    **Raises:** `ValueError` for sizes that are not positive, or inputs that do not fit.

    **Notes:** the number of points is not part of the layer, so that it points into longer inputs
    than it was trained with.

    **Source:** as `pointer_logits`.

    ```python
    pointer = jsci.nn.Pointer(2, 3, width=16, key=key)
    logits = pointer(jnp.ones((1, 2)), jnp.ones((5, 3)))  # (1, 5)
    ```
    """

    query: Pointwise
    point: Pointwise
    vector: Float[Array, " width"]

    def __init__(
        self,
        query_size: int,
        point_size: int,
        *,
        width: int,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        check_sizes(query_size=query_size, point_size=point_size, width=width)
        keys = jax.random.split(key, 3)
        self.query = Pointwise(query_size, width, bias=False, key=keys[0], dtype=dtype)
        self.point = Pointwise(point_size, width, key=keys[1], dtype=dtype)
        dtype = self.query.weight.dtype
        self.vector = jax.random.normal(keys[2], (width,), dtype) / width**0.5

    def __call__(
        self,
        query: Float[Array, "queries query_size"],
        points: Float[Array, "points point_size"],
        mask: Mask | None = None,
    ) -> Float[Array, "queries points"]:
        sizes = len(self.query.weight), len(self.point.weight)
        if not query.ndim == points.ndim == 2 or (query.shape[1], points.shape[1]) != sizes:
            raise ValueError(
                f"Pointer takes queries (queries, {sizes[0]}) and points (points, {sizes[1]}); got "
                f"{query.shape} and {points.shape}. Batch with jax.vmap."
            )
        return pointer_logits(self.query(query), self.point(points), self.vector, mask=mask)
