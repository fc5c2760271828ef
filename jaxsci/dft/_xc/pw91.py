"""The generalised gradient approximation of Perdew and Wang, of 1991."""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features, SpinFeatures
from .p86 import gradient_coefficient
from .pbe import gradient_correlation, reduced_gradient_squared, screened_gradient
from .powers import power, spin_scaled, wigner_seitz, x_arcsinh
from .pw92 import PRINTED, energy_per_electron
from .slater import uniform_exchange


class Enhancement(NamedTuple):
    """F_x = 1 + [(c + d exp(-α s²)) s² - f sᵉ]/[1 + a s arcsinh(b s) + f sᵉ]."""

    a: float
    b: float
    c: float
    d: float
    f: float
    alpha: float
    exponent: float


_PW91 = Enhancement(0.19645, 7.7956, 0.2743, -0.1508, 0.004, 100.0, 4.0)


def enhanced_exchange(features: Features, f: Enhancement) -> Float[Array, "*n"]:
    """Exchange of the uniform gas times F_x."""

    def unpolarised(spin: SpinFeatures):
        s2 = reduced_gradient_squared(spin.rho, spin.sigma)
        far = f.f * power(s2, f.exponent / 2)
        change = (f.c + f.d * jnp.exp(-f.alpha * s2)) * s2 - far
        return uniform_exchange(spin.rho) * (
            1 + change / (1 + f.a / f.b * x_arcsinh(f.b**2 * s2) + far)
        )

    return spin_scaled(unpolarised, features)


def pw91_x(features: Features) -> Float[Array, "*n"]:
    """Perdew-Wang 1991 exchange.

        F_x = 1 + [(0.2743 - 0.1508 exp(-100 s²)) s² - 0.004 s⁴]
              / [1 + 0.19645 s arcsinh(7.7956 s) + 0.004 s⁴]

    **Source:** Perdew et al., Phys. Rev. B 46, 6671 (1992), equation 8. libxc: GGA_X_PW91.
    """
    return enhanced_exchange(features, _PW91)


_ALPHA, _NU = 0.09, 16 / math.pi * (3 * math.pi**2) ** (1 / 3)
_BETA = _NU * 0.004235
_C_X = -0.001667


def pw91_c(features: Features) -> Float[Array, "*n"]:
    """Perdew-Wang 1991 correlation, ρ [ε_c + H₀ + H₁].

        H₁ = ν [C_xc(r_s) - C_xc(0) - 3/7 C_x] φ³ t² exp(-100 φ⁴ (k_s/k_F)² t²)

    H₀ is the gradient term of PBE with other constants.

    **Source:** Perdew et al., Phys. Rev. B 46, 6671 (1992), equations 12 to 15. libxc: GGA_C_PW91.
    """
    rs, (phi, t2) = wigner_seitz(features.rho), screened_gradient(features)
    local = energy_per_electron(features, PRINTED)
    h0 = gradient_correlation(local, phi, t2, _BETA, _BETA**2 / (2 * _ALPHA))
    # Without the cubic term of the denominator, as in libxc; it changes no printed digit.
    coefficient = gradient_coefficient(rs, 0.0) - 0.002568 - 3 / 7 * _C_X
    screened = 4 / math.pi * (4 / (9 * math.pi)) ** (1 / 3) * rs  # (k_s/k_F)²
    h1 = _NU * coefficient * phi**3 * t2 * jnp.exp(-100 * phi**4 * screened * t2)
    return features.rho * (local + h0 + h1)
