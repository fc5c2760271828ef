"""Maps of functions between surfaces, as small matrices in their eigenfunctions."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Float, Shaped

from .laplacian import Basis

Mask = Literal["laplacian", "resolvent"]


def functional_map(
    source: Basis,
    target: Basis,
    f: Float[Array | np.ndarray, "..."],
    g: Float[Array | np.ndarray, "..."],
    *,
    mask: Mask | Shaped[Array | np.ndarray, "..."] = "laplacian",
    strength: Float[Array, ""] | float = 1.0,
) -> Float[Array, "k2 k1"]:
    """The linear map of functions on one surface to those on another that fits known pairs.

        C = argmin |C F - G|²/d + strength Σ mask[i, j] C[i, j]²,   F = Φ₁ᵀ M₁ f,   G = Φ₂ᵀ M₂ g

    Each pair is scaled to norm 1. Differentiable in the functions, the mask and the strength.

    **Arguments:**

    - `source`, `target`: the bases of the two surfaces, of k₁ and k₂ functions.
    - `f`, `g`: d functions on each that correspond, (n₁, d) and (n₂, d), such as heat kernels of
        landmarks.
    - `mask`: how unlikely an entry is, at least 0. `"laplacian"` is the squared difference of
        eigenvalues as shares of the largest: maps without stretching commute with the Laplacian.
        `"resolvent"` does the same for a bounded operator made of it. Or any array, (k₂, k₁),
        such as one that was learned.
    - `strength`: of the mask, beside the mean misfit of the pairs.

    **Returns:** C, (k₂, k₁).

    **Raises:** `ValueError` for functions or a mask whose shape does not fit, a function that is
    zero or not finite, a mask below 0, and a strength that is negative or not finite.

    **Notes:** a surface that is its own mirror image needs functions that are not, such as
    landmarks on one side: otherwise the map mixes both.

    **Good values:** 20 to 50 eigenfunctions and the strength 1, then `zoomout`.

    **Source:** Ovsjanikov et al., ACM Trans. Graph. 31 (4), 30 (2012); Ren, Panine, Wonka &
    Ovsjanikov, Comput. Graph. Forum 38 (5), 39 (2019), for the resolvent.

    ```python
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [0.0, 2.0]])
    basis = jsci.analysis.mesh_laplacian(square, np.array([[0, 1, 2], [0, 2, 3]])).basis(3)
    C = jsci.analysis.functional_map(basis, basis, square, square, strength=1e-6)
    jsci.analysis.pointwise(C, basis, basis)  # 0, 1, 2, 3
    ```
    """
    f, g = jnp.asarray(f), jnp.asarray(g)
    _check_functions("f", f, source)
    _check_functions("g", g, target)
    if f.shape[1] != g.shape[1]:
        raise ValueError(f"f and g must be pairs, got {f.shape[1]} and {g.shape[1]} functions.")
    if not isinstance(strength, Tracer) and not 0 <= float(strength) < float("inf"):
        raise ValueError(f"strength must be at least 0 and finite, got {strength}.")
    penalty = jnp.asarray(strength) * _penalty(mask, source, target)
    a, b = _coefficients(source, f), _coefficients(target, g)
    gram, known = a @ a.T / f.shape[1], b @ a.T / f.shape[1]
    # Where neither pairs nor mask say anything, the smallest map.
    ridge = len(gram) * jnp.finfo(gram.dtype).eps * jnp.trace(gram)

    def row(weights, known):
        factor = jnp.linalg.cholesky(gram + jnp.diag(weights + ridge))
        return cho_solve((factor, True), known)

    return jax.vmap(row)(penalty, known)


def _coefficients(basis, f):
    """Of functions of norm 1."""
    # Squares of small functions vanish.
    f = f / jax.lax.stop_gradient(jnp.max(jnp.abs(f), axis=0, keepdims=True))
    norms = jnp.sqrt(jnp.sum(basis.mass[:, None] * f**2, axis=0))
    return basis.functions.T @ (basis.mass[:, None] * f / norms[None])


def _penalty(mask, source, target):
    """The mask as an array."""
    shape = len(target.values), len(source.values)
    if not isinstance(mask, str):
        mask = jnp.asarray(mask)
        if mask.shape != shape:
            raise ValueError(f"mask must be (k₂, k₁) = {shape}, got {mask.shape}.")
        if not isinstance(mask, Tracer) and not (np.asarray(mask) >= 0).all():
            raise ValueError(f"mask must not be negative, got {np.min(np.asarray(mask))}.")
        return mask
    if mask not in get_args(Mask):
        raise ValueError(f"mask must be an array or one of {get_args(Mask)}, got {mask!r}.")
    largest = jnp.maximum(source.values[-1], target.values[-1])
    largest = jnp.where(largest > 0, largest, 1)  # the constant functions alone
    one, two = (basis.values / largest for basis in (source, target))
    if mask == "laplacian":
        return (two[:, None] - one[None]) ** 2
    real, imaginary = (
        (part(two)[:, None] - part(one)[None]) ** 2
        for part in (lambda x: jnp.sqrt(x) / (x + 1), lambda x: 1 / (x + 1))
    )
    return real + imaginary


def _check_functions(name, f, basis):
    n = len(basis.mass)
    if f.ndim != 2 or f.shape[0] != n or not f.shape[1]:
        raise ValueError(f"{name} must be functions on {n} vertices, ({n}, d), got {f.shape}.")
    if jnp.iscomplexobj(f):
        raise TypeError(f"{name} must be real, got {f.dtype}.")
    if isinstance(f, Tracer):
        return
    sizes = np.abs(np.asarray(f)).max(0)
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        wrong = int(np.argmin(np.isfinite(sizes) & (sizes > 0)))
        raise ValueError(f"{name}[:, {wrong}] is zero or not finite. Leave that pair out.")
