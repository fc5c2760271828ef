"""Pieces of a domain's boundary, each with its outward normal."""

import abc
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .regions import Point, Region, Vector, check_point, kept_fraction, unit_sphere


class Piece(Region):
    """A part of a boundary."""

    @abc.abstractmethod
    def normal(self, x: Point) -> Vector:
        """The outward unit normal at a point of the piece."""


class Pieces(dict[str, Piece]):
    """Boundary pieces by name."""

    def __missing__(self, name):
        raise KeyError(f"there is no boundary piece {name!r}, but {', '.join(map(repr, self))}")


class Face(Piece):
    """One side of a box, xᵢ = lowerᵢ or xᵢ = upperᵢ."""

    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)
    axis: int = eqx.field(static=True)
    side: Literal["lower", "upper"] = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return len(self.lower) - 1

    @property
    def measure(self) -> float:
        return float(np.prod(np.delete(np.subtract(self.upper, self.lower), self.axis)))

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        lower, upper = (jnp.asarray(corner, v.dtype) for corner in (self.lower, self.upper))
        fixed = jnp.full(1, float(self.side == "upper"), v.dtype)
        unit = jnp.concatenate([v[: self.axis], fixed, v[self.axis :]])
        return lower + (upper - lower) * unit

    def normal(self, x: Point) -> Vector:
        """The outward unit normal ±eᵢ."""
        check_point(x, len(self.lower))
        sign = 1 if self.side == "upper" else -1
        return jnp.zeros_like(x).at[self.axis].set(sign)


class Sphere(Piece):
    """The surface of a ball."""

    center: tuple[float, ...] = eqx.field(static=True)
    radius: float = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return max(1, len(self.center) - 1)

    @property
    def measure(self) -> float:
        return {1: 2.0, 2: 2 * np.pi, 3: 4 * np.pi}[len(self.center)] * self.radius ** (
            len(self.center) - 1
        )

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        center = jnp.asarray(self.center, v.dtype)
        if len(self.center) == 1:
            return center + jnp.where(v < 0.5, -self.radius, self.radius)
        return center + self.radius * unit_sphere(v)

    def normal(self, x: Point) -> Vector:
        """The outward unit normal (x - c)/r."""
        check_point(x, len(self.center))
        return (x - jnp.asarray(self.center, x.dtype)) / self.radius


class Part(Piece):
    """The part of a piece inside or outside another domain, with its normal reversed where needed.

    Membership is tested just behind (-1) or ahead (1) of the piece, so that a face common to both
    domains needs no special case.
    """

    piece: Piece
    domain: Region
    inside: bool = eqx.field(static=True)
    inward: bool = eqx.field(static=True)
    sides: tuple[int, ...] = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return self.piece.unit_dim

    @property
    def measure(self) -> float:
        """The length or area, estimated as for a combination of domains."""
        whole = self.piece
        while isinstance(whole, Part):  # `keeps` already counts its share
            whole = whole.piece
        return whole.measure * kept_fraction(self)

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        return self.piece.from_unit(v)

    def keeps(self, x: Point) -> Bool[Array, ""]:
        lower, upper = self.domain.bounds  # pyright: ignore[reportAttributeAccessIssue]
        step = float(np.sqrt(jnp.finfo(x.dtype).eps) * np.max(upper - lower))
        kept = self.piece.keeps(x)
        for side in self.sides:
            beside = x + side * step * self.piece.normal(x)
            level = self.domain.level(beside)  # pyright: ignore[reportAttributeAccessIssue]
            kept &= (level > 0) == self.inside
        return kept

    def normal(self, x: Point) -> Vector:
        """The unit normal that points out of the combination."""
        return (-1 if self.inward else 1) * self.piece.normal(x)


class TimeSlice(Piece):
    """The whole space at the initial or final time."""

    space: Region
    time: float = eqx.field(static=True)
    direction: Literal[-1, 1] = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return self.space.unit_dim

    @property
    def measure(self) -> float:
        return self.space.measure

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        return jnp.append(self.space.from_unit(v), jnp.asarray(self.time, v.dtype))

    def keeps(self, x: Point) -> Bool[Array, ""]:
        return self.space.keeps(x[:-1])

    def normal(self, x: Point) -> Vector:
        """The outward unit normal ∓e_t."""
        return jnp.zeros_like(x).at[-1].set(self.direction)


class Lateral(Piece):
    """A piece of the space's boundary over the whole time interval."""

    piece: Piece
    start: float = eqx.field(static=True)
    end: float = eqx.field(static=True)

    @property
    def unit_dim(self) -> int:
        return self.piece.unit_dim + 1

    @property
    def measure(self) -> float:
        return self.piece.measure * (self.end - self.start)

    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        time = self.start + (self.end - self.start) * v[-1]
        return jnp.append(self.piece.from_unit(v[:-1]), time)

    def keeps(self, x: Point) -> Bool[Array, ""]:
        return self.piece.keeps(x[:-1])

    def normal(self, x: Point) -> Vector:
        """The outward unit normal, without a component in time."""
        return jnp.append(self.piece.normal(x[:-1]), jnp.zeros((), x.dtype))
