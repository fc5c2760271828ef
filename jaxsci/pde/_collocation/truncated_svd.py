"""Least squares with nearly dependent columns: singular values down to the level of rounding."""

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

# Rounding adds a share ε κ to the solution: here 2e-9.
_WELL_CONDITIONED = 1e-7


class Truncated(NamedTuple):
    """What `truncated_solve` found, and how many singular values it kept."""

    solution: Float[np.ndarray, " columns"]
    rank: int


class Factors(NamedTuple):
    """A matrix with columns of equal length, A = Q R, and R = U Σ Vᵀ if it is ill-conditioned.

    Q is kept as its reflections, which take half the time of its columns.
    """

    lengths: Float[np.ndarray, " columns"]
    reflections: tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, " columns"]]
    r: Float[np.ndarray, "columns columns"]
    svd: tuple[np.ndarray, np.ndarray, np.ndarray] | None


def factored(matrix: Float[np.ndarray, "rows columns"]) -> Factors:
    """The factors for `solved`; singular values take several times longer than Q R."""
    lengths = np.linalg.norm(matrix, axis=0)
    lengths = np.where(lengths > 0, lengths, 1.0)
    scaled = np.asfortranarray(matrix / lengths)
    found: Any = scipy.linalg.qr(scaled, overwrite_a=True, mode="raw", check_finite=False)
    reflections, r = found[0], found[1][: len(lengths)]
    svd = None if _is_well_conditioned(r) else np.linalg.svd(r, full_matrices=False)
    return Factors(lengths, reflections, r, svd)


def solved(factors: Factors, target: Float[np.ndarray, " rows"]) -> Truncated:
    """The solution for one target, as `truncated_solve` says."""
    lengths, reflections, r, svd = factors
    y, beyond = _rotated(reflections, target)
    if svd is None:
        return Truncated(scipy.linalg.solve_triangular(r, y) / lengths, len(y))
    left, values, right = svd
    kept = values > 0
    along, values, right = (left.T @ y)[kept], values[kept], right[kept]
    if not len(values):
        return Truncated(np.zeros(len(lengths)), 0)
    left_out = np.append(np.cumsum((along**2)[::-1])[::-1][1:], 0.0) + np.sum(beyond**2)
    size = np.cumsum((along / values) ** 2)
    rounding = (np.finfo(r.dtype).eps * values[0]) ** 2 * size
    rank = int(np.argmin(left_out + rounding)) + 1
    solution = right[:rank].T @ (along[:rank] / values[:rank])
    return Truncated(solution / lengths, rank)


def _rotated(reflections: tuple, target: Float[np.ndarray, " rows"]) -> tuple:
    """Qᵀ b, and what of b is outside of the columns."""
    vectors, scales = reflections
    (ormqr,) = scipy.linalg.get_lapack_funcs(("ormqr",), (vectors, target))
    kept = len(scales)
    y, _, _ = ormqr("L", "T", vectors[:, :kept], scales, target[:, None], lwork=64)
    return y[:kept, 0], y[kept:, 0]


def truncated_solve(
    matrix: Float[np.ndarray, "rows columns"], target: Float[np.ndarray, " rows"]
) -> Truncated:
    """The x of smallest |A x - b|² + (ε σ₁ |x|)² among those of truncated singular values.

    The first term falls and the second grows with each singular value that is kept. The second is
    what rounding adds to A x, so that no accuracy is bought by coefficients that would cancel it.
    Columns are brought to equal length before. All are kept where the matrix is well conditioned.
    """
    return solved(factored(matrix), target)


class ReusedFactors:
    """`truncated_solve` that factors a matrix only if it is another one than the last.

    The slabs of a linear equation differ by the rounding of their times.
    """

    def __init__(self):
        self._last: tuple[np.ndarray, Factors] | None = None

    def __call__(self, matrix: np.ndarray, target: np.ndarray) -> Truncated:
        if self._last is None or not _is_equal(self._last[0], matrix):
            self._last = matrix, factored(matrix)
        return solved(self._last[1], target)


def _is_equal(a: np.ndarray, b: np.ndarray) -> bool:
    """To the rounding of features at times that differ by it."""
    return a is b or (a.shape == b.shape and np.abs(a - b).max() <= 1e-12 * np.abs(a).max())


def _is_well_conditioned(r: Float[np.ndarray, "columns columns"]) -> bool:
    """Whether the reciprocal condition number of a triangular matrix is large enough."""
    if r.shape[0] != r.shape[1] or not np.isfinite(r).all():
        return False
    (trcon,) = scipy.linalg.get_lapack_funcs(("trcon",), (r,))
    reciprocal, _ = trcon(r)
    return bool(reciprocal > _WELL_CONDITIONED)
