"""Attention among a few averages of a field, in place of all pairs of points."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ...nn import attention
from .._fields.fields import check_field
from .._fields.pointwise import Pointwise


class SliceAttention(eqx.Module):
    """Attention among learned slices of a field, at a cost that is linear in its points.

        s(x) = softmax S h(x),   z_m = ∫ s_m(x) V h(x) dx / ∫ s_m(x) dx,   z' = attention(z),
        u(x) = O Σ_m s_m(x) z'_m

    for each head. The slices are a partition of unity that the features decide, and their averages
    z_m are quadrature sums: the layer maps functions, whatever points carry them.

    **Arguments:**

    - `width`: channels of the field and of the output, a multiple of `heads`.
    - `heads`: number of independent attentions, each with slices of its own.
    - `slices`: number of slices. Good value: 32.
    - `key`: PRNG key of the weights.

    Called as `layer(h, weights)`: a field `(points, width)` and quadrature weights `(points,)`.
    Returns `(points, width)`. A point of weight zero is answered but not seen.

    **Raises:** `ValueError` if `heads` does not divide `width`, or a size is not positive, and for
    fields or weights of another shape.

    **Source:** Wu et al., "Transolver: A Fast Transformer Solver for PDEs on General Geometries",
    ICML 2024, section 3.2, with integrals in place of sums over the points.

    ```python
    layer = jsci.operators.SliceAttention(8, heads=2, slices=4, key=key)
    b = layer(jnp.ones((50, 8)), jnp.full(50, 1 / 50))  # (50, 8)
    ```
    """

    slice: Pointwise
    value: Pointwise
    tokens: Pointwise
    out: Pointwise
    heads: int = eqx.field(static=True)

    def __init__(self, width: int, *, heads: int, slices: int, key: PRNGKeyArray):
        if min(width, heads, slices) < 1 or width % heads:
            raise ValueError(
                "SliceAttention needs heads that divide width, and slices >= 1; got "
                f"{heads}, {width} and {slices}."
            )
        keys = jax.random.split(key, 4)
        self.heads = heads
        self.slice = Pointwise(width, heads * slices, key=keys[0])
        self.value = Pointwise(width, width, key=keys[1])
        self.tokens = Pointwise(width // heads, 3 * (width // heads), key=keys[2])
        self.out = Pointwise(width, width, key=keys[3])

    def __call__(
        self, h: Float[Array, "points width"], weights: Float[Array, "..."]
    ) -> Float[Array, "points width"]:
        width = len(self.slice.weight)
        check_field(h, width, 1, "SliceAttention")
        if weights.shape != h.shape[:1]:
            raise ValueError(
                f"SliceAttention takes a field (points, {width}) and one weight for each point; "
                f"got shapes {h.shape} and {weights.shape}."
            )

        def by_head(v):
            return v.reshape(len(v), self.heads, -1).swapaxes(0, 1)

        share = jax.nn.softmax(by_head(self.slice(h)), -1)  # (heads, points, slices)
        # As shares of the domain, so that its size does not matter.
        seen = share * (weights / jnp.sum(weights)).astype(h.dtype)[None, :, None]
        size = jnp.sum(seen, 1)[..., None]  # (heads, slices, 1)
        averages = jnp.einsum("hps,hpc->hsc", seen, by_head(self.value(h))) / (size + 1e-6)
        q, k, v = jnp.split(self.tokens(averages), 3, -1)
        mixed = attention(q, k, v)
        b = jnp.einsum("hps,hsc->hpc", share, mixed)
        return self.out(b.swapaxes(0, 1).reshape(h.shape))
