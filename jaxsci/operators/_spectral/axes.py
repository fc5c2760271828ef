"""What one grid axis is expanded in: a matrix of functions and a matrix of coefficients."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from .._fields.axis_points import Points, as_points, axis_points, axis_weights, intervals, per_axis

AxisBasis = Literal["fourier", "sine", "cosine", "chebyshev"]
_OWN_POINTS: dict[AxisBasis, Points] = {
    "fourier": "left",
    "sine": "left",
    "cosine": "cells",
    "chebyshev": "cells",
}


@dataclass(frozen=True)
class Axis:
    """The basis of one axis on [0, 1], and its points.

    | basis | functions, k = 0..m |
    |---|---|
    | "fourier" | cos 2πkx/L, then sin 2πkx/L for k > 0, L = 1 + padding |
    | "sine" | sin π(k + 1)x |
    | "cosine" | cos πkx |
    | "chebyshev" | T_k(1 - 2x) = cos kθ; its points are uniform in θ |

    **Arguments:**

    - `basis`: the name.
    - `padding`: L - 1, of the basis "fourier".
    - `points`: where the points are.
    """

    basis: AxisBasis = "fourier"
    padding: float = 0.0
    points: Points = "left"

    @property
    def waves(self) -> bool:
        """Whether the functions are Fourier's, of which each k > 0 has two."""
        return self.basis == "fourier"

    @property
    def periodic(self) -> bool:
        """Whether a field repeats beyond its end."""
        return self.waves and not self.padding

    @property
    def period(self) -> float:
        """L, the length of the periodic cell."""
        return 1 + self.padding

    def highest(self, n: int) -> int:
        """The highest k that n points resolve, negative if none."""
        if self.waves:
            return math.ceil(intervals(n, self.points) * self.period / 2) - 1
        if self.basis == "sine":  # is zero at the ends
            return n - {"left": 2, "ends": 3, "cells": 1}[self.points]
        return n - 1

    def least(self, modes: int) -> int:
        """A number of points that resolves k = 0..modes, the fewest without padding."""
        if self.waves:
            return 2 * modes + (2 if self.points == "ends" else 1)
        return modes + (
            {"left": 2, "ends": 3, "cells": 1}[self.points] if self.basis == "sine" else 1
        )

    def places(self, n: int) -> Float[np.ndarray, " n"]:
        """The n points, ascending."""
        x = axis_points(n, self.points)
        return (1 - np.cos(np.pi * x)) / 2 if self.basis == "chebyshev" else x

    def functions(self, n: int, modes: int, order: int = 0) -> Float[np.ndarray, "n functions"]:
        """The functions at the points, or their derivatives of an order."""
        return _functions(self, n, modes, order)

    def analysis(self, n: int, modes: int) -> Float[np.ndarray, "functions n"]:
        """Inner products with the functions, as quadrature sums.

        For waves divided by L, so that they are the real and the negative imaginary part of complex
        coefficients; for the others by their norms, so that they are coefficients.
        """
        return _analysis(self, n, modes)

    def coefficients(self, n: int, modes: int) -> Float[np.ndarray, "functions n"]:
        """Coefficients of the functions: the left inverse of `functions`, without padding."""
        twice = np.where(np.arange(2 * modes + 1) == 0, 1, 2)[:, None] if self.waves else 1
        return twice * self.analysis(n, modes)

    def coordinates(self, n: int) -> Float[np.ndarray, "n features"]:
        """The points as one or two functions that are smooth in the basis."""
        x = self.places(n)
        if self.periodic:
            return np.stack([np.cos(2 * np.pi * x), np.sin(2 * np.pi * x)], -1)
        return (np.cos(np.pi * x) if self.basis == "cosine" else x)[:, None]


@lru_cache(maxsize=256)
def _functions(axis: Axis, n: int, modes: int, order: int):
    if axis.basis == "chebyshev":
        x = np.pi * axis_points(n, axis.points)
        # T_k(1 - 2x) by its derivative's Chebyshev coefficients, of which there are `order` fewer.
        slopes = np.polynomial.chebyshev.chebder(np.eye(modes + 1), order, scl=-2)
        return np.cos(np.outer(x, np.arange(len(slopes)))) @ slopes
    k, x = np.arange(modes + 1), axis.places(n)
    if axis.waves:
        turns = 2 * np.pi / axis.period * k
        phase = np.outer(x, turns) + order * np.pi / 2
        return np.concatenate(
            [turns**order * np.cos(phase), (turns**order * np.sin(phase))[:, 1:]], 1
        )
    turns, wave = (np.pi * (k + 1), np.sin) if axis.basis == "sine" else (np.pi * k, np.cos)
    return turns.astype(float) ** order * wave(np.outer(x, turns) + order * np.pi / 2)


