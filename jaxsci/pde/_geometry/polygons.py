"""Simple polygons, convex or not."""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .boundaries import Piece, Pieces
from .domains import Domain
from .regions import Point, Vector, check_point

Vertex = tuple[float, float]


class Segment(Piece):
    """An edge of a polygon, from one vertex to the next, with the inside on its left."""

    start: Vertex = eqx.field(static=True)
    end: Vertex = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return 1

    @property
    def measure(self) -> float:
        return float(np.hypot(*np.subtract(self.end, self.start)))

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        start, end = (jnp.asarray(p, v.dtype) for p in (self.start, self.end))
        return start + (end - start) * v

    def normal(self, x: Point) -> Vector:
        """The outward unit normal."""
        check_point(x, 2)
        along = np.subtract(self.end, self.start) / self.measure
        return jnp.array([along[1], -along[0]], x.dtype)


class Polygon(Domain):
    """A polygon without holes, given by its corners in order, in either direction.

    Boundary pieces: `"edge0"` between the corners 0 and 1 as they were given, `"edge1"`, …. The
    attribute `vertices` is always anticlockwise. Cut holes with `polygon - other`.

    **Arguments:**

    - `vertices`: the corners (x, y), at least three.

    **Raises:** `ValueError` for fewer than three corners, or edges that meet or have no length.

    **Source:** Sukumar & Srivastava, "Exact imposition of boundary conditions with distance
    functions in physics-informed deep neural networks" (2022), section 3, for `level`.

    ```python
    corner = jsci.pde.Polygon([(-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1)])
    u = jsci.pde.dirichlet(f, corner)
    ```
    """

    vertices: tuple[Vertex, ...] = eqx.field(static=True)
    clockwise: bool = eqx.field(static=True)

    def __init__(self, vertices: Sequence[Sequence[float]]):
        corners = np.asarray(vertices, float)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
            raise ValueError(f"Polygon needs at least three corners (x, y), got {vertices}.")
        if crossing := _crossing(corners):
            raise ValueError(
                f"Polygon needs edges that meet at their common corner only, but edges "
                f"{crossing[0]} and {crossing[1]} touch or cross: check the order of the corners."
            )
        self.clockwise = _signed_area(corners) < 0
        if self.clockwise:
            corners = corners[::-1]
        self.vertices = tuple((float(x), float(y)) for x, y in corners)

    @property
    def dim(self) -> int:
        return 2

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.min(self.vertices, axis=0), np.max(self.vertices, axis=0)

    @property
    def measure(self) -> float:
        return float(_signed_area(np.array(self.vertices)))

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        """The first coordinate selects a triangle of a triangulation, both a point in it."""
        triangles = _triangles(np.array(self.vertices))
        ends = np.cumsum([_signed_area(t) for t in triangles])
        ends = jnp.asarray(ends / ends[-1], v.dtype)
        which = jnp.minimum(jnp.sum(v[0] >= ends), len(triangles) - 1)
        before = jnp.where(which > 0, ends[which - 1], 0)
        share = jnp.clip((v[0] - before) / (ends[which] - before), 0, 1)
        a, b, c = jnp.asarray(triangles, v.dtype)[which]
        root = jnp.sqrt(share)
        return a + root * ((b - a) + v[1] * (c - b))

    def level(self, x: Point) -> Float[Array, ""]:
        """± (Σ dᵢ⁻²)^(-1/2) of smooth distances dᵢ to the edges: smooth except at the corners."""
        check_point(x, 2)
        start = jnp.asarray(self.vertices, x.dtype)
        end = jnp.roll(start, -1, axis=0)
        line, trim = jax.vmap(_line_and_trim, (None, 0, 0))(x, start, end)
        distance = _signed_distance(line, trim)
        square = distance**2
        # The nearest distance is pulled out of the sum with its sign, d / √(1 + …): the level then
        # passes through zero with the correct slope, whatever the rounding on the edge.
        k = jnp.argmin(square)
        shares = jnp.where(jnp.arange(len(square)) == k, 1, square[k] / _or_one(square))
        level = distance[k] / jnp.sqrt(jnp.sum(shares))
        left = jnp.where(trim > 0, line >= 0, True)[k]
        on_edge = (trim[k] > 0) & (line[k] == 0)
        return jnp.where(on_edge | (left == _inside(x, start, end, line)), level, -level)

    @property
    def boundary(self) -> Mapping[str, Piece]:
        following = (*self.vertices[1:], self.vertices[0])
        edges = [Segment(a, b) for a, b in zip(self.vertices, following, strict=True)]
        if self.clockwise:  # the edge between the last and the first given corner stays last
            edges = [*edges[-2::-1], edges[-1]]
        return Pieces((f"edge{i}", edge) for i, edge in enumerate(edges))


