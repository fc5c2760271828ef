"""Functional maps refined by more and more eigenfunctions."""

import operator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .laplacian import Basis
from .pointwise import checked_map, nearest_vertices


def zoomout(
    C: Float[Array | np.ndarray, "..."],
    source: Basis,
    target: Basis,
    *,
    size: int | None = None,
    step: int = 1,
) -> Float[Array, "k2 k1"]:
    """Refine a functional map by more and more eigenfunctions.

        T = pointwise(C),   C ← Φ₂ᵀ M₂ Φ₁[T]   with `step` more functions on each surface

    **Arguments:**

    - `C`: a functional map to begin with, (k₂, k₁).
    - `source`, `target`: bases of at least `size` functions.
    - `size`: functions on each surface in the end; by default all.
    - `step`: more functions in each step; 1 is best, larger ones are faster.

    **Returns:** the refined map, (size, size), or (k₂', k₁') by default.

    **Raises:** `ValueError` for a C that is no matrix, larger than the bases or not finite, a size
    beyond them, or a step below 1. Under `jit` a C that is not finite gives NaN.

    **Notes:** it follows C: a map that mixes both sides of a symmetric surface stays so. All steps
    are one compiled program, whose products have the final size.

    **Source:** Melzi et al., ACM Trans. Graph. 38 (6), 155 (2019).

    ```python
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [0.0, 2.0]])
    basis = jsci.analysis.mesh_laplacian(square, np.array([[0, 1, 2], [0, 2, 3]])).basis(4)
    C = jsci.analysis.zoomout(jnp.eye(3), basis, basis)
    C.shape  # (4, 4)
    ```
    """
    C = checked_map(C, source, target)
    if operator.index(step) < 1:
        raise ValueError(f"step must be at least 1, got {step}.")
    there = len(target.values), len(source.values)
    ends = there if size is None else (size, size)
    if any(not k <= end <= most for k, end, most in zip(C.shape, ends, there, strict=True)):
        raise ValueError(
            f"size must be between those of C, {C.shape}, and of the bases, {there}, got {size}."
        )
    count = max(-(-(end - k) // step) for k, end in zip(C.shape, ends, strict=True))
    growth = step * np.arange(1, count + 1)[:, None]
    sizes = np.minimum(np.array(C.shape) + growth, ends)
    padded = jnp.zeros(ends, C.dtype).at[: C.shape[0], : C.shape[1]].set(C)
    one, two = source.functions[:, : ends[1]], target.functions[:, : ends[0]]
    refined = _refine(padded, one, two, target.mass, jnp.asarray(sizes))
    return jnp.where(jnp.isfinite(C).all(), refined, jnp.nan)


@eqx.filter_jit
def _refine(C, one, two, mass, sizes):
    """All steps: functions beyond the size of a step have zeros in C."""

    def grow(C, size):
        points = nearest_vertices(C, one, two)
        full = two.T @ (mass[:, None] * one[points])
        rows, columns = (jnp.arange(n) < k for n, k in zip(full.shape, size, strict=True))
        return jnp.where(rows[:, None] & columns[None], full, 0), None

    return jax.lax.scan(grow, C, sizes)[0]
