"""The graph neural operator: message passing as an integral over a ball."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.fields import known
from .._fields.neighbours import Neighbours
from .._fields.points import check_points, counted
from .._fields.pointwise import Pointwise, apply_mlp, gelu, pointwise_mlp
from .._layers.ball_integral import BallIntegral


class GNO(eqx.Module):
    """Graph neural operator on scattered points: layers of kernel integrals over balls.

        h ← P[a(x), x];   h ← σ(W h + c + ∫_{|x' - x| < r} κ(x, x') h(x') dx')   (`depth` times)
        u(y) = Q [∫_{|x - y| < r} κ(y, x) h(x) dx, E y]

    Each message carries its quadrature weight, so a finer or uneven set of points gives the same
    operator, not another one.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `dim`: dimension of the points.
    - `radius`: r, a physical length; balls should contain some tens of points.
    - `width`, `depth`: hidden channels (also of the kernel networks) and number of layers.
    - `key`: PRNG key of the weights.

    Called as `model(a, x, weights, y=None, near=None)`, as `Transformer` is. All pairs of points
    are formed, unless `near=model.neighbours(x, y)`, made once outside jit, says which lie in the
    balls: the same operator, in memory and time that grow as the number of points.

    **Raises:** `ValueError` for fields, points, weights or neighbours that do not belong together;
    under jit the output is NaN for neighbours of points elsewhere. Outside jit
    it warns of points y with no input point in their ball.

    **Source:** Li et al., "Neural Operator: Graph Kernel Network for Partial Differential
    Equations", 2020, eq. (5) and (6).

    ```python
    model = jsci.operators.GNO(1, 1, dim=2, radius=0.2, width=16, depth=2, key=jax.random.key(0))
    u = model(a, x, weights)  # a: (n, 1), x: (n, 2), weights: (n,)
    ```
    """

    lift: Pointwise
    integrals: list[BallIntegral]
    skips: list[Pointwise]
    last: BallIntegral
    embed: Pointwise
    project: list[Pointwise]
    in_channels: int = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dim: int,
        radius: float,
        width: int,
        depth: int,
        key: PRNGKeyArray,
    ):
        if min(in_channels, out_channels, dim, width, depth) < 1 or not 0 < radius < math.inf:
            raise ValueError(
                "GNO needs positive in_channels, out_channels, dim, width, depth and radius; got "
                f"{in_channels}, {out_channels}, {dim}, {width}, {depth} and {radius}."
            )
        self.in_channels, self.dim = in_channels, dim
        keys = iter(jax.random.split(key, 2 * depth + 5))

        def integral():
            return BallIntegral(width, width, dim=dim, radius=radius, width=width, key=next(keys))

        self.lift = Pointwise(in_channels + dim, width, key=next(keys))
        self.integrals = [integral() for _ in range(depth)]
        self.skips = [Pointwise(width, width, key=next(keys)) for _ in range(depth)]
        self.last = integral()
        self.embed = Pointwise(dim, width, key=next(keys))
        self.project = pointwise_mlp([2 * width, 2 * width, out_channels], keys)

    def __call__(
        self,
        a: Float[Array, "points in_channels"],
        x: Float[Array, "..."],
        weights: Float[Array, "..."],
        y: Float[Array, "..."] | None = None,
        near: tuple[Neighbours, Neighbours] | None = None,
    ) -> Float[Array, "queries out_channels"]:
        queries = check_points(a, x, weights, y, self.in_channels, self.dim, "GNO")
        if y is not None:
            advice = "Take a GNO of a larger radius, or ask nearer to its points."
            self.last.warn_unseen(known(y), counted(x, weights), advice)
        inner, outer = (None, None) if near is None else near
        h = self.lift(jnp.concatenate([a, x], -1))
        for integral, skip in zip(self.integrals, self.skips, strict=True):
            h = gelu(skip(h) + integral(h, x, weights, x, inner))
        u = jnp.concatenate([self.last(h, x, weights, queries, outer), self.embed(queries)], -1)
        return apply_mlp(self.project, u)

    def neighbours(
        self,
        x: Float[Array | np.ndarray, "points dim"],
        y: Float[Array | np.ndarray, "..."] | None = None,
        *,
        places: int | None = None,
    ) -> tuple[Neighbours, Neighbours]:
        """The points in each ball, for `near=`: around the points x, and around y.

        **Arguments:**

        - `x`, `y`: the points `(points, dim)` and `(queries, dim)` of the calls; y is x by default.
        - `places`: length of the lists, by default that of the longest one. One number for several
            geometries makes lists that can be stacked, for `jax.vmap`.

        **Returns:** two `Neighbours`.

        **Raises:** `ValueError` within `jit`, for points that are not finite, or too few `places`.

        ```python
        model = jsci.operators.GNO(1, 1, dim=2, radius=0.2, width=4, depth=1, key=key)
        near = model.neighbours(x)
        u = model(a, x, weights, near=near)
        ```
        """
        inner = self.last.neighbours(x, places=places)
        return inner, inner if y is None else self.last.neighbours(x, y, places=places)
