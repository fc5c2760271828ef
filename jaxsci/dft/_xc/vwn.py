"""Correlation of the uniform electron gas after Vosko, Wilk and Nusair."""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features
from .powers import von_barth_hedin, wigner_seitz


class _Fit(NamedTuple):
    """A, x₀, b, c of the paper's Padé-like form, in Hartree."""

    a: float
    x0: float
    b: float
    c: float


_PARA = _Fit(0.0310907, -0.10498, 3.72744, 12.9352)
_FERRO = _Fit(0.01554535, -0.32500, 7.06042, 18.0578)
_STIFFNESS = _Fit(-1 / (6 * math.pi**2), -0.0047584, 1.13107, 13.0045)
_PARA_RPA = _Fit(0.0310907, -0.409286, 13.0720, 42.7198)
_FERRO_RPA = _Fit(0.01554535, -0.743294, 20.1231, 101.578)
_F_SECOND = 4 / (9 * (2 ** (1 / 3) - 1))  # f''(0) of the spin interpolation


def _energy(fit: _Fit, rs: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Equation 4.4 of the paper: the correlation energy per electron."""
    a, x0, b, c = fit
    x = jnp.sqrt(rs)
    q = math.sqrt(4 * c - b * b)
    arctan = jnp.arctan(q / (2 * x + b))
    poly = rs + b * x + c
    poly0 = x0 * x0 + b * x0 + c
    return a * (
        jnp.log(rs / poly)
        + 2 * b / q * arctan
        - b * x0 / poly0 * (jnp.log((x - x0) ** 2 / poly) + 2 * (b + 2 * x0) / q * arctan)
    )


def vwn5(features: Features) -> Float[Array, "*n"]:
    """VWN correlation fitted to Ceperley and Alder's quantum Monte Carlo data (form V).

        ε_c = ε_P + α f(ζ)/f''(0) (1 - ζ⁴) + (ε_F - ε_P) f(ζ) ζ⁴

    **Source:** Vosko, Wilk & Nusair, Can. J. Phys. 58, 1200 (1980), equation 4.4 and table 5.
    libxc: LDA_C_VWN.
    """
    rs = wigner_seitz(features.rho)
    para = _energy(_PARA, rs)
    if not features.polarised:
        return features.rho * para
    zeta = features.zeta
    f, z4 = von_barth_hedin(zeta), zeta**4
    stiffness = _energy(_STIFFNESS, rs) * f * (1 - z4) / _F_SECOND
    return features.rho * (para + stiffness + (_energy(_FERRO, rs) - para) * f * z4)


def vwn_rpa(features: Features) -> Float[Array, "*n"]:
    """VWN correlation fitted to the random phase approximation (the local part of B3LYP).

        ε_c = ε_P + (ε_F - ε_P) f(ζ)

    **Source:** Vosko, Wilk & Nusair, Can. J. Phys. 58, 1200 (1980). libxc: LDA_C_VWN_RPA.
    """
    rs = wigner_seitz(features.rho)
    para = _energy(_PARA_RPA, rs)
    if not features.polarised:
        return features.rho * para
    f = von_barth_hedin(features.zeta)
    return features.rho * (para + (_energy(_FERRO_RPA, rs) - para) * f)
