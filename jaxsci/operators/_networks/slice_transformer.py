"""A Transformer whose points attend to each other through slices, on large meshes."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.points import check_points
from .._fields.pointwise import Pointwise, apply_mlp, pointwise_mlp
from .._layers.film import FiLM, check_conditions, films
from .._layers.slice_attention import SliceAttention
from .transformer import Block, layer_norm, through_blocks


class SliceTransformer(eqx.Module):
    """Operator Transformer of linear cost: points attend to each other through learned slices.

        h ← P[a(x), x];   h ← h + A(h),  h ← h + N(h)   (`depth` times);   u(x) = Q h(x)

    A is `SliceAttention` with quadrature weights: global range in time and memory that grow as the
    number of points times that of slices, on any grid, mesh or scattered points. The output is
    local in h, so that sharp coefficients stay sharp.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `dim`: dimension of the points.
    - `width`, `heads`, `depth`: hidden channels, attention heads (a divisor of `width`) and number
        of blocks. Good values: 32 to 64, 4, 4.
    - `slices`: of each head. Good value: 32.
    - `conditions`: number of scalars, such as a time or a viscosity, on which the operator depends
        by `FiLM` after the norms of each block.
    - `key`: PRNG key of the weights.

    Called as `model(a, x, weights, c=None)`, with conditions c `(conditions,)`: one field
    `(points, in_channels)` at `x: (points, dim)` with quadrature `weights: (points,)`. Returns
    `(points, out_channels)`. For answers at further points, append these with their input and
    weight zero.

    **Raises:** `ValueError` for fields, points or weights that do not fit together.

    **Source:** Wu et al., "Transolver: A Fast Transformer Solver for PDEs on General Geometries",
    ICML 2024, section 3.3.

    ```python
    model = jsci.operators.SliceTransformer(
        1, 1, dim=2, width=16, heads=2, slices=8, depth=2, key=key
    )
    u = model(a, x, weights)  # a: (n, 1), x: (n, 2), weights: (n,)
    ```
    """

    lift: list[Pointwise]
    blocks: list[Block]
    project: list[Pointwise]
    films: list[FiLM]
    in_channels: int = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dim: int,
        width: int,
        heads: int,
        slices: int,
        depth: int,
        conditions: int = 0,
        key: PRNGKeyArray,
    ):
        if min(in_channels, out_channels, dim, width, depth) < 1:
            raise ValueError(
                "SliceTransformer needs in_channels, out_channels, dim, width and depth >= 1; got "
                f"{in_channels}, {out_channels}, {dim}, {width} and {depth}."
            )
        self.in_channels, self.dim = in_channels, dim
        keys = iter(jax.random.split(key, 3 * depth + 4))
        self.lift = pointwise_mlp([in_channels + dim, 2 * width, width], keys)
        self.blocks = [
            Block(
                attend=SliceAttention(width, heads=heads, slices=slices, key=next(keys)),
                network=pointwise_mlp([width, 2 * width, width], keys),
            )
            for _ in range(depth)
        ]
        self.project = pointwise_mlp([width, width, out_channels], keys)
        self.films = films([width] * (2 * depth), conditions, key, "SliceTransformer")

    def __call__(
        self,
        a: Float[Array, "points in_channels"],
        x: Float[Array, "..."],
        weights: Float[Array, "..."],
        c: Float[Array, "..."] | None = None,
    ) -> Float[Array, "points out_channels"]:
        check_points(a, x, weights, None, self.in_channels, self.dim, "SliceTransformer")
        check_conditions(self.films, c, "SliceTransformer")
        h = apply_mlp(self.lift, jnp.concatenate([a, x], -1))
        h = through_blocks(self.blocks, self.films, h, c, lambda among, n: among(n, weights))
        return apply_mlp(self.project, layer_norm(h))
