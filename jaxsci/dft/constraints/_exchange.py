"""What exact exchange obeys."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._xc.features import Features
from .._xc.slater import slater, uniform_exchange
from ._densities import (
    Functional,
    from_reduced,
    reduced_gradient_squared,
    scale_uniformly,
    second_order,
    uniform_gas,
)

GRADIENT_EXPANSION = 10 / 81
LIEB_OXFORD = 1.804
TWO_ELECTRONS = 1.174
_FAR = 1e6  # s that stands for infinity


def exchange_sign(functional: Functional, params: Any, features: Features) -> Float[Array, ""]:
    """E_x ≤ 0: how far exchange is positive, in units of local exchange."""
    return jax.nn.relu(functional(params, features) / -slater(features))


def exchange_spin_scaling(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """E_x[ρ_α, ρ_β] = ½ (E_x[2ρ_α] + E_x[2ρ_β]), in units of local exchange.

    **Source:** Oliver & Perdew, Phys. Rev. A 20, 397 (1979).
    """
    f = features

    def doubled(rho, sigma, tau):
        return functional(params, Features(rho, rho, sigma, sigma, sigma, tau, tau))

    parts = doubled(f.rho_a, f.sigma_aa, f.tau_a) + doubled(f.rho_b, f.sigma_bb, f.tau_b)
    return (functional(params, f) - 0.5 * parts) / slater(f)


def exchange_uniform_scaling(
    functional: Functional, params: Any, features: Features, *, gamma: float = 2.0
) -> Float[Array, ""]:
    """E_x[ρ_γ] = γ E_x[ρ], in units of local exchange.

    **Source:** Levy & Perdew, Phys. Rev. A 32, 2010 (1985).
    """
    scaled = functional(params, scale_uniformly(features, gamma)) / gamma**4
    return (scaled - functional(params, features)) / slater(features)


def exchange_of_uniform_gas(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """E_x of the uniform gas of this density and polarisation, relative."""
    gas = uniform_gas(features.rho, features.zeta)
    return functional(params, gas) / slater(gas) - 1


def exchange_gradient_expansion(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """F_x = 1 + 10/81 s² + O(∇⁴) for slowly varying densities: the coefficient less 10/81.

    **Source:** Antoniewicz & Kleinman, Phys. Rev. B 31, 6779 (1985).
    """
    rho = features.rho
    return second_order(functional, params, rho) / uniform_exchange(rho) - GRADIENT_EXPANSION


def exchange_nonuniform_scaling(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """F_x falls at least as s^(-1/2) for s → ∞: the power by which it falls more slowly.

    Keeps the energy finite when a density is squeezed into two dimensions.

    **Source:** Levy, Phys. Rev. A 43, 4637 (1991); Perdew et al., J. Chem. Phys. 140, 18A533
    (2014).
    """
    rho = features.rho

    def log_enhancement(log_s):
        point = from_reduced(rho, 0 * rho, jnp.exp(2 * log_s), jnp.ones_like(rho))
        return jnp.log(jnp.abs(functional(params, point) / uniform_exchange(rho)))

    return jax.nn.relu(jax.grad(log_enhancement)(jnp.full_like(rho, jnp.log(_FAR))) + 0.5)


def exchange_lieb_oxford(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """F_x ≤ 1.804 at every point of an unpolarised density: by how much it is more.

    Sufficient for the Lieb-Oxford bound of every density, given spin scaling.

    **Source:** Perdew, Burke & Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996).
    """
    rho, s2 = features.rho, reduced_gradient_squared(features)
    alpha = jnp.maximum(features.tau - features.sigma / (8 * rho), 0) / (rho ** (5 / 3))
    point = from_reduced(rho, 0 * rho, s2, alpha)
    return jax.nn.relu(functional(params, point) / uniform_exchange(rho) - LIEB_OXFORD)


def exchange_of_two_electrons(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """F_x ≤ 1.174 where τ is von Weizsäcker's, as in every two-electron singlet: the excess.

    **Source:** Perdew et al., J. Chem. Phys. 140, 18A533 (2014).
    """
    rho = features.rho
    point = from_reduced(rho, 0 * rho, reduced_gradient_squared(features), 0 * rho)
    return jax.nn.relu(functional(params, point) / uniform_exchange(rho) - TWO_ELECTRONS)
