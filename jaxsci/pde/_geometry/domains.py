"""Domains: interval, box, ball, their union, difference and intersection, and space-time.

`from_unit` maps the unit cube onto a region, which is all that a sampler needs; a combination is
sampled by rejection from its bounding box. Boundaries are in `boundaries`.
"""

import abc
import functools
import itertools
import math
from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .boundaries import Face, Lateral, Part, Piece, Pieces, Sphere, TimeSlice
from .box_unions import largest_boxes, planes
from .level_functions import both, either, norm, product
from .regions import Point, Region, check_point, kept_fraction, unit_sphere


class Domain(Region):
    """A region with an interior: knows what it contains, and its boundary pieces by name."""

    @property
    @abc.abstractmethod
    def dim(self) -> int:
        """The number of coordinates of a point."""

    @property
    @abc.abstractmethod
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The lower and upper corner of the bounding box."""

    @abc.abstractmethod
    def level(self, x: Point) -> Float[Array, ""]:
        """A function positive inside, zero on the boundary, negative outside; smooth inside."""

    def _outside(self, x: Point) -> Float[Array, ""]:
        """The same for the complement: positive and smooth outside."""
        return -self.level(x)

    @property
    @abc.abstractmethod
    def boundary(self) -> Mapping[str, Piece]:
        """The pieces of the boundary, each a region with an outward `normal(x)`."""

    @property
    def unit_dim(self) -> int:
        return self.dim

    def contains(self, x: Point) -> Bool[Array, ""]:
        """Whether the point lies inside or on the boundary."""
        check_point(x, self.dim)
        return self.level(x) >= 0

    def __or__(self, other: "Domain") -> "Domain":
        return Union(self, other)

    def __and__(self, other: "Domain") -> "Domain":
        return Intersection(self, other)

    def __sub__(self, other: "Domain") -> "Domain":
        return Difference(self, other)

    def during(self, start: float, end: float) -> "SpaceTime":
        """The domain over a time interval: points (x, t), time last."""
        return SpaceTime(self, start, end)


class Box(Domain):
    """An axis-parallel box, lowerᵢ ≤ xᵢ ≤ upperᵢ.

    Boundary pieces: `"x0_lower"`, `"x0_upper"`, `"x1_lower"`, ….

    **Arguments:**

    - `lower`, `upper`: the opposite corners, one number per coordinate, in its unit.

    **Raises:** `ValueError` if the corners differ in length, an upper one is not above its lower,
    or an edge is infinite.

    ```python
    square = jsci.pde.Box((0.0, 0.0), (1.0, 1.0))
    points = jsci.pde.uniform(square, 100)(jax.random.key(0))
    ```
    """

    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, lower: tuple[float, ...], upper: tuple[float, ...]):
        self.lower, self.upper = (tuple(map(float, corner)) for corner in (lower, upper))
        if len(self.lower) != len(self.upper) or not self.lower:
            raise ValueError(f"Box corners must have the same length, got {lower} and {upper}.")
        if not all(a < b for a, b in zip(self.lower, self.upper, strict=True)):
            raise ValueError(f"Box needs lower < upper in each coordinate, got {lower}, {upper}.")
        if not all(math.isfinite(b - a) for a, b in zip(self.lower, self.upper, strict=True)):
            raise ValueError(
                f"Box needs finite edges, got {lower}, {upper}. Cut an unbounded domain off where "
                "the solution is known or negligible."
            )

    @property
    def dim(self) -> int:
        return len(self.lower)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.lower), np.array(self.upper)

    @property
    def measure(self) -> float:
        lower, upper = self.bounds
        return float(np.prod(upper - lower))

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        lower, upper = (jnp.asarray(b, v.dtype) for b in self.bounds)
        return lower + (upper - lower) * v

    def level(self, x: Point) -> Float[Array, ""]:
        """The product over the coordinates of 4 (x - a)(b - x)/(b - a)²."""
        return product(self._factors(x))

    def _outside(self, x: Point) -> Float[Array, ""]:
        # The slope on a face is that of one factor and does not vanish at the corners, which are
        # re-entrant from outside.
        return either(list(-self._factors(x)))

    def _factors(self, x: Point) -> Float[Array, " dim"]:
        check_point(x, self.dim)
        lower, upper = (jnp.asarray(b, x.dtype) for b in self.bounds)
        return 4 * (x - lower) * (upper - x) / (upper - lower) ** 2

    @property
    def boundary(self) -> Mapping[str, Piece]:
        return Pieces(
            (f"x{axis}_{side}", Face(self.lower, self.upper, axis, side))
            for axis in range(self.dim)
            for side in ("lower", "upper")
        )


class Interval(Box):
    """An interval a ≤ x ≤ b; points have shape (1,). Boundary pieces: `"left"` and `"right"`.

    **Arguments:**

    - `start`, `end`: a and b.

    **Raises:** `ValueError` unless a < b, both finite.

    ```python
    line = jsci.pde.Interval(-1.0, 1.0).during(0.0, 1.0)
    ```
    """

    def __init__(self, start: float, end: float):
        super().__init__((start,), (end,))

    @property
    def boundary(self) -> Mapping[str, Piece]:
        return Pieces(
            left=Face(self.lower, self.upper, 0, "lower"),
            right=Face(self.lower, self.upper, 0, "upper"),
        )


class Ball(Domain):
    """A ball |x - c| ≤ r in 1, 2 or 3 dimensions (a disk in 2). Boundary piece: `"sphere"`.

    **Arguments:**

    - `center`: c, one number per coordinate.
    - `radius`: r, in the unit of the coordinates.

    **Raises:** `ValueError` for a radius that is not positive and finite, or a centre that is not
    finite or of another dimension.

    ```python
    disk = jsci.pde.Ball((0.0, 0.0), 1.0)
    points = jsci.pde.uniform(disk, 100)(jax.random.key(0))
    ```
    """

    center: tuple[float, ...] = eqx.field(static=True)
    radius: float = eqx.field(static=True)

    def __init__(self, center: tuple[float, ...], radius: float):
        self.center, self.radius = tuple(map(float, center)), float(radius)
        if not self.radius > 0:
            raise ValueError(f"Ball needs a positive radius, got {radius}.")
        if not all(math.isfinite(abs(c) + self.radius) for c in self.center):
            raise ValueError(f"Ball must be finite, got centre {center} and radius {radius}.")
        if not 1 <= len(self.center) <= 3:
            raise ValueError(f"Ball lives in 1, 2 or 3 dimensions, got centre {center}.")

    @property
    def dim(self) -> int:
        return len(self.center)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        center = np.array(self.center)
        return center - self.radius, center + self.radius

    @property
    def measure(self) -> float:
        return {1: 2.0, 2: np.pi, 3: 4 / 3 * np.pi}[self.dim] * self.radius**self.dim

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        center = jnp.asarray(self.center, v.dtype)
        if self.dim == 1:
            return center + self.radius * (2 * v - 1)
        return center + self.radius * v[0] ** (1 / self.dim) * unit_sphere(v[1:])

    def level(self, x: Point) -> Float[Array, ""]:
        """1 - |x - c|²/r²."""
        check_point(x, self.dim)
        return 1 - jnp.sum((x - jnp.asarray(self.center, x.dtype)) ** 2) / self.radius**2

    @property
    def boundary(self) -> Mapping[str, Piece]:
        return Pieces(sphere=Sphere(self.center, self.radius))


class _Combination(Domain):
    """Two domains of equal dimension, sampled by rejection from their bounding box."""

    first: Domain
    second: Domain

    def __init__(self, first: Domain, second: Domain):
        for domain in (first, second):
            if isinstance(domain, SpaceTime):
                raise TypeError("Combine domains in space first, then call .during(start, end).")
        if first.dim != second.dim:
            raise ValueError(
                f"Only domains of one dimension combine, got {first.dim} and {second.dim}."
            )
        self.first, self.second = first, second

    @property
    def dim(self) -> int:
        return self.first.dim

    @property
    def box(self) -> Box:
        lower, upper = self.bounds
        if not np.all(lower < upper):
            raise ValueError(f"The {type(self).__name__.lower()} is empty: its parts do not meet.")
        return Box(tuple(lower), tuple(upper))

    @property
    def measure(self) -> float:
        """The volume, estimated to about one percent from fixed points in the bounding box."""
        return self.box.measure * kept_fraction(self)

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        return self.box.from_unit(v)

    def keeps(self, x: Point) -> Bool[Array, ""]:
        return self.level(x) > 0

    @property
    def boundary(self) -> Mapping[str, Piece]:
        """The parts of both boundaries that bound the combination: `first.…` and `second.…`."""
        first_inside = isinstance(self, Intersection)
        second_inside = not isinstance(self, Union)
        inward = isinstance(self, Difference)
        # Coincident faces go to the first domain, if they bound the combination at all: a union
        # must not continue ahead of them, the others must lie behind them.
        first_sides, second_sides = ((-1,) if second_inside else (1,)), (-1, 1)
        pieces = Pieces()
        for name, piece in self.first.boundary.items():
            part = Part(piece, self.second, first_inside, False, first_sides)
            pieces[f"first.{name}"] = part
        for name, piece in self.second.boundary.items():
            part = Part(piece, self.first, second_inside, inward, second_sides)
            pieces[f"second.{name}"] = part
        return pieces


class Union(_Combination):
    """All points of either domain: `first | second`.

    Boxes may share a face or a part of it, which is then inside the union. `dirichlet` rejects
    other domains that only touch: let them overlap.

    **Arguments:**

    - `first`, `second`: domains of equal dimension.

    **Raises:** `ValueError` for domains of different dimensions; `TypeError` for space-time
    domains.

    ```python
    left, right = jsci.pde.Box((0.0, 0.0), (1.0, 2.0)), jsci.pde.Box((1.0, 0.0), (2.0, 1.0))
    corner = left | right
    ```
    """

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        (a, b), (c, d) = self.first.bounds, self.second.bounds
        return np.minimum(a, c), np.maximum(b, d)

    @property
    def _parts(self) -> tuple[list[Box], list[Domain]]:
        """The parts at any depth: boxes, enlarged as far as the union allows, and the rest."""
        united: list[Domain] = [self]
        while any(unions := [part for part in united if isinstance(part, Union)]):
            united = [part for part in united if not isinstance(part, Union)]
            united += [part for union in unions for part in (union.first, union.second)]
        boxes = [(part.lower, part.upper) for part in united if isinstance(part, Box)]
        rest = [part for part in united if not isinstance(part, Box)]
        return [Box(*corners) for corners in largest_boxes(boxes)], rest

    def level(self, x: Point) -> Float[Array, ""]:
        """(a⁴ + b⁴)^(1/4) of the positive levels; the larger one where none is."""
        check_point(x, self.dim)
        boxes, rest = self._parts
        others = [part.level(x) for part in rest]
        if not boxes:
            return either(others)
        rows, members = planes([(box.lower, box.upper) for box in boxes])
        axes, signs, places = rows[:, 0].astype(int), rows[:, 1], rows[:, 2]
        distances = jnp.asarray(signs, x.dtype) * (x[axes] - jnp.asarray(places, x.dtype))
        widths = np.array([np.subtract(box.upper, box.lower) for box in boxes])
        scales = np.append(np.prod(4 / widths**2, axis=1), np.ones(len(rest)))
        own = np.eye(len(rest), dtype=bool)
        return norm(
            jnp.concatenate([distances, jnp.array(others, x.dtype)]),
            np.block([[members, np.zeros((len(boxes), len(rest)), bool)],
                      [np.zeros((len(rest), len(rows)), bool), own]]),
            scales,
        )  # fmt: skip

    def _outside(self, x: Point) -> Float[Array, ""]:
        parts = itertools.chain(*self._parts)
        return functools.reduce(both, [part._outside(x) for part in parts])


class Intersection(_Combination):
    """The points of both domains: `first & second`.

    **Arguments:**

    - `first`, `second`: domains of equal dimension.

    **Raises:** `ValueError` for domains of different dimensions, or on use if they do not meet;
    `TypeError` for space-time domains.

    ```python
    quarter = jsci.pde.Ball((0.0, 0.0), 1.0) & jsci.pde.Box((0.0, 0.0), (2.0, 2.0))
    ```
    """

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        (a, b), (c, d) = self.first.bounds, self.second.bounds
        return np.maximum(a, c), np.minimum(b, d)

    def level(self, x: Point) -> Float[Array, ""]:
        """Rvachev's a ∧ b = a + b - √(a² + b²): smooth except at corners of the boundary."""
        if isinstance(self.first, Box) and isinstance(self.second, Box):
            return self.box.level(x)  # correct also where faces coincide
        return both(self.first.level(x), self.second.level(x))

    def _outside(self, x: Point) -> Float[Array, ""]:
        return either([self.first._outside(x), self.second._outside(x)])