@lru_cache(maxsize=256)
def _analysis(axis: Axis, n: int, modes: int):
    functions = axis.functions(n, modes)
    if axis.waves:
        weights = axis_weights(n, axis.points, periodic=axis.periodic)
        return (functions * (weights / axis.period)[:, None]).T
    # Discrete orthogonality: the weights are those of a uniform, periodic, mirrored axis.
    weighted = functions * axis_weights(n, axis.points, periodic=True)[:, None]
    return (weighted / np.sum(functions * weighted, 0)).T


def as_axes(
    dim: int,
    *,
    basis: AxisBasis | Sequence[AxisBasis] = "fourier",
    padding: float | Sequence[float] = 0.0,
    points: Points | Sequence[Points] | None = None,
    name: str,
) -> tuple[Axis, ...]:
    """The axes of a grid, with one option for all of them or one per axis.

    **Arguments:**

    - `dim`: number of grid axes.
    - `basis`, `padding`, `points`: as in `Axis`; by default the points are those of the basis.
    - `name`: of the caller, for messages.

    **Returns:** the axes.

    **Raises:** `ValueError` for unknown names, another number of values than axes, a padding that
    is negative, not finite, or beside a basis other than "fourier", and points on which a basis is
    not orthogonal; `TypeError` for a padding that is not a number.
    """
    bases = per_axis(basis, dim, name, "basis")
    for value in bases:
        if value not in get_args(AxisBasis):
            raise ValueError(
                f"{name}: basis={value!r} is unknown for a grid axis: 'fourier', 'sine' (zero at "
                "the boundary), 'cosine' (zero slope) or 'chebyshev' (neither)."
            )
    sizes = per_axis(padding, dim, name, "padding")
    for value in sizes:
        _check_padding(value)
    if any(p and b != "fourier" for p, b in zip(sizes, bases, strict=True)):
        raise ValueError(
            f"{name}: padding and factorised weights belong to basis='fourier'; got padding="
            f"{padding!r} with basis={basis!r}. Give one padding per axis, zero for the others."
        )
    own = tuple(_OWN_POINTS[b] for b in bases)
    where = as_points(own if points is None else points, dim, name)
    for b, p in zip(bases, where, strict=True):
        if p == "left" and b in ("cosine", "chebyshev"):
            raise ValueError(
                f"{name}: points='left' does not suit basis={b!r}, which needs points that are "
                "symmetric about the middle: 'cells' or 'ends'."
            )
    return tuple(Axis(b, float(p), w) for b, p, w in zip(bases, sizes, where, strict=True))


def _check_padding(padding):
    if isinstance(padding, bool) or not isinstance(padding, int | float | np.integer | np.floating):
        raise TypeError(
            f"padding is a number such as 0.25, or one number per axis; got {padding!r}."
        )
    if not 0 <= padding < math.inf:
        raise ValueError(f"padding={padding} must be a share of the domain, finite and >= 0.")


def check_grids(
    axes: Sequence[Axis], modes: Sequence[int], grid: Sequence[int], target: Sequence[int]
) -> None:
    """`ValueError` for a grid that does not resolve the modes, or no grid to evaluate on."""
    limits = tuple(axis.highest(n) for axis, n in zip(axes, grid, strict=True))
    if any(m > limit for m, limit in zip(modes, limits, strict=True)):
        names = dict.fromkeys(axis.basis for axis in axes)
        what, where = "k", f" in the {' x '.join(names)} basis"
        if all(axis.waves for axis in axes):
            what, where = "wave numbers", ""
        raise ValueError(
            f"modes={tuple(modes)} are above the limit of this grid: {tuple(grid)} points resolve "
            f"{what} up to {limits}{where}. Use a finer grid or a layer with fewer modes."
        )
    fewest = [2 if axis.points == "ends" else 1 for axis in axes]
    if len(target) != len(grid) or any(n < f for n, f in zip(target, fewest, strict=True)):
        raise ValueError(
            f"out_grid={tuple(target)} must give a positive number of points, two where both ends "
            f"are points, for each of the {len(grid)} grid axes."
        )
