"""Which structures to label next: those that tell most, given each other."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Real


class Selection(NamedTuple):
    """What `select` returns.

    - `index`: (count,), rows of the kernel in the order in which they were chosen.
    - `variances`: (count,), of each when it was chosen, given all before it: descending, in the
        unit of the kernel.
    """

    index: Int[Array, " count"]
    variances: Float[Array, " count"]


def select(
    kernel: Real[Array, "n n"],
    count: int,
    *,
    known: Sequence[int] | Int[np.ndarray, " known"] = (),
    noise: float = 0.0,
) -> Selection:
    """Candidates whose kernel has the largest determinant, chosen one after another.

        i = argmax_i k_ii - k_iS (K_SS + s²)⁻¹ k_Si,   S ← (S, i)

    Each is the one of largest variance under a Gaussian process, given those before it, so that
    two that are alike are not both chosen. By a pivoted Cholesky factorisation.

    **Arguments:**

    - `kernel`: covariances of the predictions for n candidates, such as
        `jsci.gram(f, params, candidates)` times the variance of the parameters.
    - `count`: how many to choose.
    - `known`: rows that are labelled already, which are given and are not chosen.
    - `noise`: s², the variance of a label, in the unit of the kernel.

    **Returns:** a `Selection`.

    **Raises:** `ValueError` for a kernel that is not square, symmetric and finite with a
    non-negative diagonal and |k_ij|² <= k_ii k_jj, more candidates than there are, known rows that
    are not there, or a negative noise.

    **Notes:** log det(1 + K_SS/s²) is at least 63 % of what the best subset of the same size has. A
    variance of zero says that what was chosen before determines the rest. Memory is n times the
    number of rows known and chosen.

    **Good values:** the kernel of energies per atom, with the noise of a label's own error.

    **Source:** Krause, Singh & Guestrin, J. Mach. Learn. Res. 9, 235 (2008); the factorisation:
    Harbrecht, Peters & Schneider, Appl. Numer. Math. 62, 428 (2012).

    ```python
    kernel = jnp.array([[1.0, 0.9, 0.0], [0.9, 1.1, 0.0], [0.0, 0.0, 0.5]])
    jsci.atoms.select(kernel, 2).index  # 1, 2: the first is much like the second
    ```
    """
    kernel = jnp.asarray(kernel)
    kernel = kernel.astype(jnp.result_type(kernel, float))  # of integers too
    rows = _rows(known)
    _check(kernel, count, rows, noise)
    steps = len(rows) + count
    state = (jnp.diagonal(kernel), jnp.zeros((steps, len(kernel)), kernel.dtype))

    def step(k, carry):
        (variances, factor), free, index, found = carry
        best = jnp.argmax(jnp.where(free, variances, -jnp.inf))
        forced = jnp.asarray(np.concatenate([rows, np.zeros(count, int)]))[k]
        chosen = jnp.where(k < len(rows), forced, best)
        row = _row(kernel, chosen, variances, factor, noise)
        index, found = index.at[k].set(chosen), found.at[k].set(variances[chosen])
        left = jnp.maximum(variances - row**2, 0.0)
        return (left, factor.at[k].set(row)), free.at[chosen].set(False), index, found

    begin = (
        state,
        jnp.ones(len(kernel), bool).at[rows].set(False),
        jnp.zeros(steps, int),
        jnp.zeros(steps, kernel.dtype),
    )
    _, _, index, found = jax.lax.fori_loop(0, steps, step, begin)
    return Selection(index[len(rows) :], found[len(rows) :])


def _rows(known: Sequence[int] | Int[np.ndarray, " known"]) -> Int[np.ndarray, " known"]:
    rows = np.asarray(known).reshape(-1)
    if rows.size and not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(f"known must be the numbers of rows, not a mask or floats, got {known!r}.")
    return rows.astype(int)


def _row(kernel: Array, chosen: Array, variances: Array, factor: Array, noise: float) -> Array:
    """The next row of the factor; zero where rounding is all that is left of the pivot."""
    pivot = variances[chosen] + noise
    rest = kernel[chosen] - factor[:, chosen] @ factor
    least = len(kernel) * jnp.finfo(kernel.dtype).eps * kernel[chosen, chosen]
    return jnp.where(pivot > least, rest / jnp.sqrt(jnp.where(pivot > least, pivot, 1.0)), 0.0)


def _check(kernel: Array, count: int, rows: np.ndarray, noise: float) -> None:
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"kernel must be square, (n, n), got the shape {kernel.shape}.")
    n = len(kernel)
    if len(set(rows.tolist())) < len(rows) or (len(rows) and not 0 <= rows.min() <= rows.max() < n):
        raise ValueError(f"known must be different rows of 0 to {n - 1}, got {rows.tolist()}.")
    if not 1 <= count <= n - len(rows):
        raise ValueError(
            f"count must be between 1 and the {n - len(rows)} candidates that are not known, got "
            f"{count}."
        )
    if not noise >= 0:
        raise ValueError(f"noise is a variance and must not be negative, got {noise}.")
    if isinstance(kernel, Tracer):
        return
    _check_covariances(np.asarray(kernel))


def _check_covariances(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError("kernel must be finite and symmetric; it has NaN or infinite entries.")
    rounding = np.finfo(values.dtype).eps ** 0.5 * np.abs(values).max()
    gap = np.abs(values - values.T).max()
    if gap > rounding:
        raise ValueError(
            f"kernel must be finite and symmetric; its rows and columns differ by {gap}."
        )
    variances = values.diagonal()
    if variances.min() < 0:
        raise ValueError(f"kernel has a negative variance, {variances.min()}.")
    deviations = np.sqrt(variances)
    excess = (np.abs(values) - deviations[:, None] * deviations).max()
    if excess > rounding:
        raise ValueError(
            f"kernel must hold covariances, |k_ij| <= sqrt(k_ii k_jj), and one is larger by "
            f"{excess}: a table of distances is none."
        )
