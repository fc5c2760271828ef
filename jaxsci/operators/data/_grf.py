"""Gaussian random fields: random functions of prescribed smoothness, at any points."""

from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.matrix_products import along_axis

Boundary = Literal["periodic", "neumann", "dirichlet"]


def grf(
    key: PRNGKeyArray,
    grid: int | Sequence[int],
    *,
    boundary: Boundary = "periodic",
    alpha: float = 2.0,
    tau: float = 5.0,
    modes: int = 32,
) -> Float[Array, "*grid"]:
    """A sample of the Gaussian random field N(0, s² (-Δ + τ²)^-α) without its mean, on [0, 1)ᵈ.

        g(x) = s Σ_{k != 0} (λ_k + τ²)^(-α/2) ξ_k φ_k(x),   ξ_k ~ N(0, 1)

    φ are the orthonormal eigenfunctions of -Δ under the boundary condition, λ their eigenvalues,
    and s makes the variance, averaged over the domain, one.

    **Arguments:**

    - `key`: PRNG key. It determines the function, so grids of all sizes sample the same one.
    - `grid`: number of points along each axis, at xᵢ = i/N.
    - `boundary`: "periodic", "neumann" (zero slope) or "dirichlet" (zero value).
    - `alpha`: smoothness; samples have about alpha - d/2 derivatives.
    - `tau`: inverse length scale. Good values: 3 to 10.
    - `modes`: highest wave number along each axis.

    **Returns:** the field, of shape `grid`.

    **Raises:** `ValueError` for an unknown boundary condition, or a grid without points.

    **Source:** Li et al., "Fourier Neural Operator", ICLR 2021, appendix A.3.

    ```python
    g = jsci.operators.data.grf(jax.random.key(0), (64, 64), boundary="neumann", tau=3.0)
    ```
    """
    if min(np.atleast_1d(grid)) < 1:
        raise ValueError(
            f"grid is one positive number of points, or one for each axis; got {grid}."
        )
    points = [np.arange(n) / n for n in np.atleast_1d(grid)]
    return grf_at(key, points, boundary=boundary, alpha=alpha, tau=tau, modes=modes)


def grf_at(
    key: PRNGKeyArray,
    points: Sequence[Float[np.ndarray, " n"]],
    *,
    boundary: Boundary,
    alpha: float,
    tau: float,
    modes: int,
) -> Float[Array, "..."]:
    """`grf` on the product grid of the given coordinates along each axis."""
    if boundary not in ("periodic", "neumann", "dirichlet"):
        raise ValueError(
            f"boundary={boundary!r} is unknown: a Gaussian random field is 'periodic', 'neumann' "
            "or 'dirichlet'."
        )
    bases = [_eigenfunctions(x, boundary, modes) for x in points]
    eigenvalues = 0.0
    for axis, (_, line) in enumerate(bases):
        eigenvalues = eigenvalues + line.reshape(
            [-1 if i == axis else 1 for i in range(len(bases))]
        )
    scale = np.where(eigenvalues > 0, (eigenvalues + tau**2) ** (-alpha / 2), 0.0)
    scale /= np.sqrt(np.sum(scale**2))
    coefficients = jax.random.normal(key, scale.shape)
    field = coefficients * jnp.asarray(scale, coefficients.dtype)
    for axis, (functions, _) in enumerate(bases):
        field = along_axis(functions, field, axis)
    return field


def _eigenfunctions(x, boundary, modes):
    """Orthonormal eigenfunctions of -d²/dx² on [0, 1] at `x`, as (points, k), and eigenvalues."""
    k = np.arange(1, modes + 1)
    angle = np.pi * np.outer(x, k) * (2 if boundary == "periodic" else 1)
    one = np.ones((len(x), 1))
    cos, sin = np.sqrt(2) * np.cos(angle), np.sqrt(2) * np.sin(angle)
    if boundary == "periodic":
        return np.concatenate([one, cos, sin], 1), (2 * np.pi * np.r_[0, k, k]) ** 2
    if boundary == "neumann":
        return np.concatenate([one, cos], 1), (np.pi * np.r_[0, k]) ** 2
    return sin, (np.pi * k) ** 2
