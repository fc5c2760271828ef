"""Gauss-Newton over rows of collocated equations: linear systems, and steps that are halved."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .rows import Rows, require_finite
from .truncated_svd import ReusedFactors

# A whole step that leaves more than this share of the residual is the last one.
_STAGNATION = 0.9
_SHORTEST_STEP = 1e-4
_INTERPOLATION = 0.8  # independent coefficients per residual


class Minimum(NamedTuple):
    """Coefficients at which the residual is smallest, and the rows there."""

    params: Float[np.ndarray, "*outputs n"]
    rows: Rows
    rank: int
    steps: int
    linear: bool
    converged: bool


def minimise(
    at: Callable[..., Rows],
    params: np.ndarray,
    max_steps: int,
    *,
    values_at: Callable | None = None,
    solve: Callable | None = None,
) -> Minimum:
    """Gauss-Newton with halved steps; linear equations are solved twice, to refine.

    `values_at` gives the values of the rows alone, for less than `at`; `solve` keeps the factors of
    one problem for the next.
    """
    if max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, got {max_steps}.")
    solve = ReusedFactors() if solve is None else solve
    rows = at(params)
    require_solvable(rows)
    linear, rank = True, 0

    def moved(params) -> Rows:
        """With the derivatives of before, unless they cost nothing more."""
        return at(params) if values_at is None else rows._replace(values=values_at(params))

    for steps in range(1, max_steps + 1):
        # The second time a linear system is solved for what rounding left of the first. Others are
        # solved for all coefficients, which stay small then.
        base = params if linear and steps == 2 else np.zeros(params.shape)
        target = rows.matrix @ (params - base).ravel() - rows.values
        found, rank = solve(rows.matrix, target)
        step = base + found.reshape(params.shape) - params
        whole = moved(params + step)
        if steps == 1:
            linear = _is_linear(rows, step, whole)
            _require_steps(linear, max_steps)
        share, new = _shortened(moved, params, step, rows, whole)
        stagnant = share == 1 and norm_of(new) > _STAGNATION * norm_of(rows)
        params, rows = params + share * step, new
        require_finite(rows)
        exact = norm_of(rows) < 10 * _rounding(rows, params)
        if share == 0 or stagnant or (linear and steps == 2) or (exact and not linear):
            return Minimum(params, rows, rank, steps, linear, True)
        if values_at is not None and not linear:
            rows = at(params)
    return Minimum(params, rows, rank, max_steps, linear, linear)


def _shortened(moved, params, step, rows, whole) -> tuple[float, Rows]:
    """The first of 1, 1/2, 1/4, ... of a step that lowers the residual, and the rows there."""
    share, new = 1.0, whole
    while not norm_of(new) < norm_of(rows):  # NaN is no lower
        share /= 2
        if share < _SHORTEST_STEP:
            return 0.0, rows
        new = moved(params + share * step)
    return share, new


def _is_linear(rows: Rows, step: np.ndarray, whole: Rows) -> bool:
    """Whether a step did what its linear system says, to the rounding of its sums."""
    change = rows.matrix @ step.ravel()
    gap = np.linalg.norm(whole.values - rows.values - change)
    return bool(gap <= 1e-8 * np.linalg.norm(change) + 100 * _rounding(rows, step))


def _rounding(rows: Rows, params: np.ndarray) -> float:
    """The rounding of the sums over features."""
    sizes = np.abs(rows.matrix) @ np.abs(params.ravel())
    return float(np.finfo(sizes.dtype).eps * np.linalg.norm(sizes))


def _require_steps(linear: bool, max_steps: int) -> None:
    if not linear and max_steps == 1:
        raise ValueError(
            "The equations are not linear in u, and max_steps=1 solves them as if they were: allow "
            "max_steps=20."
        )


def require_solvable(rows: Rows) -> None:
    """Refuse rows that are not finite, are fewer than the coefficients, or ignore them."""
    require_finite(rows)
    residuals, coefficients = rows.matrix.shape
    if residuals < coefficients:
        raise ValueError(
            f"There are {residuals} equations for {coefficients} coefficients, "
            "which can fulfil each and be wrong between the points: give about "
            f"{3 * coefficients}."
        )
    if not rows.matrix.any() and rows.values.any():
        raise ValueError(
            "No equation changes with the coefficients to first order: op ignores u, trial ignores "
            "f, or the features are zero. Where op has no slope, as u² at u = 0, give a guess."
        )


def warn_of_interpolation(residuals: int, rank: int, remedy: str) -> None:
    """Where as many residuals as coefficients vanish, they say nothing of those between."""
    if rank > _INTERPOLATION * residuals:
        warnings.warn(
            f"{residuals} residuals for {rank} independent coefficients are small at their own "
            f"points whatever the error between them: {remedy}.",
            stacklevel=3,
        )


def norm_of(rows: Rows) -> float:
    """The root of the weighted mean squares."""
    return float(np.linalg.norm(rows.values))
