"""Round domains: ellipse, cylinder, torus."""

import math
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .boundaries import Piece, Pieces
from .domains import Domain
from .level_functions import either, product
from .regions import Point, Vector, check_point, unit_sphere

Vertex = tuple[float, ...]

# Nodes of the arc length of an ellipse, between which the angle is linear.
_NODES = 4096
# From the middle, Newton's method for Kepler's equation converges monotonically.
_KEPLER_STEPS = 24


class Rim(Piece):
    """The boundary of an ellipse."""

    center: Vertex = eqx.field(static=True)
    semi_axes: Vertex = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return 1

    @property
    def measure(self) -> float:
        return float(self._lengths()[-1])

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        """At a share of the length."""
        lengths = self._lengths()
        angles = np.linspace(0.0, 2 * np.pi, len(lengths))
        shares, angles = (jnp.asarray(p, v.dtype) for p in (lengths / lengths[-1], angles))
        angle = jnp.interp(v[0], shares, angles)
        turn = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
        return jnp.asarray(self.center, v.dtype) + jnp.asarray(self.semi_axes, v.dtype) * turn

    def _lengths(self) -> Float[np.ndarray, " nodes"]:
        """From the first vertex to each node, by Simpson's rule."""
        a, b = self.semi_axes
        angle = np.linspace(0.0, 2 * np.pi, 2 * _NODES + 1)
        speed = np.hypot(a * np.sin(angle), b * np.cos(angle))
        pieces = (speed[:-2:2] + 4 * speed[1::2] + speed[2::2]) * np.pi / (3 * _NODES)
        return np.append(0.0, np.cumsum(pieces))

    def normal(self, x: Point) -> Vector:
        """The outward unit normal, along ((x - c)/a², (y - d)/b²)."""
        check_point(x, 2)
        slope = (x - jnp.asarray(self.center, x.dtype)) / jnp.asarray(self.semi_axes, x.dtype) ** 2
        return slope / jnp.linalg.norm(slope)


class Ellipse(Domain):
    """An ellipse, (x - c)²/a² + (y - d)²/b² ≤ 1. Boundary piece: `"rim"`.

    **Arguments:**

    - `center`: (c, d).
    - `semi_axes`: (a, b), in the unit of the coordinates.

    **Raises:** `ValueError` for semi-axes that are not positive and finite, a centre that is not
    finite, or another number of coordinates than two.

    ```python
    plate = jsci.pde.Ellipse((0.0, 0.0), (2.0, 1.0))
    u = jsci.pde.dirichlet(f, plate)
    ```
    """

    center: Vertex = eqx.field(static=True)
    semi_axes: Vertex = eqx.field(static=True)

    def __init__(self, center: Vertex, semi_axes: Vertex):
        self.center = _finite("Ellipse", "center", center, 2)
        self.semi_axes = _finite("Ellipse", "semi_axes", semi_axes, 2)
        _require_positive("Ellipse", "semi_axes", *self.semi_axes)

    @property
    def dim(self) -> int:
        return 2

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        center, half = np.array(self.center), np.array(self.semi_axes)
        return center - half, center + half

    @property
    def measure(self) -> float:
        return math.pi * self.semi_axes[0] * self.semi_axes[1]

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        center, half = (jnp.asarray(p, v.dtype) for p in (self.center, self.semi_axes))
        return center + half * jnp.sqrt(v[0]) * unit_sphere(v[1:])

    def level(self, x: Point) -> Float[Array, ""]:
        """1 - (x - c)²/a² - (y - d)²/b²."""
        check_point(x, 2)
        center, half = (jnp.asarray(p, x.dtype) for p in (self.center, self.semi_axes))
        return 1 - jnp.sum(((x - center) / half) ** 2)

    @property
    def boundary(self) -> Mapping[str, Piece]:
        return Pieces(rim=Rim(self.center, self.semi_axes))


class Disc(Piece):
    """An end of a cylinder."""

    center: Vertex = eqx.field(static=True)
    outward: Vertex = eqx.field(static=True)
    radius: float = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return 2

    @property
    def measure(self) -> float:
        return math.pi * self.radius**2

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        across = jnp.asarray(_across(self.outward), v.dtype)
        turn = self.radius * jnp.sqrt(v[0]) * unit_sphere(v[1:])
        return jnp.asarray(self.center, v.dtype) + turn @ across

    def normal(self, x: Point) -> Vector:
        """The outward unit normal, along the axis."""
        check_point(x, 3)
        return jnp.asarray(self.outward, x.dtype)


