"""Where the points of a uniform axis are, and the weights of integrals over it."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Array, Float

Points = Literal["left", "ends", "cells"]


def axis_points(n: int, points: Points) -> Float[np.ndarray, " n"]:
    """n points of [0, 1]: i/n, i/(n - 1) with both ends, or the centres of cells, (i + 1/2)/n."""
    if points == "ends":
        return np.linspace(0, 1, n)
    return (np.arange(n) + (0.5 if points == "cells" else 0)) / n


def intervals(n: int, points: Points) -> int:
    """The number of spacings in [0, 1]."""
    return n - 1 if points == "ends" else n


def axis_weights(n: int, points: Points, *, periodic: bool) -> Float[np.ndarray, " n"]:
    """Weights of ∫₀¹ f dx at the points.

    For periodic functions all three rules are exact up to the resolved modes. For others the
    trapezoidal rule (with f(1) extrapolated linearly for "left") and the midpoint rule are of
    second order.
    """
    weights = np.full(n, 1 / max(intervals(n, points), 1))
    if points == "ends":
        weights[[0, -1]] *= 0.5
    elif points == "left" and not periodic and n > 2:
        weights[[0, n - 2, n - 1]] *= 0.5, 0.5, 2.0
    return weights


def as_points(points: Any, dim: int, name: str) -> tuple[Points, ...]:
    """The points of each axis; `ValueError` for unknown names or another number of axes."""
    values = per_axis(points, dim, name, "points")
    for value in values:
        if value not in get_args(Points):
            raise ValueError(
                f"{name}: points={value!r} is unknown: 'left' (i/N, the end left out), 'ends' "
                "(i/(N - 1), both ends) or 'cells' ((i + 1/2)/N)."
            )
    return values


def per_axis(value: Any, dim: int, name: str, what: str) -> tuple[Any, ...]:
    """One value for each axis; `ValueError` for another number of them."""
    if np.ndim(value) == 0:
        return (value,) * dim
    values = tuple(value)
    if len(values) != dim:
        raise ValueError(
            f"{name}: {what} is one value, or one for each of the {dim} grid axes; got {value!r}."
        )
    return values


def without_repeated_ends(a: Float[Array, "..."], axes: Sequence[int]) -> Float[Array, "..."]:
    """A field without the last points of its periodic axes, which repeat the first."""
    for axis in axes:
        a = a[(slice(None),) * axis + (slice(-1),)]
    return a
