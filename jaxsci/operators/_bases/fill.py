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
    ridge: float = 1e-10,
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
        fit into a hole. What it leaves out is an error in the hole: for a smooth field on 64
        points, 10 of them a hole, 8 modes, 2e-7 at 1e-10 and 9e-4 at 1e-6, which noise of 1e-4 to
        0.1 does not justify either. Give more where far fewer points than modes are known.

    **Returns:** the field, defined everywhere and unchanged where it was. It is linear in `a`.

    **Raises:** `ValueError` for weights of another shape than the grid, a grid too coarse for the
    modes, a negative ridge, options as in `FNO`, and, outside jit, weights that are negative, not
    finite or all zero, or a field that is not finite where its weight is not zero; `TypeError` for
    a basis of one's own. Under jit, weights that are not finite or all zero give NaN.

    **Notes:** as far from the coast as the shortest wave kept, values are a guess: more modes make
    a smooth field better there only as long as their waves are longer than the hole is wide.
    Memory is points × coefficients, and the equations are solved again for every mask.

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
    coefficients = _ridge_regression(functions, defined, share, ridge)
    # A share that is no number makes NaN of the field, not the field itself.
    kept = jnp.where(share > 0, defined, functions @ coefficients)
    return kept.reshape(a.shape)


def _ridge_regression(functions, values, share, ridge):
    """By an orthogonal factorisation: in float32 the normal equations lose all digits in a hole."""
    count = functions.shape[1]
    weighted, target = (jnp.sqrt(share) * v for v in (functions, values))
    damping = jnp.sqrt(ridge * jnp.sum(weighted**2) / count)
    q, r = jnp.linalg.qr(jnp.concatenate([weighted, damping * jnp.eye(count, dtype=values.dtype)]))
    return jax.scipy.linalg.solve_triangular(r, q[: len(target)].T @ target)
