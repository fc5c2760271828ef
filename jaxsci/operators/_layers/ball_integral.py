"""Kernel integrals over balls, between scattered points, as quadrature sums."""

import math
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.neighbours import Neighbours, checked, neighbours, unseen
from .._fields.points import check_points
from .._fields.pointwise import Pointwise, apply_mlp, pointwise_mlp

# Pairs of which the kernel is computed at once: some 100 MB at width 16.
_PAIRS = 2**18
# More are a matter of gigabytes.
_MANY_PAIRS = 2**24


class BallIntegral(eqx.Module):
    """Kernel integral over a ball, between any two sets of points.

        u(y) = ∫_{|x - y| < r} φ(|x - y|/r) κ(y, x) ⊙ W a(x) dx ≈ Σⱼ wⱼ φ κ ⊙ W a(xⱼ)

    κ is a network of the two points with one value per channel; the window φ(s) = (1 - s²)² ends
    the kernel smoothly, so that points enter and leave without a jump.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels of a and of u.
    - `dim`: dimension of the points.
    - `radius`: r, a physical length, in the unit of the points, independent of their spacing.
    - `width`: hidden channels of the kernel network, which has two hidden layers.
    - `key`: PRNG key of the weights.

    Called as `layer(a, x, weights, y)`: field `(points, in_channels)` at `x: (points, dim)` with
    quadrature `weights: (points,)`, wanted at `y: (queries, dim)`. Returns
    `(queries, out_channels)`. All pairs are formed: memory and time are queries × points × width.
    `layer(a, x, weights, y, near=layer.neighbours(x, y))` forms those within the radius alone, in a
    bounded amount of memory: the same integral, for a hundred thousand points.

    **Raises:** `ValueError` if a size or the radius is not positive and finite, for fields, points
    or weights that do not belong together, or for neighbours of other points; under `jit` the
    result is NaN then.

    **Source:** Li et al., "Neural Operator: Graph Kernel Network", 2020, eq. (6), with a quadrature
    weight in place of the mean over neighbours.

    ```python
    layer = jsci.operators.BallIntegral(1, 3, dim=2, radius=0.3, width=8, key=key)
    points = jax.random.uniform(key, (50, 2))
    b = layer(jnp.ones((50, 1)), points, jnp.full(50, 1 / 50), points[:5])  # (5, 3)
    ```
    """

    kernel: list[Pointwise]
    mix: Pointwise
    radius: float = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dim: int,
        radius: float,
        width: int,
        key: PRNGKeyArray,
    ):
        if min(in_channels, out_channels, dim, width) < 1 or not 0 < radius < math.inf:
            raise ValueError(
                "BallIntegral needs positive in_channels, out_channels, dim, width and radius; got "
                f"{in_channels}, {out_channels}, {dim}, {width} and {radius}."
            )
        keys = jax.random.split(key, 4)
        self.radius = float(radius)
        self.kernel = pointwise_mlp([2 * dim, width, width, out_channels], iter(keys[:3]))
        mix = Pointwise(in_channels, out_channels, bias=False, key=keys[3])
        # So that u starts of the size of a, not of that of the ball.
        window = 2 * math.pi ** (dim / 2) * radius**dim / math.gamma(dim / 2 + 3)  # ∫ φ dx
        self.mix = eqx.tree_at(lambda m: m.weight, mix, replace_fn=lambda w: w / window)

    def __call__(
        self,
        a: Float[Array, "points in_channels"],
        x: Float[Array, "..."],
        weights: Float[Array, "..."],
        y: Float[Array, "..."],
        near: Neighbours | None = None,
    ) -> Float[Array, "queries out_channels"]:
        channels, dim = len(self.mix.weight), len(self.kernel[0].weight) // 2
        check_points(a, x, weights, y, channels, dim, type(self).__name__)
        values, weights = self.mix(a), jnp.asarray(weights, a.dtype)
        if near is None:
            _warn_of_pairs(len(y) * len(x))
            window, k = self._kernel(y[:, None], x[None], weights[None])
            return jnp.einsum("qp,qpc,pc->qc", window, k, values)

        def within(y, index, real):
            w = jnp.where(real, weights[index], 0)
            window, k = self._kernel(y[:, None], x[index], w)
            # Not einsum, whose gradient is a product of small matrices for each query and channel.
            return jnp.sum(window[..., None] * k * values[index], 1)

        same = checked(near, x, y, self.radius, type(self).__name__)
        return jnp.where(same, _in_blocks(within, y, near.index, near.real), jnp.nan)

    def _kernel(self, y, x, weights):
        """The window times the weights, and κ, for pairs `(queries, points)`."""
        shape = jnp.broadcast_shapes(y.shape, x.shape)
        pairs = jnp.concatenate([jnp.broadcast_to(y, shape), jnp.broadcast_to(x, shape)], -1)
        square = jnp.sum((y - x) ** 2, -1) / self.radius**2
        return jnp.maximum(1 - square, 0) ** 2 * weights, apply_mlp(self.kernel, pairs)

    def neighbours(
        self,
        x: Float[Array | np.ndarray, "points dim"],
        y: Float[Array | np.ndarray, "..."] | None = None,
        *,
        places: int | None = None,
    ) -> Neighbours:
        """The points x in the ball around each y, for `near=`.

        **Arguments:**

        - `x`, `y`: points `(points, dim)` and `(queries, dim)`; y is x by default.
        - `places`: length of the lists, by default that of the longest one. One number for several
            geometries makes lists that can be stacked.

        **Returns:** `Neighbours`.

        **Raises:** `ValueError` within `jit`, for points that are not finite, or too few `places`.

        ```python
        points = np.random.default_rng(0).random((50, 2))
        layer = jsci.operators.BallIntegral(1, 1, dim=2, radius=0.3, width=8, key=key)
        near = layer.neighbours(points)
        ```
        """
        y = x if y is None else y
        return neighbours(x, y, self.radius, places, type(self).__name__)

    def warn_unseen(
        self,
        y: np.ndarray | None,
        x: np.ndarray | None,
        advice: str,
        stacklevel: int = 3,
    ) -> None:
        """Warn of points y whose balls hold no point x, where both are known."""
        if y is None or x is None:
            return
        alone = unseen(y, x, self.radius)
        if np.any(alone):
            warnings.warn(
                f"{np.sum(alone)} of {len(y)} points, such as {y[alone][0]}, see nothing of the "
                f"input: their balls of radius {self.radius:g} are empty. {advice}",
                stacklevel=stacklevel,
            )


def _in_blocks(f, *queries):
    """f of some queries at a time, of which no intermediate result is kept for the gradient."""
    count, places = queries[1].shape
    size = max(1, _PAIRS // places)
    if count <= size:
        return f(*queries)
    blocks = -(-count // size)

    def split(v):
        rest = [(0, blocks * size - count)] + [(0, 0)] * (v.ndim - 1)
        return jnp.pad(v, rest).reshape(blocks, size, *v.shape[1:])

    out = jax.lax.map(lambda block: jax.checkpoint(f)(*block), [*map(split, queries)])
    return out.reshape(blocks * size, -1)[:count]


def _warn_of_pairs(count: int):
    if count > _MANY_PAIRS:
        warnings.warn(
            f"This integral forms {count:.2g} pairs of points, though only those in its balls "
            "count. Give the model near=model.neighbours(x, y), made once outside jit.",
            stacklevel=4,
        )