class Mantle(Piece):
    """The curved side of a cylinder."""

    start: Vertex = eqx.field(static=True)
    end: Vertex = eqx.field(static=True)
    radius: float = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return 2

    @property
    def measure(self) -> float:
        return 2 * math.pi * self.radius * _length(self.start, self.end)

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        start, end = (jnp.asarray(p, v.dtype) for p in (self.start, self.end))
        across = jnp.asarray(_across(_direction(self.start, self.end)), v.dtype)
        return start + v[0] * (end - start) + self.radius * unit_sphere(v[1:]) @ across

    def normal(self, x: Point) -> Vector:
        """The outward unit normal, away from the axis."""
        check_point(x, 3)
        axis = jnp.asarray(_direction(self.start, self.end), x.dtype)
        away = x - jnp.asarray(self.start, x.dtype)
        away = away - (away @ axis) * axis
        return away / jnp.linalg.norm(away)


class Cylinder(Domain):
    """A straight circular cylinder. Boundary pieces: `"start"`, `"end"` and `"mantle"`.

    **Arguments:**

    - `start`, `end`: the ends of its axis, three coordinates each.
    - `radius`: in the unit of the coordinates.

    **Raises:** `ValueError` for a radius that is not positive, ends that coincide or are not
    finite, or another number of coordinates than three.

    ```python
    rod = jsci.pde.Cylinder((0.0, 0.0, 0.0), (0.0, 0.0, 2.0), 0.5)
    heated = jsci.pde.uniform(rod.boundary["end"], 100)
    ```
    """

    start: Vertex = eqx.field(static=True)
    end: Vertex = eqx.field(static=True)
    radius: float = eqx.field(static=True)

    def __init__(self, start: Vertex, end: Vertex, radius: float):
        self.start, self.end = (
            _finite("Cylinder", name, p, 3) for name, p in (("start", start), ("end", end))
        )
        self.radius = float(radius)
        _require_positive("Cylinder", "radius", self.radius)
        if not _length(self.start, self.end) > 0:
            raise ValueError(f"Cylinder needs two ends that differ, got {start} twice.")

    @property
    def dim(self) -> int:
        return 3

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        ends = np.array([self.start, self.end])
        reach = self.radius * np.sqrt(1 - np.array(_direction(self.start, self.end)) ** 2)
        return ends.min(axis=0) - reach, ends.max(axis=0) + reach

    @property
    def measure(self) -> float:
        return math.pi * self.radius**2 * _length(self.start, self.end)

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        start, end = (jnp.asarray(p, v.dtype) for p in (self.start, self.end))
        across = jnp.asarray(_across(_direction(self.start, self.end)), v.dtype)
        turn = self.radius * jnp.sqrt(v[0]) * unit_sphere(v[1:2])
        return start + v[2] * (end - start) + turn @ across

    def level(self, x: Point) -> Float[Array, ""]:
        """(1 - ρ²/r²) 4 s (1 - s), at a distance ρ from the axis and a share s of its length."""
        return product(self._factors(x))

    def _outside(self, x: Point) -> Float[Array, ""]:
        return either(list(-self._factors(x)))

    def _factors(self, x: Point) -> Float[Array, "2"]:
        check_point(x, 3)
        start, end = (jnp.asarray(p, x.dtype) for p in (self.start, self.end))
        along, away = end - start, x - start
        share = (away @ along) / (along @ along)
        away = away - share * along
        return jnp.stack([1 - (away @ away) / self.radius**2, 4 * share * (1 - share)])

    @property
    def boundary(self) -> Mapping[str, Piece]:
        axis = _direction(self.start, self.end)
        back = tuple(-a for a in axis)
        return Pieces(
            start=Disc(self.start, back, self.radius),
            end=Disc(self.end, axis, self.radius),
            mantle=Mantle(self.start, self.end, self.radius),
        )


class Tube(Piece):
    """The surface of a torus."""

    center: Vertex = eqx.field(static=True)
    axis: Vertex = eqx.field(static=True)
    major: float = eqx.field(static=True)
    minor: float = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return 2

    @property
    def measure(self) -> float:
        return 4 * math.pi**2 * self.major * self.minor

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        return self._at(v, jnp.asarray(self.minor, v.dtype))

    def _at(self, v: Float[Array, "2"], rho: Float[Array, ""]) -> Point:
        """At a distance ρ from the circle in the middle of the tube."""
        around, axis = (jnp.asarray(p, v.dtype) for p in (_across(self.axis), self.axis))
        angle = _more_outside(v[0], rho / self.major)
        away = (self.major + rho * jnp.cos(angle)) * unit_sphere(v[1:]) @ around
        return jnp.asarray(self.center, v.dtype) + away + rho * jnp.sin(angle) * axis

    def normal(self, x: Point) -> Vector:
        """The outward unit normal, away from the circle in the middle of the tube."""
        check_point(x, 3)
        axis = jnp.asarray(self.axis, x.dtype)
        away = x - jnp.asarray(self.center, x.dtype)
        flat = away - (away @ axis) * axis
        out = away - self.major * flat / jnp.linalg.norm(flat)
        return out / jnp.linalg.norm(out)


