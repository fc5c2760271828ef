"""Functional maps as maps of vertices, and their refinement."""

import operator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from .laplacian import Basis

_ROWS = 256  # of distances between vertices that are in memory at once


def pointwise(
    C: Float[Array | np.ndarray, "..."], source: Basis, target: Basis
) -> Int[Array, " n2"]:
    """Where each vertex of the target comes from: its nearest among the mapped ones of the source.

        T(i) = argmax_j (Φ₂ C Φ₁ᵀ)[i, j] - |C Φ₁ᵀ[:, j]|²/2

    One matrix product, in blocks of rows.

    **Arguments:**

    - `C`: a functional map, (k₂, k₁).
    - `source`, `target`: bases with at least that number of functions, of which the first are used.

    **Returns:** a vertex of the source for each of the target, (n₂,).

    **Raises:** `ValueError` if C is no matrix, larger than the bases or not finite. Under `jit` a
    C that is not finite gives -1 for all vertices.

    **Notes:** in float32 it takes half the time, and some in a thousand vertices go to a neighbour.

    **Source:** Ovsjanikov et al., ACM Trans. Graph. 31 (4), 30 (2012).

    ```python
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [0.0, 2.0]])
    basis = jsci.analysis.mesh_laplacian(square, np.array([[0, 1, 2], [0, 2, 3]])).basis(3)
    jsci.analysis.pointwise(jnp.eye(3), basis, basis)  # 0, 1, 2, 3
    ```
    """
    C = _checked(C, source, target)
    k2, k1 = C.shape
    points = _pointwise(C, source.functions[:, :k1], target.functions[:, :k2])
    return jnp.where(jnp.isfinite(C).all(), points, -1)


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
    C = _checked(C, source, target)
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
        points = _pointwise(C, one, two)
        full = two.T @ (mass[:, None] * one[points])
        rows, columns = (jnp.arange(n) < k for n, k in zip(full.shape, size, strict=True))
        return jnp.where(rows[:, None] & columns[None], full, 0), None

    return jax.lax.scan(grow, C, sizes)[0]


@eqx.filter_jit
def _pointwise(C, one, two):
    """Nearest by |e|² - 2 e·x, which orders distances to x."""
    mapped = one @ C.T
    half = 0.5 * jnp.sum(mapped**2, axis=1)
    places = jnp.arange(len(one))

    def nearest(x):
        """The first place of the maximum: two reductions run on vector units, `argmax` does not."""
        scores = mapped @ x - half
        return jnp.min(places, where=scores == jnp.max(scores), initial=len(places))

    return jax.lax.map(nearest, two, batch_size=_ROWS)


def _checked(C, source, target):
    C = jnp.asarray(C)
    most = len(target.values), len(source.values)
    if C.ndim != 2 or not C.size or any(k > m for k, m in zip(C.shape, most, strict=True)):
        raise ValueError(f"C must be a matrix of at most (k₂, k₁) = {most}, got {C.shape}.")
    if jnp.iscomplexobj(C):
        raise TypeError(f"C must be real, got {C.dtype}.")
    if not isinstance(C, Tracer) and not np.isfinite(C).all():
        raise ValueError(f"C has {np.sum(~np.isfinite(C))} entries that are not finite.")
    return C.astype(jnp.result_type(source.functions, target.functions))
