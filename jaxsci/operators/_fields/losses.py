"""Errors of functions, as integrals: their values do not depend on the grid."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .fields import as_lengths, check_real_and_filled, check_weights, known
from .periodicity import warn_unless_periodic


def relative_l2(
    prediction: Float[Array, "*grid channels"],
    target: Float[Array, "..."],
    *,
    weights: Float[Array, "..."] | None = None,
    floor: float = 0.0,
) -> Float[Array, ""]:
    """Relative distance of two functions in L².

        ‖p - u‖ / max(‖u‖, floor),   ‖v‖² = ∫ |v(x)|² dx / ∫ dx = Σᵢ wᵢ |v(xᵢ)|² / Σᵢ wᵢ

    with |v|² the mean square of the channels.

    **Arguments:**

    - `prediction`, `target`: one sample each, `(*grid, channels)`.
    - `weights`: quadrature weights `(*grid,)` of the points, up to a factor, for nonuniform grids.
        Points of weight zero do not count, whatever their values: masked land may be NaN.
    - `floor`: the smallest ‖u‖ to divide by, in the unit of the fields. Good value: a thousandth
        of the typical norm, where some targets are nearly zero.

    **Returns:** a scalar. Its gradient at `prediction == target` is zero, not NaN. A target that is
    zero everywhere has no relative error: without a `floor` its norm counts as 1, which gives the
    absolute error ‖p‖.

    **Raises:** `ValueError` if the shapes differ, for weights of another shape than the grid, or a
    negative floor.

    **Notes:** channels share one norm, in which small channels hardly count. Scale them, or take
    the error of each: `jax.vmap(relative_l2, -1)(p[..., None, :], u[..., None, :])`. As a term of
    an objective it is squared: `fit` reports the mean square of the relative error.

    ```python
    error = lambda params, s: jsci.operators.relative_l2(f(params, s[0]), s[1])
    loss = jsci.objective({"data": error})
    ```
    """
    _check_pair(prediction, target, floor, "relative_l2")
    check_weights(weights, target.shape[:-1], "relative_l2()")

    def norm(v):
        return _mean_square(v, weights)

    if weights is not None:
        masked = (weights == 0)[..., None]
        prediction, target = (jnp.where(masked, 0, v) for v in (prediction, target))
    return _relative(norm, prediction, target, floor)


def h1(
    prediction: Float[Array, "*grid channels"],
    target: Float[Array, "..."],
    *,
    periodic: bool = False,
    lengths: float | Sequence[float] = 1.0,
    floor: float = 0.0,
) -> Float[Array, ""]:
    """Relative distance of two functions in H¹: of their values and their first derivatives.

        ‖p - u‖₁ / max(‖u‖₁, floor),   ‖v‖₁² = ∫ |v|² + |∇v|² dx / ∫ dx   over (0, L₁) × (0, L₂) ...

    Derivatives are second-order central differences, one-sided at the ends of an axis that is not
    periodic.

    **Arguments:**

    - `prediction`, `target`: one sample each, `(*grid, channels)`, at the points xᵢ = i L/N. On
        `linspace(0, L, N)`, which has both ends, give the length L N/(N - 1), so that the spacing
        is right. Other points are not supported.
    - `periodic`: whether the functions are periodic.
    - `lengths`: L, one for all axes or one per axis. It weighs slopes against values.
    - `floor`: as in `relative_l2`, for ‖u‖₁.

    **Returns:** a scalar, with a zero gradient at `prediction == target`; for a target that is zero
    everywhere as in `relative_l2`.

    **Raises:** `ValueError` if the shapes differ, an axis has fewer than three points, or for
    lengths that are not positive. With `periodic` it warns of a target that does not repeat.

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
    sizes = as_lengths(lengths, len(grid), "h1()")
    if periodic:
        warn_unless_periodic(target, range(len(grid)), "h1(periodic=True)", "Use periodic=False.")

    def norm(v):
        slopes = (_slope(v, axis, length, periodic) for axis, length in enumerate(sizes))
        return _mean_square(v, None) + sum(_mean_square(s, None) for s in slopes)

    return _relative(norm, prediction, target, floor)


def _slope(v, axis, length, periodic):
    spacing = length / v.shape[axis]
    if periodic:
        return (jnp.roll(v, -1, axis) - jnp.roll(v, 1, axis)) / (2 * spacing)
    return jnp.gradient(v, spacing, axis=axis)


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
    distance = _root(square((prediction - target) / unit))
    size = jnp.maximum(_root(square(target / unit)), floor / unit)
    return distance / jnp.where(size == 0, 1, size)


def _root(x):
    # The inner `where` keeps the infinite slope of the root at zero out of the gradient. NaN is not
    # equal to zero, and propagates.
    zero = x == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, x)))


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