def _line_and_trim(x, start, end):
    """The distance from the edge's line, positive on its left, and from the circle on the edge,
    positive inside, which trims the line to the edge."""
    along = end - start
    length = jnp.sqrt(jnp.sum(along**2))
    from_middle = x - (start + end) / 2
    return _cross(along, x - start) / length, (length**2 / 4 - from_middle @ from_middle) / length


def _signed_distance(line, trim):
    """d² = line² + ((√(trim² + line⁴) - trim)/2)²: zero on the edge alone, slope one across it.

    Within the circle d has the sign of the line, and is smooth; elsewhere it is positive.
    """
    over = trim > 0
    root = trim**2 + line**4
    radius = jnp.where(root <= 0, 0, jnp.sqrt(_or_one(root)))
    # The difference as a quotient, (√ - trim)/2 = line⁴/2(√ + trim), which does not cancel.
    stretch = 1 + (line**3 / (2 * jnp.where(over, radius + trim, 1))) ** 2
    square = line**2 + ((radius - trim) / 2) ** 2
    beyond = jnp.where(square <= 0, 0, jnp.sqrt(_or_one(square)))
    return jnp.where(over, line * jnp.sqrt(jnp.where(over, stretch, 1)), beyond)


def _or_one(value):
    return jnp.where(value <= 0, 1, value)  # NaN stays NaN


def _inside(x, start, end, line):
    """Whether a ray to the right crosses an odd number of edges.

    By the same `line` as the distances, so that both change sign at the same points.
    """
    across = (start[:, 1] > x[1]) != (end[:, 1] > x[1])
    upward = end[:, 1] > start[:, 1]
    return jnp.sum(across & ((line > 0) == upward)) % 2 == 1


def _cross(a, b):
    return a[0] * b[1] - a[1] * b[0]


def _signed_area(corners: np.ndarray) -> float:
    x, y = corners.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def _crossing(corners: np.ndarray) -> tuple[int, int] | None:
    """Two edges that share more than a common corner, or an edge of zero length and the next."""
    n = len(corners)
    edges = [(corners[i], corners[(i + 1) % n]) for i in range(n)]
    for i, (a, b) in enumerate(edges):
        if np.array_equal(a, b):
            return i, (i + 1) % n
    for i, (a, b) in enumerate(edges):
        for j in range(i + 1, n):
            c, d = edges[j]
            if j == i + 1 or (i == 0 and j == n - 1):
                # Neighbours overlap if one runs back over the other.
                first, second = (b - a, d - c) if j == i + 1 else (d - c, b - a)
                sizes = np.linalg.norm(first) * np.linalg.norm(second)
                if abs(_cross(first, second)) < 1e-12 * sizes and first @ second < 0:
                    return i, j
            elif _meet(a, b, c, d):
                return i, j
    return None


def _meet(a, b, c, d) -> bool:
    """Whether two closed segments have a point in common."""
    sides = [_cross(q - p, r - p) for p, q, r in ((a, b, c), (a, b, d), (c, d, a), (c, d, b))]
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(
        s == 0 and np.all(np.minimum(p, q) <= r) and np.all(r <= np.maximum(p, q))
        for s, (p, q, r) in zip(sides, ends, strict=True)
    )


def _triangles(corners: np.ndarray) -> np.ndarray:
    """Triangulation by cutting off ears; corners anticlockwise."""
    left, triangles = list(corners), []
    while len(left) > 3:
        for i in range(len(left)):
            a, b, c = left[i - 1], left[i], left[(i + 1) % len(left)]
            others = [p for p in left if not any(p is q for q in (a, b, c))]
            if _cross(b - a, c - b) > 0 and not any(_within(p, a, b, c) for p in others):
                triangles.append((a, b, c))
                break
            if _cross(b - a, c - b) == 0:  # an ear at a straight corner has no area
                break
        del left[i]
    return np.array([*triangles, left])


def _within(p, a, b, c) -> bool:
    return all(_cross(s - r, p - r) >= 0 for r, s in ((a, b), (b, c), (c, a)))
