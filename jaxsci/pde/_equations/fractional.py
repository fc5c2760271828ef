"""Derivatives of fractional order in time."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ...core import derivative

_STEP = 0.1  # of the quadrature: its error is that of rounding
_NEGLIGIBLE = 39.0  # exp(-39) is 1e-17


def caputo(u: Callable, order: float) -> Callable:
    """The fractional derivative of Caputo by the last coordinate, the time from 0 on.

        D^α u(x, t) = 1/Γ(1 - α) ∫₀ᵗ u_t(x, s) (t - s)^(-α) ds

    By double exponential quadrature, which takes the singularity at s = t, and that of a u_t which
    grows like s^(α - 1) at s = 0, as those of most solutions do.

    **Arguments:**

    - `u`: a field of one point (x, t) or (t), returning a number.
    - `order`: α, between 0.1 and 0.9.

    **Returns:** `D(x)`, the fractional derivative of u at x, in units of u / time^α.

    **Raises:** `ValueError` for another order; on use, `ValueError` for an x that is no
        point and `TypeError` for a u that is no number.

    **Notes:** about a hundred derivatives of u for one point. It sees all earlier times, so that
    `march`, whose slabs know their own alone, does not apply: `least_squares` does, best with
    features that hold powers of t^α. In single precision the ends of the quadrature underflow.

    **Source:** Caputo, Geophys. J. R. Astron. Soc. 13, 529 (1967); Takahasi & Mori, "Double
    exponential formulas for numerical integration" (1974).

    ```python
    u = lambda x: x[0] ** 2
    jsci.pde.caputo(u, 0.5)(jnp.array([1.0]))  # 2/Γ(5/2) = 1.5045
    ```
    """
    if not 0.1 <= order <= 0.9:
        raise ValueError(
            f"caputo() takes an order between 0.1 and 0.9, got {order}: a derivative of order 1 "
            "is jsci.derivative, and one of order 1 + α is caputo of that."
        )
    shares, weights = _double_exponential(order)

    def derivative_of_u(x: Array) -> Array:
        if jnp.ndim(x) != 1 or not x.size:
            raise ValueError(
                "caputo(u, order) is called at one point (x, t) or (t,), an array of shape (dim,) "
                f"with the time last, got shape {jnp.shape(x)}: jnp.array([t]) is a time alone."
            )
        slope, time = derivative(u, x.size - 1), x[-1]
        slopes = jax.vmap(lambda share: slope(x.at[-1].set(share * time)))(
            jnp.asarray(shares, x.dtype)
        )
        integral = jnp.asarray(weights, x.dtype) @ slopes
        return time ** (1 - order) / math.gamma(1 - order) * integral

    return derivative_of_u


def _double_exponential(order: float) -> tuple[np.ndarray, np.ndarray]:
    """σ and w with Σ w f(σ) = ∫₀¹ f(σ) (1 - σ)^(-α) dσ, f as σ^(α - 1) at most at 0."""
    reach = [np.arcsinh(_NEGLIGIBLE / (np.pi * power)) for power in (order, 1 - order)]
    y = np.arange(-np.ceil(reach[0] / _STEP), np.ceil(reach[1] / _STEP) + 1) * _STEP
    shares, rest = (1 / (1 + np.exp(sign * np.pi * np.sinh(y))) for sign in (-1, 1))
    return shares, _STEP * np.pi * np.cosh(y) * shares * rest ** (1 - order)
