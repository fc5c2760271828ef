"""An operator Transformer: attention between points, evaluated anywhere."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ...nn import Attention
from .._fields.points import check_points
from .._fields.pointwise import Pointwise, apply_mlp, pointwise_mlp
from .._layers.film import FiLM, check_conditions, films, modulated
from .._layers.slice_attention import SliceAttention


class Block(eqx.Module):
    """h + attention(norm h), then + network(norm h), both at every point."""

    attend: Attention | SliceAttention
    network: list[Pointwise]


def through_blocks(
    blocks: Sequence[Block],
    films: Sequence[FiLM],
    h: Float[Array, "points width"],
    c: Float[Array, "..."] | None,
    attend: Callable[[Any, Float[Array, "points width"]], Float[Array, "points width"]],
) -> Float[Array, "points width"]:
    """h after all blocks, of which `attend(block.attend, n)` is the attention among points."""
    for i, block in enumerate(blocks):
        n = modulated(films, 2 * i, layer_norm(h), c)
        h = h + attend(block.attend, n)
        n = modulated(films, 2 * i + 1, layer_norm(h), c)
        h = h + apply_mlp(block.network, n)
    return h


class Transformer(eqx.Module):
    """Operator Transformer: self-attention among the input's points, cross-attention to any others.

        h ← P[a(x), x];   h ← h + A(h, h),  h ← h + N(h)   (`depth` times)
        u(y) = Q [A(E(y), h)]

    A is `Attention` with quadrature weights, so the network maps functions: the same parameters
    serve any grid or scattered points. The cost is quadratic in the number of points.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `dim`: dimension of the points.
    - `width`, `heads`, `depth`: hidden channels, attention heads (a divisor of `width`) and
        number of self-attention blocks. Good values: 32 to 64, 4, 2 to 4.
    - `conditions`: number of scalars, such as a time or a viscosity, on which the operator depends
        by `FiLM` after the norms of each block.
    - `key`: PRNG key of the weights.

    Called as `model(a, x, weights, y=None, c=None)`, with conditions c `(conditions,)`: one field
    `(points, in_channels)` at `x: (points, dim)` with quadrature `weights: (points,)`; output at
    `y: (queries, dim)`, by default at x. Returns `(queries, out_channels)`.

    **Raises:** `ValueError` for fields, points or weights that do not fit together.

    **Source:** Li, Meidani and Farimani, "Transformer for PDEs' Operator Learning" (OFormer), TMLR
    2023, section 3, with softmax attention as an integral.

    ```python
    model = jsci.operators.Transformer(1, 1, dim=2, width=32, heads=4, depth=2, key=key)
    u = model(a, x, weights, x[:5])  # a: (n, 1), x: (n, 2), weights: (n,), u: (5, 1)
    ```
    """

    lift: Pointwise
    blocks: list[Block]
    embed: list[Pointwise]
    cross: Attention
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
        depth: int,
        conditions: int = 0,
        key: PRNGKeyArray,
    ):
        if min(in_channels, out_channels, dim, width, depth) < 1:
            raise ValueError(
                "Transformer needs in_channels, out_channels, dim, width and depth >= 1; got "
                f"{in_channels}, {out_channels}, {dim}, {width} and {depth}."
            )
        self.in_channels, self.dim = in_channels, dim
        keys = iter(jax.random.split(key, 3 * depth + 6))
        self.lift = Pointwise(in_channels + dim, width, key=next(keys))
        self.blocks = [
            Block(
                attend=Attention(width, heads=heads, key=next(keys)),
                network=pointwise_mlp([width, 2 * width, width], keys),
            )
            for _ in range(depth)
        ]
        self.embed = pointwise_mlp([dim, width, width], keys)
        self.cross = Attention(width, heads=heads, key=next(keys))
        self.project = pointwise_mlp([width, 2 * width, out_channels], keys)
        self.films = films([width] * (2 * depth), conditions, key, "Transformer")

    def __call__(
        self,
        a: Float[Array, "points in_channels"],
        x: Float[Array, "..."],
        weights: Float[Array, "..."],
        y: Float[Array, "..."] | None = None,
        c: Float[Array, "..."] | None = None,
    ) -> Float[Array, "queries out_channels"]:
        y = check_points(a, x, weights, y, self.in_channels, self.dim, "Transformer")
        check_conditions(self.films, c, "Transformer")
        h = self.lift(jnp.concatenate([a, x], -1))
        h = through_blocks(self.blocks, self.films, h, c, lambda among, n: among(n, n, weights))
        return apply_mlp(self.project, self.cross(apply_mlp(self.embed, y), layer_norm(h), weights))


def layer_norm(h):
    """Layer norm over the channels of each point, independent of the other points."""
    centred = h - jnp.mean(h, -1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(centred**2, -1, keepdims=True) + 1e-6)
