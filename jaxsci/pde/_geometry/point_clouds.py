"""A domain whose surface is known at points, with the normals there."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.spatial
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from .boundaries import Piece, Pieces
from .domains import Domain
from .regions import Point, Region, Vector, check_point, kept_fraction

# The width of the weights of neighbouring points, in distances to the nearest one.
_WIDTH = 1.5
# Half of the shell whose volume over its thickness is the area, in the same distances.
_SHELL = 0.5
# Projections of a point onto the surface; each squares its distance.
_PROJECTIONS = 4
# Places at which a mesh is examined, their distance from it in its sizes, and turns around them.
_PLACES, _BESIDE, _TURNS = 16, 1e-6, 1e-2


class Surface(Piece):
    """The surface of a point cloud."""

    points: Float[Array, "n dim"]
    normals: Float[Array, "n dim"]
    spacing: Float[Array, ""]
    area: float = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return 1

    @property
    def measure(self) -> float:
        return self.area

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        """Beside a point of the cloud, moved onto the surface."""
        place = v[0] * len(self.points)
        k = jnp.clip(jnp.floor(place).astype(int), 0, len(self.points) - 1)
        # Halfway to a neighbour at most, so that no two points of a sample are the same.
        toward = self.points[(k + 1) % len(self.points)] - self.points[k]
        reach = jnp.minimum(1.0, self.spacing / jnp.linalg.norm(toward)) / 2
        start = self.points[k] + (place - k) * reach * toward

        def projected(_, x):
            level, slope = jax.value_and_grad(self.depth)(x)
            return x - level * slope / (slope @ slope)

        return jax.lax.fori_loop(0, _PROJECTIONS, projected, start.astype(v.dtype))

    def normal(self, x: Point) -> Vector:
        """The outward unit normal, against the slope of the depth."""
        check_point(x, self.points.shape[1])
        slope = jax.grad(self.depth)(x)
        return -slope / jnp.linalg.norm(slope)

    def depth(self, x: Point) -> Float[Array, ""]:
        """Half Σ wᵢ nᵢ·(pᵢ - x) and half n·(p - x) of the means: near the surface the distance.

        Where the surface bends, the first lies outside by as much as the second lies inside.
        """
        away = self.points.astype(x.dtype) - x[None]
        normals = self.normals.astype(x.dtype)
        width = _WIDTH * self.spacing
        weights = jax.nn.softmax(-jnp.sum(away**2, axis=1) / (2 * width**2))
        of_means = (weights @ normals) @ (weights @ away)
        return (weights @ jnp.sum(normals * away, axis=1) + of_means) / 2


class PointCloud(Domain):
    """A domain given by points of its surface and the normals there, as a scanner gives them.

    The surface is where Σ wᵢ nᵢ·(pᵢ - x) + Σ wᵢ nᵢ · Σ wᵢ (pᵢ - x) = 0, with Gaussian weights wᵢ of
    the distance from x. It is smooth. Boundary piece: `"surface"`, which is drawn as densely as the
    points are.

    **Arguments:**

    - `points`: of the surface, `(n, d)` in two or three dimensions.
    - `normals`: pointing outward there, `(n, d)` of any length.

    **Raises:** `ValueError` without normals, for shapes that do not agree, fewer than 8 points,
    values that are not finite, points that coincide, or normals that point inward.

    **Notes:** details finer than the distance between points are lost, and edges are rounded by
    it. Each evaluation takes all points. Volume and area are estimated from fixed samples, to about
    two percent where points are dense.

    **Source:** Kolluri, "Provably good moving least squares" (2008), whose implicit function the
    first half is.

    ```python
    angle = jnp.linspace(0.0, 2 * jnp.pi, 200, endpoint=False)
    circle = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    scanned = jsci.pde.PointCloud(circle, circle)
    ```
    """

    surface: Surface
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, points: ArrayLike, normals: ArrayLike | None = None):
        places, outward = _checked(points, normals)
        distances, _ = scipy.spatial.KDTree(places).query(places, k=2)
        spacing = float(np.median(distances[:, 1]))
        if not distances[:, 1].min() > 0:
            where = places[np.argmin(distances[:, 1])]
            raise ValueError(f"PointCloud has two points at {where.tolist()}: keep one.")
        low, high = places.min(axis=0) - spacing, places.max(axis=0) + spacing
        self.lower, self.upper = tuple(map(float, low)), tuple(map(float, high))
        arrays = jnp.asarray(places), jnp.asarray(outward), jnp.asarray(spacing)
        self.surface = Surface(*arrays, 0.0)
        if not bool(self.level(jnp.asarray(high + (high - low))) < 0):
            raise ValueError(
                "The normals of a PointCloud must point outward; far outside, these say that it is "
                "inside. Give -normals, or orient them alike."
            )
        self.surface = Surface(*arrays, self._area(_SHELL * spacing))

    @classmethod
    def from_mesh(cls, vertices: ArrayLike, faces: ArrayLike, n: int) -> "PointCloud":
        """The domain inside a closed surface of triangles, as files of the format STL have it.

        The points are spread over the triangles by area, with the normals of these. Of a mesh that
        `meshio.read` returns, give `points` and `cells_dict["triangle"]`.

        **Arguments:**

        - `vertices`: `(v, 3)`.
        - `faces`: three indices of vertices for each triangle, `(f, 3)`, counterclockwise as seen
            from outside.
        - `n`: the number of points. Edges are rounded by the distance between them.

        **Returns:** a `PointCloud`.

        **Raises:** `ValueError` for faces that are no triangles of the vertices or have no area,
        for a surface that is not closed or encloses itself, and as `PointCloud`.

        **Good values:** 1,000 to 10,000 points.

        ```python
        vertices = jnp.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        faces = jnp.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
        domain = jsci.pde.PointCloud.from_mesh(vertices, faces, 400)
        ```
        """
        corners, across = _triangles(vertices, faces)
        points, normals = _spread(corners, across, n)
        cloud = cls(points, normals)
        _check_outside(corners, points, normals)
        return cloud

    def _area(self, half: float) -> float:
        """The volume of a shell around the surface over its thickness."""
        lower, upper = self.bounds
        box = tuple(map(float, lower - half)), tuple(map(float, upper + half))
        return _Shell(self.surface, *box, half).measure / (2 * half)

    @property
    def dim(self) -> int:
        return len(self.lower)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.lower), np.array(self.upper)

    @property
    def measure(self) -> float:
        """The volume, estimated to about one percent from fixed points in the bounding box."""
        lower, upper = self.bounds
        return float(np.prod(upper - lower)) * kept_fraction(self)

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        lower, upper = (jnp.asarray(b, v.dtype) for b in self.bounds)
        return lower + (upper - lower) * v

    def keeps(self, x: Point) -> Bool[Array, ""]:
        return self.level(x) > 0

    def level(self, x: Point) -> Float[Array, ""]:
        """Near the surface the distance from it."""
        check_point(x, self.dim)
        return self.surface.depth(x)

    @property
    def boundary(self) -> Mapping[str, Piece]:
        return Pieces(surface=self.surface)


class _Shell(Region):
    """The points near a surface, in a box around it."""

    surface: Surface
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)
    half: float = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return len(self.lower)

    @property
    def measure(self) -> float:
        box = np.prod(np.subtract(self.upper, self.lower))
        return float(box) * kept_fraction(self)

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        lower, upper = (jnp.asarray(b, v.dtype) for b in (self.lower, self.upper))
        return lower + (upper - lower) * v

    def keeps(self, x: Point) -> Bool[Array, ""]:
        depth, slope = jax.value_and_grad(self.surface.depth)(x)
        return jnp.abs(depth) < self.half * jnp.linalg.norm(slope)


def _checked(points, normals) -> tuple[np.ndarray, np.ndarray]:
    """Both as finite arrays of one shape, the normals of length one."""
    places = np.asarray(points, float)
    if places.ndim != 2 or places.shape[1] not in (2, 3) or len(places) < 8:
        raise ValueError(
            f"PointCloud needs at least 8 points in 2 or 3 dimensions, (n, d), got {places.shape}."
        )
    if normals is None:
        raise ValueError(
            "PointCloud needs the outward normals at its points: without them inside and outside "
            "cannot be told apart. Take them from the scan or the mesh, or fit planes to "
            "neighbours and orient them alike."
        )
    outward = np.asarray(normals, float)
    if outward.shape != places.shape:
        raise ValueError(f"normals has shape {outward.shape}; the points have {places.shape}.")
    if not (np.isfinite(places).all() and np.isfinite(outward).all()):
        raise ValueError("points and normals must be finite.")
    lengths = np.linalg.norm(outward, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"The normal of point {int(np.argmin(lengths))} is zero.")
    return places, outward / lengths


def _triangles(vertices: ArrayLike, faces: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the triangles `(f, 3, 3)`, and their normals times twice their areas."""
    places, index = np.asarray(vertices, float), np.asarray(faces)
    shaped = places.ndim == index.ndim == 2 and places.shape[1] == index.shape[1] == 3
    if not (shaped and index.size and np.issubdtype(index.dtype, np.integer)):
        raise ValueError(
            "from_mesh takes vertices (v, 3) and triangles (f, 3) of their indices, got "
            f"{places.shape} and {index.shape} of {index.dtype}."
        )
    if index.min() < 0 or index.max() >= len(places):
        raise ValueError(
            f"faces has the indices {index.min()} to {index.max()}; there are {len(places)} "
            "vertices, from 0 on."
        )
    corners = places[index]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size = np.linalg.norm(across, axis=1).sum()
    # Over a closed surface the normals sum to zero; files have single precision.
    if not size > 0 or np.linalg.norm(across.sum(axis=0)) > 1e-4 * size:
        raise ValueError(
            "The triangles do not close a surface, or are not all oriented alike: their normals "
            f"sum to {np.linalg.norm(across.sum(axis=0)) / (size or 1.0):.1e} of the area, not to "
            "zero. Repair the mesh."
        )
    return corners, across


