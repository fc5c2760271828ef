"""Values and derivatives of the interpolant of a field in the basis of each axis."""

from collections.abc import Sequence

from jaxtyping import Array, Float

from .._fields.axis_points import Points
from .._fields.fields import as_lengths, check_floating, check_real_and_filled
from .._fields.matrix_products import along_axis
from .._fields.periodicity import warn_unless_periodic
from .axes import Axis, AxisBasis, as_axes, check_grids

_OTHERS = "Other fields have a basis= of 'sine', 'cosine' or 'chebyshev'."


def resample(
    a: Float[Array, "*grid channels"],
    out_grid: Sequence[int],
    *,
    basis: AxisBasis | Sequence[AxisBasis] = "fourier",
    points: Points | Sequence[Points] | None = None,
) -> Float[Array, "*out_grid channels"]:
    """Interpolation of a field to another number of points along each axis.

        b(x) = Σ_k a_k φ_k(x),   k up to what both grids resolve

    **Arguments:**

    - `a`: one sample `(*grid, channels)`.
    - `out_grid`: number of points along each axis of the result; modes that it cannot represent are
        dropped, so that coarsening does not alias.
    - `basis`: "fourier" for periodic fields; "sine", "cosine" or "chebyshev" for fields that
        vanish, have zero slope, or are arbitrary at the boundary. One for all axes or one per axis.
    - `points`: of both grids, as in `basis_points`: "left", "ends" or "cells", one for all axes or
        one per axis. By default those of the basis: i/N for "fourier".

    **Returns:** the field on the new grid; exact if `a` is in the span of the functions that both
    grids resolve.

    **Raises:** `ValueError` if `out_grid` has another number of axes or no points, and for an
    unknown basis or points that do not suit it; `TypeError` for integers.

    **Notes:** warns of a field that is not periodic along a Fourier axis, whose interpolant
    oscillates at the ends.

    ```python
    fine = jsci.operators.resample(a, (128,))  # a: (64, 1), fine: (128, 1)
    ```
    """
    grid = a.shape[:-1]
    if len(out_grid) != len(grid) or any(n < 1 or n % 1 for n in out_grid):
        raise ValueError(
            f"resample() needs one whole number of points for each of the {len(grid)} grid axes of "
            f"a field of shape {a.shape}; got out_grid={tuple(out_grid)}."
        )
    check_floating(a, "resample()")
    axes = as_axes(len(grid), basis=basis, points=points, name="resample()")
    check_grids(axes, (0,) * len(grid), grid, out_grid)
    seams = [place for place, axis in enumerate(axes) if axis.periodic]
    warn_unless_periodic(a, seams, "resample()", _OTHERS, points=[axis.points for axis in axes])
    return interpolate(a, out_grid, axes)


def interpolate(
    a: Float[Array, "*grid channels"], out_grid: Sequence[int], axes: Sequence[Axis]
) -> Float[Array, "*out_grid channels"]:
    """`resample` without its checks."""
    for place, (axis, target) in enumerate(zip(axes, out_grid, strict=True)):
        n = a.shape[place]
        m = max(0, min(axis.highest(n), axis.highest(target)))
        a = along_axis(axis.functions(target, m) @ axis.coefficients(n, m), a, place)
    return a


def spectral_derivative(
    a: Float[Array, "*grid channels"],
    axis: int = 0,
    *,
    order: int = 1,
    lengths: float | Sequence[float] = 1.0,
    basis: AxisBasis | Sequence[AxisBasis] = "fourier",
    points: Points | Sequence[Points] | None = None,
) -> Float[Array, "*grid channels"]:
    """Derivative of a field along one axis: of its interpolant in a basis, exactly.

        ∂ⁿa(x) = Σ_k a_k ∂ⁿφ_k(x),   for periodic fields Σ_{|k| < N/2} (2πi k/L)ⁿ a_k exp(2πi k x/L)

    Use it for the equation loss of an operator (PINO) on a grid: a residual of the output field,
    such as u u_x - ν u_xx. If the output is a function of coordinates, as for `DeepONet`, use
    `jsci.derivative`.

    **Arguments:**

    - `a`: one sample `(*grid, channels)`.
    - `axis`: the grid axis.
    - `order`: n >= 0.
    - `lengths`: L, one for all axes or one per axis.
    - `basis`: "fourier" for periodic fields; "sine", "cosine" or "chebyshev" for fields that
        vanish, have zero slope, or are arbitrary at the boundary. One for all axes or one per axis.
    - `points`: where the points are, as in `basis_points`, times L: "left", "ends" or "cells", one
        for all axes or one per axis. By default those of the basis: i L/N for "fourier", without
        the end L, where the field repeats.

    **Returns:** the derivative on the same grid.

    **Raises:** `ValueError` for an axis outside the grid, a negative order, lengths that are not
    positive, and an unknown basis or points that do not suit it; `TypeError` for integers.

    **Notes:** warns of a field that is not periodic along a Fourier axis, whose derivative is wrong
    by the jump at the ends times N. Each Chebyshev derivative multiplies rounding by up to N².

    ```python
    u_xx = jsci.operators.spectral_derivative(u, 0, order=2, lengths=2 * jnp.pi)  # u: (64, 1)
    ```
    """
    if not 0 <= axis < a.ndim - 1 or order < 0:
        raise ValueError(
            f"spectral_derivative() takes an axis from 0 to {a.ndim - 2} of this field's grid and "
            f"order >= 0; got axis={axis} and order={order}."
        )
    name = "spectral_derivative()"
    check_real_and_filled(a, name)
    check_floating(a, name)
    length = as_lengths(lengths, a.ndim - 1, name)[axis]
    axes = as_axes(a.ndim - 1, basis=basis, points=points, name=name)
    along, n = axes[axis], a.shape[axis]
    check_grids([along], [0], [n], [n])
    if along.periodic:
        warn_unless_periodic(a, [axis], name, _OTHERS, points=[x.points for x in axes])
    m = along.highest(n)
    matrix = along.functions(n, m, order) @ along.coefficients(n, m)
    return along_axis(matrix / length**order, a, axis)
