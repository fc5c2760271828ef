"""Attention with several heads, as a layer."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from .._pointwise import Pointwise
from .attention import Normaliser, attention
from .mask import Mask


class Attention(eqx.Module):
    """Multi-head `attention` from queries to the points of a set, a sequence or a field.

        b = W_o [attention(W_q t, W_k s, W_v s)]_heads

    **Arguments:**

    - `width`: channels of the queries, of the points and of the output, a multiple of `heads`.
    - `heads`: number of independent averages.
    - `normaliser`: of the scores, as in `attention`; its parameters are trained with the layer and
        shared by the heads.
    - `key`: PRNG key of the parameters, uniform in ±1/√width.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called as `layer(target, source, weights=None, mask=None)`: queries `(queries, width)`,
    points `(points, width)`, and the quadrature weights and the mask of `attention`, the same for
    all heads. Returns `(queries, width)`. Self-attention has the same target and source.

    **Raises:** `ValueError` if `heads` does not divide `width`, or for inputs that do not fit.

    **Notes:** the order of the points does not matter, except to a normaliser that knows it.

    **Source:** Vaswani et al., "Attention is all you need" (2017), section 3.2.2.

    ```python
    layer = jsci.nn.Attention(8, heads=2, key=jax.random.key(0))
    b = layer(jnp.ones((5, 8)), jnp.ones((50, 8)), jnp.full(50, 1 / 50))  # (5, 8)
    ```
    """

    query: Pointwise
    key_value: Pointwise
    out: Pointwise
    normaliser: Normaliser
    heads: int = eqx.field(static=True)

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        normaliser: Normaliser = "softmax",
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        if heads < 1 or width < 1 or width % heads:
            raise ValueError(f"Attention needs heads that divide width, got {heads} and {width}.")
        keys = jax.random.split(key, 3)
        self.heads = heads
        self.query = Pointwise(width, width, key=keys[0], dtype=dtype)
        self.key_value = Pointwise(width, 2 * width, key=keys[1], dtype=dtype)
        self.out = Pointwise(width, width, key=keys[2], dtype=dtype)
        # None is no leaf: a layer with the softmax is a tree of arrays alone.
        self.normaliser = None if normaliser == "softmax" else normaliser

    def __call__(
        self,
        target: Float[Array, "queries width"],
        source: Float[Array, "points width"],
        weights: Float[Array, " points"] | None = None,
        mask: Mask | None = None,
    ) -> Float[Array, "queries width"]:
        width = len(self.query.weight)
        if not target.ndim == source.ndim == 2 or {target.shape[1], source.shape[1]} != {width}:
            raise ValueError(
                f"Attention takes queries (queries, {width}) and points (points, {width}); got "
                f"{target.shape} and {source.shape}. Batch with jax.vmap."
            )

        def by_head(x: Array) -> Array:
            return x.reshape(len(x), self.heads, width // self.heads).swapaxes(0, 1)

        k, v = jnp.split(self.key_value(source), 2, axis=-1)
        mean = attention(
            by_head(self.query(target)),
            by_head(k),
            by_head(v),
            weights,
            mask=mask,
            normaliser=self.normaliser,
        )
        return self.out(mean.swapaxes(0, 1).reshape(target.shape))
