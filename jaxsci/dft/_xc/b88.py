"""Becke's 1988 exchange."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from .attenuation import erf_attenuation
from .features import Features, SpinFeatures
from .powers import cbrt, over_spins, x_arcsinh

_BETA = 0.0042
_C = 1.5 * (3 / (4 * math.pi)) ** (1 / 3)  # uniform exchange of one spin


def b88(features: Features) -> Float[Array, "*n"]:
    """Becke 1988 exchange, including Slater's.

        E_x = -Σ_s ∫ ρ_s^(4/3) [C + β x²/(1 + 6 β x arcsinh x)],  x = |∇ρ_s|/ρ_s^(4/3)

    **Source:** Becke, Phys. Rev. A 38, 3098 (1988), equation 8. libxc: GGA_X_B88.
    """

    def one_spin(spin: SpinFeatures):
        rho43, enhanced = _one_spin(spin)
        return -rho43 * enhanced

    return over_spins(one_spin, features)


def b88_sr(features: Features, omega: float) -> Float[Array, "*n"]:
    """Becke 1988 exchange of the short-range interaction erfc(ω r)/r.

        E_x = -½ Σ_s ∫ ρ_s^(4/3) K_s F(a_s),  a_s = ω √K_s / (6 √π ρ_s^(1/3))

    with ½ K_s the bracket of `b88` and F the attenuation of the uniform gas.

    **Source:** Iikura, Tsuneda, Yanai & Hirao, J. Chem. Phys. 115, 3540 (2001), equations 10 to 13;
    Yanai, Tew & Handy, Chem. Phys. Lett. 393, 51 (2004). libxc: GGA_X_ITYH.
    """

    def one_spin(spin: SpinFeatures):
        rho43, enhanced = _one_spin(spin)
        a = omega * jnp.sqrt(2 * enhanced) / (6 * math.sqrt(math.pi) * cbrt(spin.rho))
        return -rho43 * enhanced * erf_attenuation(a)

    return over_spins(one_spin, features)


def _one_spin(spin: SpinFeatures):
    """ρ^(4/3) of one spin, and the bracket of equation 8."""
    rho43 = spin.rho * cbrt(spin.rho)
    x2 = spin.sigma / rho43**2
    return rho43, _C + _BETA * x2 / (1 + 6 * _BETA * x_arcsinh(x2))