class Difference(_Combination):
    """The points of the first domain that are not in the second: `first - second`.

    **Arguments:**

    - `first`, `second`: domains of equal dimension.

    **Raises:** `ValueError` for domains of different dimensions; `TypeError` for space-time
    domains.

    ```python
    holed = jsci.pde.Box((-1.0, -1.0), (1.0, 1.0)) - jsci.pde.Ball((0.0, 0.0), 0.5)
    ```
    """

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return self.first.bounds

    def level(self, x: Point) -> Float[Array, ""]:
        """Rvachev's a ∧ b of the first level and one that is positive outside the second."""
        return both(self.first.level(x), self.second._outside(x))

    def _outside(self, x: Point) -> Float[Array, ""]:
        return either([self.first._outside(x), self.second.level(x)])


class SpaceTime(Domain):
    """A domain over a time interval; points are (x, t), time last.

    Boundary pieces: `"initial"` (t = start), `"final"`, and each piece of the space's boundary over
    the whole time interval.

    **Arguments:**

    - `space`: a domain; `space.during(start, end)` is the same.
    - `start`, `end`: the initial and the final time.

    **Raises:** `ValueError` if the end is not after the start, or infinite times.

    ```python
    line = jsci.pde.Interval(-1.0, 1.0).during(0.0, 1.0)
    initial = jsci.pde.uniform(line.boundary["initial"], 64)
    ```
    """

    space: Domain
    start: float = eqx.field(static=True)
    end: float = eqx.field(static=True)

    def __init__(self, space: Domain, start: float, end: float):
        if not start < end:
            raise ValueError(f"Time must run forward: start < end, got {start} and {end}.")
        if not math.isfinite(end - start):
            raise ValueError(
                f"Time must be finite, got {start} and {end}. Cut it off where the solution is "
                "steady."
            )
        self.space, self.start, self.end = space, float(start), float(end)

    @property
    def dim(self) -> int:
        return self.space.dim + 1

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = self.space.bounds
        return np.append(lower, self.start), np.append(upper, self.end)

    @property
    def measure(self) -> float:
        return self.space.measure * (self.end - self.start)

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        time = self.start + (self.end - self.start) * v[-1:]
        return jnp.concatenate([self.space.from_unit(v[:-1]), time])

    def keeps(self, x: Point) -> Bool[Array, ""]:
        return self.space.keeps(x[:-1])

    def level(self, x: Point) -> Float[Array, ""]:
        check_point(x, self.dim)
        t = x[-1]
        time = 4 * (t - self.start) * (self.end - t) / (self.end - self.start) ** 2
        return product(jnp.stack([self.space.level(x[:-1]), time]))

    @property
    def boundary(self) -> Mapping[str, Piece]:
        pieces = Pieces(
            initial=TimeSlice(self.space, self.start, -1), final=TimeSlice(self.space, self.end, 1)
        )
        for name, piece in self.space.boundary.items():
            pieces[name] = Lateral(piece, self.start, self.end)
        return pieces
