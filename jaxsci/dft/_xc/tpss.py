"""The meta-GGA of Tao, Perdew, Staroverov and Scuseria."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features, SpinFeatures
from .kinetic import physical_kinetic, uniform_kinetic, von_weizsaecker
from .pbe import BETA, KAPPA, correlation_per_electron, reduced_gradient_squared
from .powers import over_spins, polarisation_power, spin_scaled
from .slater import uniform_exchange

_B, _C, _E, _MU = 0.40, 1.59096, 1.537, 0.21951
_MU_GE = 10 / 81  # of the gradient expansion
_D = 2.8


def tpss_x(features: Features) -> Float[Array, "*n"]:
    """TPSS exchange, F_x = 1 + κ - κ/(1 + x(p, z)/κ) with p = s² and z = τ_W/τ.

    **Source:** Tao, Perdew, Staroverov & Scuseria, Phys. Rev. Lett. 91, 146401 (2003), equations
    5 to 10. libxc: MGGA_X_TPSS.
    """
    return spin_scaled(_unpolarised_exchange, features)


def _unpolarised_exchange(spin: SpinFeatures) -> Float[Array, "*n"]:
    rho, sigma, tau = spin.rho, spin.sigma, physical_kinetic(*spin)
    p = reduced_gradient_squared(rho, sigma)
    z = von_weizsaecker(rho, sigma) / tau
    t = tau / uniform_kinetic(rho)
    alpha = t * (1 - z)
    q = 9 / 20 * (alpha - 1) / jnp.sqrt(1 + _B * alpha * (alpha - 1)) + 2 / 3 * p
    # √(½(3z/5)² + ½p²) with p = 3zt/5, so that no root of zero is taken without a gradient.
    root = 0.6 * z * jnp.sqrt(0.5 * (1 + t**2))
    numerator = (
        (_MU_GE + _C * z**2 / (1 + z**2) ** 2) * p
        + 146 / 2025 * q**2
        - 73 / 405 * q * root
        + _MU_GE**2 / KAPPA * p**2
        + 2 * math.sqrt(_E) * _MU_GE * 0.36 * z**2
        + _E * _MU * p**3
    )
    x = numerator / (1 + math.sqrt(_E) * p) ** 2
    return uniform_exchange(rho) * (1 + KAPPA * x / (KAPPA + x))


def tpss_c(features: Features) -> Float[Array, "*n"]:
    """TPSS correlation: PBE correlation without the self-interaction of one orbital.

        ε_c = ε_rev [1 + d ε_rev z³],  z = τ_W/τ
        ε_rev = ε_PBE (1 + C z²) - (1 + C) z² Σ_s (ρ_s/ρ) max(ε_PBE(ρ_s alone), ε_PBE)

    **Source:** Tao, Perdew, Staroverov & Scuseria, Phys. Rev. Lett. 91, 146401 (2003), equations
    11 to 14. libxc: MGGA_C_TPSS.
    """
    rho, sigma = features.rho, features.sigma
    z = von_weizsaecker(rho, sigma) / physical_kinetic(rho, sigma, features.tau)
    together = correlation_per_electron(features, BETA)

    def one_spin(spin: SpinFeatures):
        alone = correlation_per_electron(Features(spin.rho, 0.0, spin.sigma), BETA)
        return spin.rho * jnp.maximum(alone, together)

    c = _spin_dependence(features)
    revised = together * (1 + c * z**2) - (1 + c) * z**2 * over_spins(one_spin, features) / rho
    return rho * revised * (1 + _D * revised * z**3)


def _spin_dependence(features: Features) -> Float[Array, "*n"]:
    """C(ζ, ξ), equation 13, with ξ = |∇ζ|/(2 (3π²ρ)^(1/3))."""
    rho, zeta2 = features.rho, features.zeta**2
    at_uniform_spin = 0.53 + zeta2 * (0.87 + zeta2 * (0.50 + zeta2 * 2.26))
    if not features.polarised:
        return at_uniform_spin
    fa, fb = features.rho_a / rho, features.rho_b / rho
    aa, ab, bb = features.sigma_aa, features.sigma_ab, features.sigma_bb
    # ∇ζ = 2 (ρ_β ∇ρ_α - ρ_α ∇ρ_β)/ρ², with ρ² absorbed into the reduced gradient
    xi2 = 4 * reduced_gradient_squared(rho, fb**2 * aa - 2 * fa * fb * ab + fa**2 * bb)
    return at_uniform_spin / (1 + xi2 * polarisation_power(features.zeta, -4 / 3)) ** 4
