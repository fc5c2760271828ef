"""Correlation of the uniform gas, split into pairs of equal and of opposite spin."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import DENSITY_CUTOFF, Features, SpinFeatures
from .powers import cbrt, over_spins
from .pw92 import Constants, energy_per_electron, of_one_spin


def partitioned_correlation(
    features: Features,
    equal: Callable[[SpinFeatures], Float[Array, "*n"]],
    opposite: Float[Array, "*n"],
    constants: Constants,
) -> Float[Array, "*n"]:
    """Correlation between electrons of equal and of opposite spin, each times its factor.

    The energy of each spin alone is that of equal spins, and the remainder of the total is that of
    opposite spins.

    **Source:** Stoll, Pavlidou & Preuß, Theor. Chim. Acta 49, 143 (1978).
    """

    def alone(spin: SpinFeatures):
        return spin.rho * of_one_spin(spin.rho, constants)

    def scaled(spin: SpinFeatures):
        return alone(spin) * equal(spin)

    total = features.rho * energy_per_electron(features, constants)
    left = total - over_spins(alone, features)
    return over_spins(scaled, features) + left * opposite


def spin_gradient_squared(spin: SpinFeatures) -> Float[Array, "*n"]:
    """x² = |∇ρ_s|²/ρ_s^(8/3), zero for an absent spin."""
    present = ~(spin.rho <= DENSITY_CUTOFF)  # NaN propagates
    rho = jnp.where(present, spin.rho, 1)
    return jnp.where(present, spin.sigma, 0) / (rho * cbrt(rho)) ** 2


def mean_over_spins(
    f: Callable[[SpinFeatures], Float[Array, "*n"]], features: Features
) -> Float[Array, "*n"]:
    """The mean of f of both spins."""
    return jnp.mean(jnp.stack([f(spin) for spin in features.spins]), axis=0)
