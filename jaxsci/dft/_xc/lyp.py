"""Correlation of Lee, Yang and Parr."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features
from .powers import cbrt, power

_A, _B, _C, _D = 0.04918, 0.132, 0.2533, 0.349
_CF = 0.3 * (3 * math.pi**2) ** (2 / 3)


def lyp(features: Features) -> Float[Array, "*n"]:
    """Lee-Yang-Parr correlation, with the Laplacian removed by partial integration.

    **Source:** Lee, Yang & Parr, Phys. Rev. B 37, 785 (1988); in the form of Miehlich et al.,
    Chem. Phys. Lett. 157, 200 (1989), equation 2. libxc: GGA_C_LYP.
    """
    a, b = features.rho_a, features.rho_b
    aa, bb, sigma = features.sigma_aa, features.sigma_bb, features.sigma
    rho = features.rho
    third = 1 / cbrt(rho)  # ρ^(-1/3)
    screen = 1 / (1 + _D * third)
    # Everything is in fractions of ρ, so that ρ^(-11/3) does not overflow for tiny densities.
    fa, fb = a / rho, b / rho
    delta = (_C + _D * screen) * third
    omega = jnp.exp(-_C * third) * screen * third**5  # ω ρ²
    kinetic = 2 ** (11 / 3) * _CF * (power(fa, 8 / 3) + power(fb, 8 / 3)) * (rho / third) ** 2
    local = kinetic + (47 - 7 * delta) / 18 * sigma - (2.5 - delta / 18) * (aa + bb)
    local = local - (delta - 11) / 9 * (fa * aa + fb * bb)
    # The paper's -2/3 σ + (2/3 - f_α²) σ_ββ + (2/3 - f_β²) σ_αα, without its cancellation.
    gradient = -4 / 3 * features.sigma_ab - fa**2 * bb - fb**2 * aa
    return -4 * _A * screen * fa * fb * rho - _A * _B * omega * (fa * fb * local + gradient)
