"""Features that are trained, by steps at each of which their coefficients are solved for.

With r(θ, c) the rows of all equations, θ what the features hold and c(θ) the coefficients of least
squares, only |r(θ, c(θ))|² is minimised. Its Jacobian is taken as P J_θ with P = I - Q Qᵀ the
projection off the columns of ∂r/∂c (Kaufman's form, exact where r vanishes).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float
from tqdm import tqdm

from .relinearisation import minimise, norm_of
from .rows import Equations, Points, Rows, derivatives, require_finite, rows_at
from .truncated_svd import truncated_solve

_FIRST_DAMPING, _LARGEST_DAMPING = 1e-2, 1e6
# Steps that lower the residual by less than this share, so many in a row, are the last.
_STAGNATION, _PATIENCE = 1e-3, 10


class _Point(NamedTuple):
    """Where a step has led."""

    hidden: Float[np.ndarray, " p"]
    coefficients: Float[np.ndarray, "*outputs n"]
    rows: Rows  # of coefficients and hidden parameters, in this order


class Projection:
    """The residuals of features whose parameters are trained, with their coefficients solved for.

    - `of_features`: the residuals `r(c, x)` by name, for features.
    - `features`: a pytree that is called; its arrays of floats are trained.
    """

    def __init__(
        self,
        of_features: Callable[[Callable], Equations],
        features: Callable,
        coefficients: Float[np.ndarray, "*outputs n"],
        points: Points,
        factors: dict[str, float],
    ):
        arrays, rest = eqx.partition(features, eqx.is_inexact_array)
        if any(map(jnp.iscomplexobj, jax.tree.leaves(arrays))):
            raise ValueError("train= needs features of real arrays: hold real and imaginary parts.")
        arrays = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), arrays)
        hidden, unravel = ravel_pytree(arrays)
        self.unravel = lambda flat: eqx.combine(unravel(flat), rest)
        if not hidden.size:
            raise ValueError(
                "train= needs features that hold arrays, as those of random_features or an "
                "equinox.Module do; these hold none."
            )
        self.coefficients, self.hidden = coefficients, np.asarray(hidden)
        names = of_features(features)
        shape, size = coefficients.shape, coefficients.size

        def of_both(name, both, x):
            c, theta = both[:size].reshape(shape), both[size:]
            return of_features(self.unravel(theta))[name](c, x)

        def of_coefficients(name, c, x, theta):
            return of_features(self.unravel(theta))[name](c, x)

        by_name = lambda f: {name: functools.partial(f, name) for name in names}  # noqa: E731
        both = np.concatenate([coefficients.ravel(), self.hidden])
        all_programs = derivatives(by_name(of_both), both, points)
        programs = derivatives(by_name(of_coefficients), coefficients, points, hidden)
        self._all = functools.partial(rows_at, all_programs, factors, points)
        self._rows = functools.partial(rows_at, programs, factors, points)

    def train(self, steps: int) -> tuple[Callable, Float[np.ndarray, "*outputs n"]]:
        """The features after Levenberg-Marquardt steps, and their coefficients."""
        solved = minimise(lambda c: self._rows(c, jnp.asarray(self.hidden)), self.coefficients, 20)
        point, damping, slow = self._at(self.hidden, solved.params), _FIRST_DAMPING, 0
        require_finite(point.rows)
        for _ in tqdm(range(steps), desc="training features", delay=2.0, unit="step"):
            new, damping = self._step(point, damping)
            slow = 0 if norm_of(new.rows) < (1 - _STAGNATION) * norm_of(point.rows) else slow + 1
            point = new
            if damping > _LARGEST_DAMPING or slow == _PATIENCE:
                break
        return self.unravel(jnp.asarray(point.hidden)), point.coefficients

    def _at(self, hidden: np.ndarray, coefficients: np.ndarray) -> _Point:
        rows = self._all(np.concatenate([coefficients.ravel(), hidden]))
        return _Point(hidden, coefficients, rows)

    def _solved_at(self, hidden: np.ndarray, coefficients: np.ndarray) -> _Point:
        """One linear system for the coefficients: exact for linear equations, else a step."""
        rows = self._rows(coefficients, jnp.asarray(hidden))
        if not _is_finite(rows):
            return _Point(hidden, coefficients, rows)
        found, _ = truncated_solve(rows.matrix, rows.matrix @ coefficients.ravel() - rows.values)
        return self._at(hidden, found.reshape(coefficients.shape))

    def _step(self, point: _Point, damping: float) -> tuple[_Point, float]:
        """The first of increasingly damped steps that lowers the residual, and the next damping."""
        matrix, size = point.rows.matrix, point.coefficients.size
        lengths = np.linalg.norm(matrix, axis=0)
        matrix = matrix / np.where(lengths > 0, lengths, 1.0)
        q, _ = np.linalg.qr(matrix[:, :size])
        slopes = matrix[:, size:] - q @ (q.T @ matrix[:, size:])
        of_slopes, r = np.linalg.qr(slopes)
        target = np.append(of_slopes.T @ point.rows.values, np.zeros(r.shape[1]))
        while damping <= _LARGEST_DAMPING:
            damped = np.vstack([r, np.sqrt(damping) * np.eye(r.shape[1])])
            change = np.linalg.lstsq(damped, target)[0] / np.where(lengths > 0, lengths, 1.0)[size:]
            new = self._solved_at(point.hidden - change, point.coefficients)
            if _is_finite(new.rows) and norm_of(new.rows) < norm_of(point.rows):
                return new, max(damping / 4, 1e-12)
            damping *= 4
        return point, damping


def _is_finite(rows: Rows) -> bool:
    """False where a step has led to parameters at which the features have no value or slope."""
    return bool(np.isfinite(rows.values).all() and np.isfinite(rows.matrix).all())
