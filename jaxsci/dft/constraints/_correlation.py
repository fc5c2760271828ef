"""What exact correlation obeys."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._xc.features import Features
from .._xc.pw92 import pw92_mod
from .._xc.slater import slater
from ._densities import (
    Functional,
    from_reduced,
    reduced_gradient_squared,
    scale_uniformly,
    second_order,
    uniform_gas,
)

# ε_c → ε_c(uniform) + β t² at high density (Ma & Brueckner, Phys. Rev. 165, 18 (1968)).
GRADIENT_EXPANSION = 0.06672455060314922
_COMPRESSED = 1e8  # γ that stands for infinity
_DILUTE = 1e-12  # density that stands for zero
_FAR = 1e4  # s that stands for infinity


def correlation_sign(functional: Functional, params: Any, features: Features) -> Float[Array, ""]:
    """E_c ≤ 0: how far correlation is positive, in units of local exchange."""
    return jax.nn.relu(functional(params, features) / -slater(features))


def correlation_of_uniform_gas(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """E_c of the uniform gas of this density and polarisation, relative to Perdew and Wang's."""
    gas = uniform_gas(features.rho, features.zeta)
    return functional(params, gas) / pw92_mod(gas) - 1


def correlation_gradient_expansion(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """E_c = ∫ ρ (ε_c + β t²) for slowly varying densities in the limit of high density: the
    coefficient relative to β, less one."""
    rho = 1e9 + 0 * features.rho
    t2_per_s2 = math.pi * (3 * math.pi**2) ** (1 / 3) / 4 * jnp.cbrt(rho)
    found = second_order(functional, params, rho) / (rho * t2_per_s2)
    return found / GRADIENT_EXPANSION - 1


def correlation_of_one_electron(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """E_c = 0 for one electron (ζ = 1, τ von Weizsäcker's), in units of local exchange."""
    rho = features.rho
    s2 = reduced_gradient_squared(features)
    one = from_reduced(rho, jnp.ones_like(rho), s2, jnp.zeros_like(rho))
    return functional(params, one) / slater(one)


def correlation_high_density_limit(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """E_c[ρ_γ] tends to a constant for γ → ∞: dε_c/d ln γ in Hartree an electron.

    **Source:** Levy, Phys. Rev. A 43, 4637 (1991).
    """
    return _slope(functional, params, features, _COMPRESSED)


def correlation_low_density_limit(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """E_c[ρ_γ] tends to γ D[ρ] for γ → 0: dε_c/d ln γ - ε_c, in units of local exchange.

    **Source:** Levy, Phys. Rev. A 43, 4637 (1991).
    """
    gamma = jnp.cbrt(_DILUTE / features.rho)
    value = _per_electron(functional, params, features, gamma)
    unit = _per_electron(lambda _, f: slater(f), None, features, gamma)
    return (_slope(functional, params, features, gamma) - value) / unit


def correlation_scaling_inequality(
    functional: Functional, params: Any, features: Features, *, gamma: float = 2.0
) -> Float[Array, ""]:
    """E_c[ρ_γ] > γ E_c[ρ] for γ > 1: by how much it is less, in Hartree an electron.

    **Source:** Levy & Perdew, Phys. Rev. A 32, 2010 (1985).
    """
    one, scaled = (_per_electron(functional, params, features, g) for g in (1.0, gamma))
    return jax.nn.relu(gamma * one - scaled)


def correlation_adiabatic_concavity(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """λ² E_c[ρ_{1/λ}], the correlation energy at coupling λ, is concave: its second derivative
    at λ = 1 where that is positive, in Hartree an electron.

    **Source:** Levy & Perdew, Phys. Rev. A 32, 2010 (1985); follows from the variational principle.
    """

    def coupled(coupling):
        return coupling**2 * _per_electron(functional, params, features, 1 / coupling)

    return jax.nn.relu(jax.grad(jax.grad(coupled))(jnp.ones_like(features.rho)))


def correlation_rapidly_varying(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """E_c vanishes where a density varies rapidly (s → ∞), in units of local exchange.

    **Source:** Perdew, Burke & Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996), condition (b).
    """
    rho = features.rho
    point = from_reduced(rho, 0 * rho, jnp.full_like(rho, _FAR**2), jnp.ones_like(rho))
    return functional(params, point) / slater(point)


def _per_electron(functional, params, features, gamma):
    scaled = scale_uniformly(features, gamma)
    return functional(params, scaled) / scaled.rho


def _slope(functional, params, features, gamma):
    def value(log_gamma):
        return _per_electron(functional, params, features, jnp.exp(log_gamma))

    return jax.grad(value)(jnp.log(jnp.full_like(features.rho, gamma)))
