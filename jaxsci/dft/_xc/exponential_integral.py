"""Exponential integrals and incomplete gamma functions, scaled and free of cancellation."""

import math

import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
from jaxtyping import Array, Float

_SERIES_BELOW = 4.0
# Ein(x) = Σ_k c_k x^k
_SERIES = tuple((-1) ** (k + 1) / (k * math.factorial(k)) for k in range(1, 34))
_DEPTH = 18  # of the continued fraction: 1e-14 at x = 4


def scaled_e1_and_log(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """exp(x) E₁(x) + ln x for 0 < x < 4, where the logarithms at zero cancel.

    **Source:** Abramowitz & Stegun, equation 5.1.11.
    """
    integral = jnp.zeros_like(x)
    for c in reversed(_SERIES):
        integral = (integral + c) * x
    return jnp.exp(x) * (integral - np.euler_gamma) - jnp.expm1(x) * jnp.log(x)


def scaled_gammas(
    x: Float[Array, "*n"], count: int
) -> tuple[Float[Array, "*n"], list[Float[Array, "*n"]]]:
    """exp(x) E₁(x) + ln x, and G_k = Γ(k/2) x^(k/2) exp(x) Γ(1 - k/2, x) for k = 1, ..., count.

    Of order one for every x > 0. The recursion G_(k+2) = x [Γ(k/2) - G_k] is stable upwards for
    small x. For large x it is run downwards from a continued fraction.

    **Source:** Abramowitz & Stegun, equations 6.5.22 and 6.5.31.
    """
    small = x < _SERIES_BELOW
    near, far = jnp.where(small, x, 1), jnp.where(small, 4, x)
    logarithm = scaled_e1_and_log(near)
    root = jnp.sqrt(near)
    up = [math.pi * root * jsp.erfcx(root), near * (logarithm - jnp.log(near))]
    for k in range(1, count - 1):
        up.append(near * (math.gamma(k / 2) - up[k - 1]))
    down = [_by_fraction(far, count), _by_fraction(far, count - 1)]
    for k in range(count - 2, 0, -1):
        down.append(math.gamma(k / 2) - down[-2] / far)
    down.reverse()
    both = [jnp.where(small, u, d) for u, d in zip(up, down, strict=True)]
    return jnp.where(small, logarithm, down[1] / far + jnp.log(far)), both


def _by_fraction(x: Float[Array, "*n"], k: int) -> Float[Array, "*n"]:
    fraction = x + k / 2 + 2 * _DEPTH
    for j in range(_DEPTH, 0, -1):
        fraction = x + k / 2 + 2 * (j - 1) - j * (j - 1 + k / 2) / fraction
    return math.gamma(k / 2) * x / fraction
