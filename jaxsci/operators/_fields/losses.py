"""Errors of functions, as integrals: their values do not depend on the grid."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .axis_points import Points, as_points, intervals, per_axis, without_repeated_ends
from .fields import as_lengths, check_counted, check_real_and_filled, known, root
from .periodicity import warn_unless_periodic


def relative_l2(
    prediction: Float[Array, "*grid channels"],
    target: Float[Array, "..."],
    *,
    weights: Float[Array, "..."] | None = None,
    points: Points | Sequence[Points] = "left",
    floor: float = 0.0,
) -> Float[Array, ""]:
    """Relative distance of two functions in L².

        ‖p - u‖ / max(‖u‖, floor),   ‖v‖² = ∫ |v(x)|² dx / ∫ dx = Σᵢ wᵢ |v(xᵢ)|² / Σᵢ wᵢ

    with |v|² the mean square of the channels.

    **Arguments:**

    - `prediction`, `target`: one sample each, `(*grid, channels)`.
    - `weights`: quadrature weights `(*grid,)` of the points, up to a factor, for nonuniform grids.
        Points of weight zero do not count, whatever their values: masked land may be NaN.
    - `points`: where the points are along each axis: "left" (i/N), "ends" (i/(N - 1)), whose end
        points count half, or "cells" ((i + 1/2)/N); one for all axes or one per axis. They multiply
        the weights.
    - `floor`: the smallest ‖u‖ to divide by, in the unit of the fields. Good value: a thousandth
        of the typical norm, where some targets are nearly zero.

    **Returns:** a scalar. Its gradient at `prediction == target` is zero, not NaN. A target that is
    zero everywhere has no relative error: without a `floor` its norm counts as 1, which gives the
    absolute error ‖p‖.

    **Raises:** `ValueError` if the shapes differ, for weights of another shape than the grid,
    unknown points, a negative floor, or, outside jit, a target that is not finite where its weight
    is not zero.

    **Notes:** channels share one norm, in which small channels hardly count. Scale them, or take
    the error of each: `jax.vmap(relative_l2, -1)(p[..., None, :], u[..., None, :])`. As a term of
    an objective it is squared: `fit` reports the mean square of the relative error.

    ```python
    error = lambda params, s: jsci.operators.relative_l2(f(params, s[0]), s[1])
    loss = jsci.objective({"data": error})
    ```
    """
    _check_pair(prediction, target, floor, "relative_l2")
    prediction, target, weights = _masked(prediction, target, weights, "relative_l2()")
    where = as_points(points, target.ndim - 1, "relative_l2()")
    combined = _with_ends(weights, target, where)

    def norm(v):
        return _mean_square(v, combined)

    return _relative(norm, prediction, target, floor)


def h1(
    prediction: Float[Array, "*grid channels"],
    target: Float[Array, "..."],
    *,
    periodic: bool | Sequence[bool] = False,
    lengths: float | Sequence[float] = 1.0,
    points: Points | Sequence[Points] = "left",
    weights: Float[Array, "..."] | None = None,
    floor: float = 0.0,
) -> Float[Array, ""]:
    """Relative distance of two functions in H¹: of their values and their first derivatives.

        ‖p - u‖₁ / max(‖u‖₁, floor),   ‖v‖₁² = ∫ |v|² + |∇v|² dx / ∫ dx   over (0, L₁) × (0, L₂) ...

    Derivatives are second-order central differences, one-sided at the ends of an axis that is not
    periodic and beside points that do not count.

    **Arguments:**

    - `prediction`, `target`: one sample each, `(*grid, channels)`.
    - `periodic`: whether the functions are periodic, for all axes or for each one.
    - `lengths`: L, one for all axes or one per axis. It weighs slopes against values.
    - `points`: where the points are along each axis, times L: "left" (i/N), "ends" (i/(N - 1)) or
        "cells" ((i + 1/2)/N), one for all axes or one per axis.
    - `weights`: as in `relative_l2`. Points of weight zero do not count, whatever their values.
    - `floor`: as in `relative_l2`, for ‖u‖₁.

    **Returns:** a scalar, with a zero gradient at `prediction == target`; for a target that is zero
    everywhere as in `relative_l2`. Second-order accurate in the spacing; first-order on "left"
    points along an axis that is not periodic, whose last interval is left out.

    **Raises:** `ValueError` if the shapes differ, an axis has fewer than three points, for lengths
    that are not positive, unknown points, weights of another shape than the grid, or, outside jit,
    a target that is not finite where its weight is not zero. With `periodic` it warns of a target
    that does not repeat.

    ```python
    error = jsci.operators.h1(model(a), u, lengths=2 * jnp.pi)
    ```
    """
    _check_pair(prediction, target, floor, "h1")
    grid = target.shape[:-1]
    if min(grid, default=0) < 3:
        raise ValueError(
            "h1() differentiates fields (*grid, channels): each grid axis needs 3 points, got grid "
            f"{grid}."
        )
    dim = len(grid)
    sizes, where = as_lengths(lengths, dim, "h1()"), as_points(points, dim, "h1()")
    repeats = per_axis(periodic, dim, "h1()", "periodic")
    seams = [axis for axis in range(dim) if repeats[axis]]
    prediction, target, weights = _masked(prediction, target, weights, "h1()")
    if weights is None:
        warn_unless_periodic(target, seams, "h1(periodic=True)", "Use periodic=False.", 3, where)
    spacings = [l / intervals(n, p) for l, n, p in zip(sizes, grid, where, strict=True)]
    # A repeated end is the same point: it counts once.
    twice = [axis for axis in seams if where[axis] == "ends"]
    prediction, target = (without_repeated_ends(v, twice) for v in (prediction, target))
    counted = None if weights is None else without_repeated_ends(weights, twice) != 0
    combined = _with_ends(
        None if weights is None else without_repeated_ends(weights, twice),
        target,
        ["cells" if axis in twice else p for axis, p in enumerate(where)],
    )

    def norm(v):
        slopes = (_slope(v, axis, spacings[axis], repeats[axis], counted) for axis in range(dim))
        return _mean_square(v, combined) + sum(_mean_square(s, combined) for s in slopes)

    return _relative(norm, prediction, target, floor)


def _slope(v, axis, spacing, periodic, counted):
    if counted is not None:
        return _slope_between(v, axis, spacing, periodic, counted[..., None])
    if periodic:
        return (jnp.roll(v, -1, axis) - jnp.roll(v, 1, axis)) / (2 * spacing)
    return jnp.gradient(v, spacing, axis=axis)


def _slope_between(v, axis, spacing, periodic, counted):
    """Differences between points that count, one-sided beside one that does not."""
    n, place = v.shape[axis], jax.lax.broadcasted_iota(int, v.shape, axis)
    after, before = jnp.roll(v, -1, axis), jnp.roll(v, 1, axis)
    has_after = jnp.roll(counted, -1, axis) & (periodic | (place < n - 1))
    has_before = jnp.roll(counted, 1, axis) & (periodic | (place > 0))
    steps = has_after.astype(v.dtype) + has_before.astype(v.dtype)
    rise = jnp.where(has_after, after, v) - jnp.where(has_before, before, v)
    return rise / (jnp.maximum(steps, 1) * spacing)


def _masked(prediction, target, weights, name):
    """Both fields with zero where the weight is zero, and the weights."""
    if weights is None:
        return prediction, target, None
    check_counted(target, weights, name, "target")
    masked = (weights == 0)[..., None]
    prediction, target = (jnp.where(masked, 0, v) for v in (prediction, target))
    return prediction, target, weights


def _with_ends(weights, target, points):
    """The weights times those of the trapezoidal rule along axes with both ends."""
    grid = target.shape[:-1]
    for axis, where in enumerate(points):
        if where == "ends":
            ends = np.ones(grid[axis])
            ends[[0, -1]] = 0.5
            line = jnp.asarray(ends.reshape([-1 if i == axis else 1 for i in range(len(grid))]))
            weights = (jnp.ones(grid, target.dtype) if weights is None else weights) * line
    return weights if weights is None else weights.astype(target.dtype)


def _mean_square(v, weights):
    if weights is None:
        return jnp.mean(v**2)
    total = jnp.sum(weights)
    return jnp.sum(weights[..., None] * v**2) / (jnp.where(total == 0, 1, total) * v.shape[-1])


def _relative(square, prediction, target, floor):
    """√square(p - u) / max(√square(u), floor), with squares in units of the largest |u| or `floor`.

    So they neither underflow nor overflow, whatever the unit of the fields. The unit cancels in the
    ratio and its derivatives.
    """
    unit = jax.lax.stop_gradient(jnp.maximum(jnp.max(jnp.abs(target)), floor))
    unit = jnp.where(unit == 0, 1, unit)
    distance = root(square((prediction - target) / unit))
    size = jnp.maximum(root(square(target / unit)), floor / unit)
    return distance / jnp.where(size == 0, 1, size)


def _check_pair(prediction, target, floor, name):
    if prediction.shape != target.shape:
        raise ValueError(
            f"{name}() compares two samples on one grid; got shapes {prediction.shape} and "
            f"{target.shape}. Evaluate the model on the target's grid."
        )
    check_real_and_filled(target, f"{name}()")
    check_real_and_filled(prediction, f"{name}()")
    given = known(floor)
    if given is not None and not given >= 0:
        raise ValueError(f"{name}() needs floor >= 0, the smallest norm to divide by; got {floor}.")
