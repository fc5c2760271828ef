"""Fields continued smoothly over the points where they are not defined."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._fields.axis_points import Points
from .._fields.fields import as_modes, check_counted, check_floating, check_real_and_filled, known
from .._spectral.axes import AxisBasis
from .._spectral.spherical_conv import SphereGrid
from .basis import Basis
from .grid_basis import GridBasis
from .names import BasisName, as_basis
from .sphere import SphereBasis


def fill(
    a: Float[Array, "*grid channels"],
    weights: Float[Array, "..."],
    *,
    modes: int | Sequence[int],
    padding: float | Sequence[float] = 0.0,
    basis: Basis | BasisName | Sequence[AxisBasis] = "fourier",
    points: Points | Sequence[Points] | None = None,
    grid: SphereGrid | None = None,
    ridge: float = 1e-6,
) -> Float[Array, "*grid channels"]:
    """Continues a field over land, wells or holes: by its best expansion where it is defined.

        b(x) = a(x) where w(x) > 0, else Σ_k c_k φ_k(x)
        c = argmin Σᵢ wᵢ |a(xᵢ) - Σ_k c_k φ_k(xᵢ)|² + λ |c|²

    A spectral layer expands a field on the whole grid. Zeros on land would be a cliff on each
    coast, which all coefficients see; this way those of a smooth field are its own, by least
    squares on the sea alone, and what is on land has no influence. Use it on the input of a
    network, and `weights=` in the loss.

    **Arguments:**

    - `a`: one sample `(*grid, channels)`.
    - `weights`: quadrature weights `(*grid,)`, up to a factor; zero where the field is not defined,
        whatever its value there, NaN too.
    - `modes`: highest wave number or degree along each axis, as in `FNO`. Good values: those of the
        network, or fewer than the number of points across the largest hole.
    - `padding`, `basis`, `points`, `grid`: as in `FNO`.
    - `ridge`: λ over the mean diagonal of the normal equations, >= 0. It keeps waves small that
        fit into a hole. In float32 at least 1e-6.

    **Returns:** the field, defined everywhere and unchanged where it was. It is linear in `a`.

    **Raises:** `ValueError` for weights of another shape than the grid, a grid too coarse for the
    modes, a negative ridge, options as in `FNO`, and, outside jit, weights that are negative, not
    finite or all zero, or a field that is not finite where its weight is not zero; `TypeError` for
    a basis of one's own. Under jit, weights that are not finite or all zero give NaN.

    **Notes:** memory is points × coefficients, and the equations are solved again for every mask.

    ```python
    sea = jnp.ones(64).at[20:30].set(0)
    b = jsci.operators.fill(jnp.where(sea[:, None] == 0, jnp.nan, a), sea, modes=8)
    ```
    """
    check_real_and_filled(a, "fill()")
    check_floating(a, "fill()")
    check_counted(a, weights, "fill()", "a")
    given = known(weights)
    if given is not None and not (np.isfinite(given).all() and (given >= 0).all()):
        raise ValueError(
            f"fill() needs weights that are finite and >= 0; they reach from {np.min(given)} to "
            f"{np.max(given)}."
        )
    if given is not None and not np.any(given):
        raise ValueError("fill(): every weight is zero, so that the field is known nowhere.")
    if not ridge >= 0:
        raise ValueError(f"fill() needs ridge >= 0, got {ridge}.")
    chosen = as_basis(basis, padding=padding, points=points, grid=grid)
    if not isinstance(chosen, GridBasis | SphereBasis):
        raise TypeError(f"fill() knows the functions of the bases of jaxsci; got {chosen!r}.")
    table = chosen.functions(a.shape[:-1], as_modes(modes, "fill()"))
    functions = jnp.asarray(table, a.dtype)
    share = (weights / jnp.sum(weights)).astype(a.dtype).reshape(-1, 1)
    defined = jnp.where(share == 0, 0, a.reshape(len(share), -1))
    normal = functions.T @ (share * functions)
    normal = normal + ridge * jnp.trace(normal) / len(normal) * jnp.eye(len(normal), dtype=a.dtype)
    coefficients = jax.scipy.linalg.solve(normal, functions.T @ (share * defined), assume_a="pos")
    # A share that is no number makes NaN of the field, not the field itself.
    kept = jnp.where(share > 0, defined, functions @ coefficients)
    return kept.reshape(a.shape)