class Torus(Domain):
    """A ring of circular cross-section. Boundary piece: `"tube"`.

    **Arguments:**

    - `center`: three coordinates.
    - `major`, `minor`: the radii of the ring and of its cross-section.
    - `axis`: the direction about which it is round, of any length.

    **Raises:** `ValueError` unless major > minor > 0, or for an axis of length zero, values that
    are not finite, or another number of coordinates than three.

    ```python
    ring = jsci.pde.Torus((0.0, 0.0, 0.0), 2.0, 0.5)
    points = jsci.pde.sobol(ring, 256)(jax.random.key(0))
    ```
    """

    center: Vertex = eqx.field(static=True)
    major: float = eqx.field(static=True)
    minor: float = eqx.field(static=True)
    axis: Vertex = eqx.field(static=True)

    def __init__(
        self, center: Vertex, major: float, minor: float, *, axis: Vertex = (0.0, 0.0, 1.0)
    ):
        self.center = _finite("Torus", "center", center, 3)
        self.major, self.minor = float(major), float(minor)
        axis = _finite("Torus", "axis", axis, 3)
        if not (self.major > self.minor > 0 and math.isfinite(self.major)):
            raise ValueError(f"Torus needs major > minor > 0, got {major} and {minor}.")
        if not any(axis):
            raise ValueError("Torus needs an axis that is not zero.")
        self.axis = _direction((0.0, 0.0, 0.0), axis)

    @property
    def dim(self) -> int:
        return 3

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        center = np.array(self.center)
        reach = self.minor + self.major * np.sqrt(np.maximum(1 - np.array(self.axis) ** 2, 0))
        return center - reach, center + reach

    @property
    def measure(self) -> float:
        return 2 * math.pi**2 * self.major * self.minor**2

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        return self._tube._at(v[:2], self.minor * jnp.sqrt(v[2]))

    def level(self, x: Point) -> Float[Array, ""]:
        """(4 R² ρ² - (|x - c|² + R² - r²)²)/4 R² r², at a distance ρ from the axis.

        Unlike the distance from the circle in the middle, it is smooth on the axis.
        """
        check_point(x, 3)
        axis = jnp.asarray(self.axis, x.dtype)
        away = x - jnp.asarray(self.center, x.dtype)
        square, outer, inner = away @ away, self.major**2, self.minor**2
        flat = square - (away @ axis) ** 2
        return (4 * outer * flat - (square + outer - inner) ** 2) / (4 * outer * inner)

    @property
    def boundary(self) -> Mapping[str, Piece]:
        return Pieces(tube=self._tube)

    @property
    def _tube(self) -> Tube:
        return Tube(self.center, self.axis, self.major, self.minor)


def _more_outside(share: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
    """The φ up to which a share of 1 + k cos φ lies: the outer side of a ring is longer.

    Kepler's equation, E - k sin E = M, with E = φ - π.
    """
    mean = 2 * jnp.pi * share

    def step(_, e):
        return e - (e - ratio * jnp.sin(e) - mean) / (1 - ratio * jnp.cos(e))

    return jax.lax.fori_loop(0, _KEPLER_STEPS, step, jnp.full_like(mean, jnp.pi)) - jnp.pi


def _length(start: Vertex, end: Vertex) -> float:
    return float(np.linalg.norm(np.subtract(end, start)))


def _direction(start: Vertex, end: Vertex) -> Vertex:
    """The unit vector from one to the other."""
    x, y, z = np.subtract(end, start) / _length(start, end)
    return float(x), float(y), float(z)


def _across(axis: Vertex) -> Float[np.ndarray, "2 3"]:
    """Two unit vectors that are orthogonal to the axis and to each other."""
    _, _, rows = np.linalg.svd(np.array([axis]))
    return rows[1:]


def _finite(kind: str, name: str, values, count: int) -> tuple:
    found = tuple(map(float, np.ravel(values)))
    if len(found) != count or not all(map(math.isfinite, found)):
        raise ValueError(f"{kind} needs {count} finite numbers as {name}, got {values}.")
    return found


def _require_positive(kind: str, name: str, *values: float) -> None:
    if not all(value > 0 and math.isfinite(value) for value in values):
        raise ValueError(f"{kind} needs positive, finite {name}, got {values}.")
