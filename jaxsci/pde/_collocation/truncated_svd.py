"""Least squares with nearly dependent columns: singular values down to the level of rounding."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

# Rounding adds a share ε κ to the solution: here 2e-9.
_WELL_CONDITIONED = 1e-7


class Truncated(NamedTuple):
    """What `truncated_solve` found, and how many singular values it kept."""

    solution: Float[np.ndarray, " columns"]
    rank: int


def truncated_solve(
    matrix: Float[np.ndarray, "rows columns"], target: Float[np.ndarray, " rows"]
) -> Truncated:
    """The x of smallest |A x - b|² + (ε σ₁ |x|)² among those of truncated singular values.

    The first term falls and the second grows with each singular value that is kept. The second is
    what rounding adds to A x, so that no accuracy is bought by coefficients that would cancel it.
    Columns are brought to equal length before. All are kept where the matrix is well conditioned,
    without singular values, which take several times longer.
    """
    lengths = np.linalg.norm(matrix, axis=0)
    lengths = np.where(lengths > 0, lengths, 1.0)
    q, r = np.linalg.qr(matrix / lengths)
    y = q.T @ target
    if _is_well_conditioned(r):
        return Truncated(scipy.linalg.solve_triangular(r, y) / lengths, len(y))
    left, values, right = np.linalg.svd(r)
    kept = values > 0
    along, values, right = (left.T @ y)[kept], values[kept], right[kept]
    if not len(values):
        return Truncated(np.zeros(matrix.shape[1]), 0)
    outside = np.sum((target - q @ y) ** 2)
    left_out = np.append(np.cumsum((along**2)[::-1])[::-1][1:], 0.0) + outside
    size = np.cumsum((along / values) ** 2)
    rounding = (np.finfo(matrix.dtype).eps * values[0]) ** 2 * size
    rank = int(np.argmin(left_out + rounding)) + 1
    solution = right[:rank].T @ (along[:rank] / values[:rank])
    return Truncated(solution / lengths, rank)


def _is_well_conditioned(r: Float[np.ndarray, "columns columns"]) -> bool:
    """Whether the reciprocal condition number of a triangular matrix is large enough."""
    if r.shape[0] != r.shape[1] or not np.isfinite(r).all():
        return False
    (trcon,) = scipy.linalg.get_lapack_funcs(("trcon",), (r,))
    reciprocal, _ = trcon(r)
    return bool(reciprocal > _WELL_CONDITIONED)
