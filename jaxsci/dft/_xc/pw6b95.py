"""Zhao and Truhlar's six-parameter functional, with the correlation of Becke's 1995 form."""

import math

from jaxtyping import Array, Float

from .features import Features, SpinFeatures
from .kinetic import one_orbital_ratio, spin_kinetic
from .pw91 import Enhancement, enhanced_exchange
from .pw92 import EXACT
from .stoll import mean_over_spins, partitioned_correlation, spin_gradient_squared

EXACT_EXCHANGE = 0.28
_SAME, _OPPOSITE = 0.03668, 0.00262


def _of_becke(beta: float, alpha: float, exponent: float) -> Enhancement:
    """The form in x = |∇ρ_s|/ρ_s^(4/3), as constants of s.

    F_x = 1 + [β x² - (β - β₀) x² exp(-α x²) - 1e-6 xᵉ]/[C (1 + 6 β x arcsinh x) + 1e-6 xᵉ]
    """
    x = 2 * (6 * math.pi**2) ** (1 / 3)  # x/s
    gas = 1.5 * (3 / (4 * math.pi)) ** (1 / 3)
    beta0 = 5 * (36 * math.pi) ** (-5 / 3)
    quadratic, far = x**2 / gas, 1e-6 * x**exponent / gas
    change = beta0 - beta
    return Enhancement(
        6 * beta * x, x, beta * quadratic, change * quadratic, far, alpha * x**2, exponent
    )


_EXCHANGE = _of_becke(0.00538, 1.7382, 3.8901)


def pw6b95_local(features: Features) -> Float[Array, "*n"]:
    """PW6B95 without its exact exchange.

        E_c = Σ_s E_ss (t_s D_s)/(1 + 0.03668 x_s²)² + E_αβ/(1 + 0.00262 (x_α² + x_β²))

    with D_s = 1 - τ_W/τ_s and t_s = τ_s over that of the uniform gas.

    **Source:** Zhao & Truhlar, J. Phys. Chem. A 109, 5656 (2005), equations 2 to 8, table 1.
    libxc: HYB_MGGA_XC_PW6B95.
    """

    def equal(spin: SpinFeatures):
        damped = (1 + _SAME * spin_gradient_squared(spin)) ** 2
        return spin_kinetic(spin) * (1 - one_orbital_ratio(spin)) / damped

    both = 2 * mean_over_spins(spin_gradient_squared, features)
    correlation = partitioned_correlation(features, equal, 1 / (1 + _OPPOSITE * both), EXACT)
    return (1 - EXACT_EXCHANGE) * enhanced_exchange(features, _EXCHANGE) + correlation
