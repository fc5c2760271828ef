"""Perdew's 1986 gradient correction of correlation."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features
from .powers import cbrt, polarisation_power, wigner_seitz
from .pz81 import pz81

_CONSTANT, _DECAY = 0.001667, 0.19195


def gradient_coefficient(rs: Float[Array, "*n"], cubic: float) -> Float[Array, "*n"]:
    """The part of C_xc(r_s) that varies, of Rasolt & Geldart, Phys. Rev. B 34, 1325 (1986)."""
    numerator = 0.002568 + rs * (0.023266 + rs * 7.389e-6)
    return numerator / (1 + rs * (8.723 + rs * (0.472 + rs * cubic)))


def p86(features: Features) -> Float[Array, "*n"]:
    """Perdew 1986 correlation, on the uniform gas of Perdew and Zunger.

        ε_c = ε_PZ + x² exp(-Φ) C(r_s)/d(ζ),  x = |∇ρ|/ρ^(7/6),  Φ = 0.19195 x C(0)/C(r_s)

    **Source:** Perdew, Phys. Rev. B 33, 8822 (1986), equations 4 to 9. libxc: GGA_C_P86.
    """
    rho = features.rho
    rs = wigner_seitz(rho)
    x2 = features.sigma / (rho**2 * cbrt(rho))
    c = _CONSTANT + gradient_coefficient(rs, 0.07389)
    # exp(-Φ) is one up to rounding below this x, and √x² has no derivative at zero.
    decays = x2 > 1e-40
    x = jnp.where(decays, jnp.sqrt(jnp.where(decays, x2, 1)), 0)
    gradient = x2 * jnp.exp(-_DECAY * (_CONSTANT + 0.002568) / c * x) * c
    if features.polarised:
        # d² = ½ [(1+ζ)^(5/3) + (1-ζ)^(5/3)]
        gradient = gradient / jnp.sqrt(polarisation_power(features.zeta, 5 / 3))
    return pz81(features) + rho * gradient
