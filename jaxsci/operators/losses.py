"""Errors of functions, as integrals: their values do not depend on the grid."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .products import check_real_and_filled


def relative_l2(
    prediction: Float[Array, "*grid channels"],
    target: Float[Array, "..."],
    *,
    weights: Float[Array, "*grid"] | None = None,
) -> Float[Array, ""]:
    """Relative distance of two functions in L².

        ‖p - u‖ / ‖u‖,   ‖v‖² = ∫ |v(x)|² dx = Σᵢ wᵢ |v(xᵢ)|²

    **Arguments:**

    - `prediction`, `target`: one sample each, `(*grid, channels)`.
    - `weights`: quadrature weights of the points, for grids that are not uniform; any multiple of
        them will do.

    **Returns:** a scalar. Its gradient at `prediction == target` is zero, not NaN.

    **Raises:** `ValueError` if the shapes differ.

    ```python
    loss = jsci.objective({"data": lambda p, s: relative_l2(f(p, s[0]), s[1])})
    ```
    """
    _check_pair(prediction, target, "relative_l2")
    w = None if weights is None else weights[..., None]
    return _ratio(_square(prediction - target, w), _square(target, w))


def h1(
    prediction: Float[Array, "*grid channels"],
    target: Float[Array, "..."],
    *,
    periodic: bool = False,
) -> Float[Array, ""]:
    """Relative distance of two functions in H¹: of their values and their first derivatives.

        ‖p - u‖₁ / ‖u‖₁,   ‖v‖₁² = ∫ |v|² + |∇v|² dx   over (0, 1)ᵈ

    Derivatives are second-order central differences, one-sided at the ends of an axis that is not
    periodic.

    **Arguments:**

    - `prediction`, `target`: one sample each, `(*grid, channels)`, at the points xᵢ = i/N.
    - `periodic`: whether the functions are.

    **Returns:** a scalar, with a zero gradient at `prediction == target`.

    **Raises:** `ValueError` if the shapes differ or an axis has fewer than three points.

    ```python
    error = h1(model(a), u)
    ```
    """
    _check_pair(prediction, target, "h1")
    grid = target.shape[:-1]
    if min(grid) < 3:
        raise ValueError(f"h1() differentiates: each grid axis needs 3 points, got grid {grid}.")

    def norm(v):
        slopes = (_difference(v, axis, periodic) for axis in range(len(grid)))
        return _square(v, None) + sum(_square(s, None) for s in slopes)

    return _ratio(norm(prediction - target), norm(target))


def _difference(v, axis, periodic):
    n = v.shape[axis]
    if periodic:
        return (jnp.roll(v, -1, axis) - jnp.roll(v, 1, axis)) * (n / 2)
    return jnp.gradient(v, 1 / n, axis=axis)


def _square(v, weights):
    squares = v**2 if weights is None else weights * v**2
    return jnp.sum(squares) / v.size


def _ratio(error, norm):
    # The inner `where` keeps the root's infinite slope at zero out of the gradient. An error that
    # is NaN is not equal to zero, and stays NaN.
    zero = error == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, error) / norm))


def _check_pair(prediction, target, name):
    if prediction.shape != target.shape:
        raise ValueError(
            f"{name}() compares two samples on one grid; got shapes {prediction.shape} and "
            f"{target.shape}. Evaluate the model on the target's grid."
        )
    check_real_and_filled(target, f"{name}()")
    check_real_and_filled(prediction, f"{name}()")