def _check_outside(corners: np.ndarray, points: np.ndarray, normals: np.ndarray) -> None:
    """Refuse triangles that wind around places just outside of them.

    So does a tube without ends, whose normals sum to zero, and a void that is oriented as a body.
    """
    beside = _BESIDE * np.ptp(corners.reshape(-1, 3), axis=0).max()
    for k in np.linspace(0, len(points) - 1, _PLACES).astype(int):
        place = points[k] + beside * normals[k] / np.linalg.norm(normals[k])
        turns = _winding(corners - place)
        if abs(turns) > _TURNS:
            raise ValueError(
                f"The triangles wind {turns:.2f} times around {place.round(4).tolist()}, just "
                "outside of one of them, not 0 times: the surface has holes, crosses or covers "
                "itself, or the triangles of a void do not face into it. Repair the mesh."
            )


def _winding(corners: np.ndarray) -> float:
    """How often triangles enclose the origin: their solid angles over 4π (Van Oosterom, 1983)."""
    a, b, c = np.moveaxis(corners, 1, 0)
    u, v, w = (np.linalg.norm(x, axis=1) for x in (a, b, c))
    ab, bc, ca = (np.sum(x * y, axis=1) for x, y in ((a, b), (b, c), (c, a)))
    volume = np.sum(a * np.cross(b, c), axis=1)
    return float(np.sum(np.arctan2(volume, u * v * w + ab * w + bc * u + ca * v)) / (2 * np.pi))


def _spread(corners: np.ndarray, across: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n points at equal shares of the area, by a sequence of low discrepancy, and normals."""
    ends = np.cumsum(np.linalg.norm(across, axis=1))
    k = np.searchsorted(ends, (np.arange(n) + 0.5) / n * ends[-1])
    # Roberts' sequence for the plane: powers of 1 / 1.3247.
    u, v = (np.arange(1, n + 1)[:, None] * np.array([0.7548776662466927, 0.5698402909980532]) % 1).T
    u, v = np.where(u + v > 1, [1 - u, 1 - v], [u, v])
    first, second, third = np.moveaxis(corners[k], 1, 0)
    points = first + u[:, None] * (second - first) + v[:, None] * (third - first)
    return points, across[k]
