"""Reference kinetic energy densities of meta-GGAs."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import DENSITY_CUTOFF, SpinFeatures
from .powers import cbrt

# τ/ρ^(5/3) of the uniform gas of one spin.
SPIN_GAS = 0.3 * (6 * math.pi**2) ** (2 / 3)
# τ ≥ τ_W holds for every density up to rounding. The floor is slightly lower, so that rounding in
# one-orbital regions, where τ = τ_W, stays clear of its kink.
_FLOOR = 0.999
# Keeps τ above zero where the gradient vanishes, as a fraction of the uniform gas.
_SMALLEST = 1e-10


def uniform_kinetic(rho: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Thomas-Fermi τ of the unpolarised gas, 3/10 (3π²)^(2/3) ρ^(5/3)."""
    return 0.3 * (3 * math.pi**2) ** (2 / 3) * rho * cbrt(rho) ** 2


def von_weizsaecker(rho: Float[Array, "*n"], sigma: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """τ of one orbital, |∇ρ|²/(8ρ)."""
    return sigma / (8 * rho)


def physical_kinetic(
    rho: Float[Array, "*n"], sigma: Float[Array, "*n"], tau: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """τ, raised to the smallest value that a density can have."""
    floor = _FLOOR * von_weizsaecker(rho, sigma)
    return jnp.maximum(tau, jnp.maximum(floor, _SMALLEST * uniform_kinetic(rho)))


def spin_kinetic(spin: SpinFeatures) -> Float[Array, "*n"]:
    """t = τ_s over that of the uniform gas of one spin; one for an absent spin."""
    present = ~(spin.rho <= DENSITY_CUTOFF)  # NaN propagates
    rho, sigma, tau = (jnp.where(present, x, 1) for x in spin)
    gas = SPIN_GAS * rho * cbrt(rho) ** 2
    return jnp.where(present, physical_kinetic(rho, sigma, tau) / gas, 1)


def one_orbital_ratio(spin: SpinFeatures) -> Float[Array, "*n"]:
    """τ_W/τ_s of a spin that is present: 1 for one orbital, 0 for a uniform density."""
    return von_weizsaecker(spin.rho, spin.sigma) / physical_kinetic(*spin)
