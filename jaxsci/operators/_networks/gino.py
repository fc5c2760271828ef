"""A neural operator for irregular domains: a Fourier network between two graph integrals."""

import math
import operator
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.fields import as_modes, known, mesh
from .._fields.neighbours import Neighbours
from .._fields.points import check_in_box, check_points, counted
from .._fields.pointwise import Pointwise, apply_mlp, pointwise_mlp
from .._layers.ball_integral import BallIntegral
from .fno import FNO


class GINO(eqx.Module):
    """Geometry-informed neural operator: scattered points, a regular grid, scattered points.

        v(z) = ∫_{|x - z| < r} κ(z, x) P[a(x), x] dx      on the points z of a regular grid
        w = F v                                           an `FNO` on that grid
        u(y) = Q [∫_{|z - y| < r} κ'(y, z) w(z) dz, E y]

    The integrals resolve the geometry, the Fourier layers have global range at the cost of a grid.
    The integrals cost points × grid points, unless their neighbours are given.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `grid`: number of grid points along each of one to three axes of [0, 1]ᵈ, which holds the
        domain. Points xᵢ = i/N. Good value: some ten input points in each cell. A finer grid costs
        more steps of the training than it gains.
    - `radius`: of the balls, a physical length: at least the spacing of the grid, or there are
        points that see nothing. In d dimensions a corner of the box at 1, beyond the last grid
        point, needs more than √d spacings. Good value: 1.1 √d spacings, since cost grows as rᵈ.
    - `width`, `modes`, `depth`: of the `FNO`; `width` also of the kernel networks.
    - `key`: PRNG key of the weights.

    Called as `model(a, x, weights, y=None, near=None)`, as `Transformer` is; with
    `near=model.neighbours(x, y)`, made once outside jit, as `GNO` is.

    **Raises:** `ValueError` for a radius below the spacing, modes above the grid's limit, fields,
    points, weights or neighbours that do not belong together, or, outside jit, points outside
    [0, 1]ᵈ, which the grid does not reach: scale the domain into the box. Points of weight zero may
    lie anywhere. Outside jit it warns of points with no grid point in their ball.

    **Source:** Li et al., "Geometry-Informed Neural Operator for Large-Scale 3D PDEs", NeurIPS
    2023, section 3.

    ```python
    model = jsci.operators.GINO(
        1, 1, grid=(16, 16), radius=0.15, width=16, modes=5, depth=2, key=key
    )
    u = model(a, x, weights)  # a: (n, 1), x: (n, 2), weights: (n,)
    ```
    """

    lift: Pointwise
    gather: BallIntegral
    middle: FNO
    scatter: BallIntegral
    embed: Pointwise
    project: list[Pointwise]
    in_channels: int = eqx.field(static=True)
    grid: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        grid: Sequence[int],
        radius: float,
        width: int,
        modes: int | Sequence[int],
        depth: int,
        key: PRNGKeyArray,
    ):
        self.grid, self.in_channels = tuple(map(operator.index, grid)), in_channels
        dim = len(self.grid)
        kept = as_modes(modes, "GINO") * (dim if np.ndim(modes) == 0 else 1)
        if len(kept) != dim or min(self.grid) < 1 or not radius >= 1 / min(self.grid):
            raise ValueError(
                f"GINO needs one number of modes per axis and a radius of at least the spacing of "
                f"its grid; got grid={self.grid}, modes={modes} and radius={radius}."
            )
        keys = jax.random.split(key, 7)
        size = {"dim": dim, "radius": radius, "width": width}
        self.lift = Pointwise(in_channels + dim, width, key=keys[0])
        self.gather = BallIntegral(width, width, **size, key=keys[1])
        # The domain ends inside the box, so nothing is periodic.
        self.middle = FNO(
            width, width, width=width, modes=kept, depth=depth, padding=0.25, key=keys[2]
        )
        self.scatter = BallIntegral(width, width, **size, key=keys[3])
        self.embed = Pointwise(dim, width, key=keys[4])
        self.project = pointwise_mlp([2 * width, 2 * width, out_channels], iter(keys[5:]))

    def __call__(
        self,
        a: Float[Array, "points in_channels"],
        x: Float[Array, "..."],
        weights: Float[Array, "..."],
        y: Float[Array, "..."] | None = None,
        near: tuple[Neighbours, Neighbours] | None = None,
    ) -> Float[Array, "queries out_channels"]:
        dim = len(self.grid)
        queries = check_points(a, x, weights, y, self.in_channels, dim, "GINO")
        check_in_box(x, weights, y, "GINO")
        places = self._places()
        inner, outer = (None, None) if near is None else near
        self._warn_unseen(places, counted(x, weights), None if y is None else known(y))
        z = jnp.asarray(places, a.dtype)
        h = self.lift(jnp.concatenate([a, x], -1))
        v = self.gather(h, x, weights, z, inner).reshape(*self.grid, -1)
        w = self.middle(v).reshape(len(z), -1)
        cell = jnp.full(len(z), 1 / len(z), a.dtype)
        u = jnp.concatenate([self.scatter(w, z, cell, queries, outer), self.embed(queries)], -1)
        return apply_mlp(self.project, u)

    def neighbours(
        self,
        x: Float[Array | np.ndarray, "points dim"],
        y: Float[Array | np.ndarray, "..."] | None = None,
        *,
        places: int | None = None,
    ) -> tuple[Neighbours, Neighbours]:
        """The points in each ball, for `near=`: of x around the grid, and of the grid around y.

        **Arguments:**

        - `x`, `y`: the points `(points, dim)` and `(queries, dim)` of the calls; y is x by default.
        - `places`: length of the lists, by default that of the longest one. One number for several
            geometries makes lists that can be stacked, for `jax.vmap`.

        **Returns:** two `Neighbours`.

        **Raises:** `ValueError` within `jit`, for points that are not finite, or too few `places`.

        ```python
        model = jsci.operators.GINO(
            1, 1, grid=(8, 8), radius=0.3, width=4, modes=3, depth=1, key=key
        )
        near = model.neighbours(x)
        u = model(a, x, weights, near=near)
        ```
        """
        z = np.asarray(self._places(), x.dtype)
        outer = self.scatter.neighbours(z, x if y is None else y, places=places)
        return self.gather.neighbours(x, z, places=places), outer

    def _places(self):
        """The points of the grid `(n, dim)`."""
        axes = [np.arange(n) / n for n in self.grid]
        return mesh(axes).reshape(-1, len(self.grid))

    def _warn_unseen(self, places, *points):
        farthest = math.hypot(*(1 / n for n in self.grid))
        advice = (
            f"Take a GINO of a radius above {farthest:.3g}, which reaches all of the box, or scale "
            "the domain into a smaller part of it."
        )
        for which in points:
            self.scatter.warn_unseen(which, places, advice, stacklevel=4)
