"""Powers, logarithms and spin factors whose derivatives stay finite as densities vanish."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import DENSITY_CUTOFF, Features, SpinFeatures

# libxc's zeta_threshold: fully polarised means 1 - |ζ| below this.
ZETA_CUTOFF = 2.220446049250313e-16


def cbrt(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """x^(1/3) for x > 0."""
    return jnp.cbrt(x)


def power(x: Float[Array, "*n"], exponent: float) -> Float[Array, "*n"]:
    """x^p of x ≥ 0, whose derivatives at zero are zero and not 0 times infinity."""
    present = ~(x <= 0)  # NaN propagates
    return jnp.where(present, jnp.where(present, x, 1) ** exponent, 0)


def x_arcsinh(x2: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """x arcsinh(x) of x²: smooth at zero, where √x² itself has no derivative."""
    small = x2 < 1e-6
    x = jnp.sqrt(jnp.where(small, 1, x2))
    series = x2 * (1 - x2 * (1 / 6 - x2 * (3 / 40 - x2 * (15 / 336))))
    return jnp.where(small, series, x * jnp.arcsinh(x))


def wigner_seitz(rho: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """r_s = (3/(4πρ))^(1/3)."""
    return cbrt(3 / (4 * jnp.pi * rho))


def over_spins(
    f: Callable[[SpinFeatures], Float[Array, "*n"]], features: Features
) -> Float[Array, "*n"]:
    """Σ_s f(spin s), zero with all its derivatives for a spin below the density cutoff.

    The input of f is replaced as well as its output: otherwise the derivative of the branch not
    taken is infinite, and infinity times zero is NaN.
    """
    total = jnp.zeros_like(features.rho_a)
    for spin in features.spins:
        present = ~(spin.rho <= DENSITY_CUTOFF)  # NaN propagates
        safe = SpinFeatures(*(jnp.where(present, x, jnp.ones_like(x)) for x in spin))
        total = total + jnp.where(present, f(safe), 0)
    return total if features.polarised else 2 * total


def spin_scaled(
    f: Callable[[SpinFeatures], Float[Array, "*n"]], features: Features
) -> Float[Array, "*n"]:
    """Exchange of a spin-polarised density from that of an unpolarised one, f(ρ, σ, τ).

        E_x[ρ_α, ρ_β] = ½ (E_x[2ρ_α] + E_x[2ρ_β])

    **Source:** Oliver & Perdew, Phys. Rev. A 20, 397 (1979).
    """

    def one_spin(spin):
        return 0.5 * f(SpinFeatures(2 * spin.rho, 4 * spin.sigma, 2 * spin.tau))

    return over_spins(one_spin, features)


def polarisation_power(zeta: Float[Array, "*n"], power: float) -> Float[Array, "*n"]:
    """½ [(1+ζ)^p + (1-ζ)^p] with derivatives cut off at full polarisation."""

    def term(x):
        open_ = x > ZETA_CUTOFF
        return jnp.where(open_, jnp.where(open_, x, 1) ** power, ZETA_CUTOFF**power)

    return 0.5 * (term(1 + zeta) + term(1 - zeta))


def von_barth_hedin(zeta: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """f(ζ) = [(1+ζ)^(4/3) + (1-ζ)^(4/3) - 2] / (2^(4/3) - 2)."""
    return (polarisation_power(zeta, 4 / 3) - 1) / (2 ** (1 / 3) - 1)
