"""The regularised, restored, strongly constrained and appropriately normed meta-GGA."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features, SpinFeatures
from .kinetic import uniform_kinetic, von_weizsaecker
from .pbe import reduced_gradient_squared
from .powers import spin_scaled, wigner_seitz
from .pw92 import GAMMA, of_rs
from .scan import (
    H0,
    MU,
    SMOOTH_FC,
    SMOOTH_FX,
    interpolated_exchange,
    one_orbital_correlation,
    one_orbital_limit,
    reduced_gradient_term,
    slowly_varying,
    spin_factor,
    vanishing,
)

_ETA = 0.001  # regularises α where the density decays
_D_P2 = 0.361**4


def _iso_orbital(rho, sigma, tau, uniform) -> Float[Array, "*n"]:
    """α = (τ - τ_W)/(τ_unif + η τ_W), equation S6."""
    one_orbital = von_weizsaecker(rho, sigma)
    return (tau - one_orbital) / (uniform + _ETA * one_orbital)


def _damped(p: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """p exp(-p²/d⁴), which restores the gradient expansion at small p."""
    near = p < 10  # the exponential is zero beyond, and p² may overflow
    return jnp.where(near, p * jnp.exp(-(jnp.where(near, p, 0) ** 2) / _D_P2), 0)


def r2scan_x(features: Features) -> Float[Array, "*n"]:
    """r²SCAN exchange, F_x = {h₁(p) + f(α) [h₀ - h₁(p)]} g(p) with p = s².

    **Source:** Furness, Kaplan, Ning, Perdew & Sun, J. Phys. Chem. Lett. 11, 8208 (2020),
    equations S6 to S12. libxc: MGGA_X_R2SCAN.
    """
    return spin_scaled(_unpolarised_exchange, features)


def _unpolarised_exchange(spin: SpinFeatures) -> Float[Array, "*n"]:
    rho, sigma, tau = spin
    p = reduced_gradient_squared(rho, sigma)
    alpha = _iso_orbital(rho, sigma, tau, uniform_kinetic(rho))
    restored = (20 / 27 + 5 * _ETA / 3) * -SMOOTH_FX.slope * (1 - H0)
    return interpolated_exchange(rho, p, restored * _damped(p) + MU * p, SMOOTH_FX(alpha))


def r2scan_c(features: Features) -> Float[Array, "*n"]:
    """r²SCAN correlation, ε_c = ε₁ + f(α) (ε₀ - ε₁).

    ε₀ is for one orbital (α = 0), ε₁ for slowly varying densities (α = 1).

    **Source:** Furness, Kaplan, Ning, Perdew & Sun, J. Phys. Chem. Lett. 11, 8208 (2020),
    equations S24 to S41. libxc: MGGA_C_R2SCAN.
    """
    rho, sigma = features.rho, features.sigma
    zeta = features.zeta if features.polarised else None
    phi, dx, ds = (spin_factor(zeta, rho, n) for n in (2 / 3, 4 / 3, 5 / 3))
    p, rs = reduced_gradient_squared(rho, sigma), wigner_seitz(rho)
    ones = jnp.ones_like(rs)
    single, d_single = jax.jvp(one_orbital_correlation, (rs,), (ones,))
    uniform, d_uniform = jax.jvp(lambda r: of_rs(r, zeta), (rs,), (ones,))
    vanish = vanishing(zeta, dx)
    e0 = one_orbital_limit(rs, p) * vanish

    scale = GAMMA * phi**3
    w1 = jnp.expm1(-uniform / scale)
    change = 20 * rs * (d_single * vanish - d_uniform) - 45 * _ETA * (single * vanish - uniform)
    y = reduced_gradient_term(rs, p, phi, w1)
    y = y - SMOOTH_FC.slope / (27 * ds * scale * w1) * change * _damped(p)
    e1 = slowly_varying(uniform, scale, w1, y)

    alpha = _iso_orbital(rho, sigma, features.tau, uniform_kinetic(rho) * ds)
    return rho * (e1 + SMOOTH_FC(alpha) * (e0 - e1))
