"""Monotone rational splines of the unit interval onto itself, with their inverse in closed form."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Smallest size of a bin relative to equal bins, so that no density is nearly singular.
_LEAST = 0.05


def spline_parameters(bins: int) -> int:
    """The number of parameters of a spline: widths, heights, and slopes at all knots."""
    return 3 * bins + 1


def spline(
    x: Float[Array, ""], raw: Float[Array, " parameters"], *, inverse: bool = False
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """A smooth monotone map of [0, 1], or its inverse, and the logarithm of the map's slope.

    Between knots (xₖ, yₖ) with slopes dₖ, at ξ = (x - xₖ)/wₖ, s = hₖ/wₖ,

        y = yₖ + hₖ (s ξ² + dₖ ξ(1 - ξ)) / (s + (dₖ₊₁ + dₖ - 2s) ξ(1 - ξ))

    **Arguments:**

    - `x`: in [0, 1].
    - `raw`: 3K + 1 unconstrained numbers for K bins; zeros are the identity.
    - `inverse`: whether to evaluate the inverse map.

    **Returns:** the value, and log dy/dx (of the forward map, also for the inverse).

    **Source:** Durkan et al., "Neural spline flows" (2019), equations 4 to 8.
    """
    bins = (raw.size - 1) // 3
    widths, heights = (
        (1 - _LEAST) * jax.nn.softmax(part) + _LEAST / bins
        for part in (raw[:bins], raw[bins : 2 * bins])
    )
    # softplus(0) = log 2: scaled so that zeros are slopes of one.
    slopes = _LEAST + (1 - _LEAST) * jax.nn.softplus(raw[2 * bins :]) / jnp.log(2.0)
    left, low = (jnp.concatenate([jnp.zeros(1), jnp.cumsum(w)[:-1]]) for w in (widths, heights))
    k = jnp.sum(x >= (low if inverse else left)) - 1
    w, h, d0, d1 = widths[k], heights[k], slopes[k], slopes[k + 1]
    s = h / w
    bend = d0 + d1 - 2 * s
    if inverse:
        # ξ is the root in [0, 1] of a quadratic, in the form that does not cancel.
        y = x - low[k]
        a, b, c = h * (s - d0) + y * bend, h * d0 - y * bend, -s * y
        xi = 2 * c / (-b - jnp.sqrt(jnp.maximum(b * b - 4 * a * c, 0)))
        value = left[k] + xi * w
    else:
        xi = (x - left[k]) / w
        mixed = xi * (1 - xi)
        value = low[k] + h * (s * xi**2 + d0 * mixed) / (s + bend * mixed)
    mixed = xi * (1 - xi)
    top = s**2 * (d1 * xi**2 + 2 * s * mixed + d0 * (1 - xi) ** 2)
    return value, jnp.log(top) - 2 * jnp.log(s + bend * mixed)
