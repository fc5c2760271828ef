"""Becke's 1988 exchange."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..features import Features, SpinFeatures
from ._powers import cbrt, over_spins

_BETA = 0.0042
_C = 1.5 * (3 / (4 * math.pi)) ** (1 / 3)  # uniform exchange of one spin


def _x_arcsinh(x2: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """x arcsinh(x) of x²: smooth at zero, where √x² itself has no derivative."""
    small = x2 < 1e-6
    x = jnp.sqrt(jnp.where(small, 1, x2))
    series = x2 * (1 - x2 * (1 / 6 - x2 * (3 / 40 - x2 * (15 / 336))))
    return jnp.where(small, series, x * jnp.arcsinh(x))


def b88(features: Features) -> Float[Array, "*n"]:
    """Becke 1988 exchange, Slater's included.

        E_x = -Σ_s ∫ ρ_s^(4/3) [C + β x²/(1 + 6 β x arcsinh x)],  x = |∇ρ_s|/ρ_s^(4/3)

    **Source:** Becke, Phys. Rev. A 38, 3098 (1988), equation 8. libxc: GGA_X_B88.
    """

    def one_spin(spin: SpinFeatures):
        rho43 = spin.rho * cbrt(spin.rho)
        x2 = spin.sigma / rho43**2
        return -rho43 * (_C + _BETA * x2 / (1 + 6 * _BETA * _x_arcsinh(x2)))

    return over_spins(one_spin, features)
