"""Generalised gradient approximations of the form of Perdew, Burke and Ernzerhof."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features, SpinFeatures
from .powers import cbrt, polarisation_power, spin_scaled
from .pw92 import GAMMA, energy_per_electron
from .slater import uniform_exchange

BETA = 0.06672455060314922
KAPPA = 0.8040
MU = BETA * math.pi**2 / 3


def reduced_gradient_squared(rho: Float[Array, "*n"], sigma: Float[Array, "*n"]):
    """s² = |∇ρ|² / (4 (3π²)^(2/3) ρ^(8/3))."""
    return sigma / (4 * (3 * math.pi**2) ** (2 / 3) * (rho * cbrt(rho)) ** 2)


def _exchange(features: Features, mu: float, kappa: float) -> Float[Array, "*n"]:
    def unpolarised(spin: SpinFeatures):
        s2 = reduced_gradient_squared(spin.rho, spin.sigma)
        return uniform_exchange(spin.rho) * (1 + kappa * mu * s2 / (kappa + mu * s2))

    return spin_scaled(unpolarised, features)


def screened_gradient(features: Features) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    """φ = ½ [(1+ζ)^(2/3) + (1-ζ)^(2/3)], and t² = |∇ρ|²/(2 φ k_s ρ)² with k_s² = 4 k_F/π."""
    rho = features.rho
    phi = polarisation_power(features.zeta, 2 / 3) if features.polarised else jnp.ones_like(rho)
    return phi, math.pi * features.sigma / (16 * cbrt(3 * math.pi**2 * rho) * (phi * rho) ** 2)


def gradient_correlation(
    local: Float[Array, "*n"],
    phi: Float[Array, "*n"],
    t2: Float[Array, "*n"],
    beta: float,
    gamma: float = GAMMA,
) -> Float[Array, "*n"]:
    """H(ε_c, φ, t), equations 7 and 8 of the paper."""
    scale = gamma * phi**3
    at2 = beta / gamma / jnp.expm1(-local / scale) * t2
    return scale * jnp.log1p(beta / gamma * t2 * (1 + at2) / (1 + at2 + at2**2))


def correlation_per_electron(features: Features, beta: float) -> Float[Array, "*n"]:
    """ε_c + H, equation 3 of the paper."""
    local = energy_per_electron(features)
    return local + gradient_correlation(local, *screened_gradient(features), beta)


def pbe_x(features: Features) -> Float[Array, "*n"]:
    """PBE exchange, F_x(s) = 1 + κ - κ/(1 + μs²/κ).

    **Source:** Perdew, Burke & Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996), equation 14.
    libxc: GGA_X_PBE.
    """
    return _exchange(features, MU, KAPPA)


def revpbe_x(features: Features) -> Float[Array, "*n"]:
    """revPBE exchange: PBE's with κ = 1.245.

    **Source:** Zhang & Yang, Phys. Rev. Lett. 80, 890 (1998). libxc: GGA_X_PBE_R.
    """
    return _exchange(features, MU, 1.245)


def pbesol_x(features: Features) -> Float[Array, "*n"]:
    """PBEsol exchange: PBE's with μ = 10/81.

    **Source:** Perdew et al., Phys. Rev. Lett. 100, 136406 (2008). libxc: GGA_X_PBE_SOL.
    """
    return _exchange(features, 10 / 81, KAPPA)


def pbe_c(features: Features) -> Float[Array, "*n"]:
    """PBE correlation, ρ [ε_c(r_s, ζ) + H(r_s, ζ, t)].

    **Source:** Perdew, Burke & Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996), equations 3, 7, 8.
    libxc: GGA_C_PBE.
    """
    return features.rho * correlation_per_electron(features, BETA)


def pbesol_c(features: Features) -> Float[Array, "*n"]:
    """PBEsol correlation: PBE's with β = 0.046.

    **Source:** Perdew et al., Phys. Rev. Lett. 100, 136406 (2008). libxc: GGA_C_PBE_SOL.
    """
    return features.rho * correlation_per_electron(features, 0.046)
