"""Correlation of the uniform electron gas after Perdew and Wang."""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features
from .powers import von_barth_hedin, wigner_seitz


class Constants(NamedTuple):
    """A of the three fits (unpolarised, polarised, minus the stiffness) and f''(0)."""

    a: tuple[float, float, float]
    f_second: float


# As printed, and with the digits that PBE and its successors use.
PRINTED = Constants((0.031091, 0.015545, 0.016887), 1.709921)
EXACT = Constants((0.0310907, 0.01554535, 0.0168869), 4 / (9 * (2 ** (1 / 3) - 1)))

_ALPHA1 = (0.21370, 0.20548, 0.11125)
_BETA = (
    (7.5957, 3.5876, 1.6382, 0.49294),
    (14.1189, 6.1977, 3.3662, 0.62517),
    (10.357, 3.6231, 0.88026, 0.49671),
)


def _g(constants: Constants, i: int, rs: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Equation 10 of the paper, G(r_s) with p = 1."""
    a, (b1, b2, b3, b4) = constants.a[i], _BETA[i]
    x = jnp.sqrt(rs)
    q = 2 * a * (b1 * x + b2 * rs + b3 * rs * x + b4 * rs * rs)
    return -2 * a * (1 + _ALPHA1[i] * rs) * jnp.log1p(1 / q)


def of_rs(
    rs: Float[Array, "*n"], zeta: Float[Array, "*n"] | None, constants: Constants = EXACT
) -> Float[Array, "*n"]:
    """ε_c(r_s, ζ), equation 8 of the paper; `None` stands for ζ = 0."""
    para = _g(constants, 0, rs)
    if zeta is None:
        return para
    f, z4 = von_barth_hedin(zeta), zeta**4
    stiffness = -_g(constants, 2, rs) * f * (1 - z4) / constants.f_second
    return para + stiffness + (_g(constants, 1, rs) - para) * f * z4


def of_one_spin(rho: Float[Array, "*n"], constants: Constants = PRINTED) -> Float[Array, "*n"]:
    """ε_c of a fully polarised density, by default with the constants as printed."""
    return _g(constants, 1, wigner_seitz(rho))


def energy_per_electron(features: Features, constants: Constants = EXACT) -> Float[Array, "*n"]:
    """`of_rs` of features, by default with the digits that PBE uses."""
    zeta = features.zeta if features.polarised else None
    return of_rs(wigner_seitz(features.rho), zeta, constants)


def pw92(features: Features) -> Float[Array, "*n"]:
    """Perdew-Wang correlation of the uniform gas, constants as printed.

        ε_c = ε_P - G_α f(ζ)/f''(0) (1 - ζ⁴) + (ε_F - ε_P) f(ζ) ζ⁴

    **Source:** Perdew & Wang, Phys. Rev. B 45, 13244 (1992), equations 8 to 10, table I.
    libxc: LDA_C_PW.
    """
    return features.rho * energy_per_electron(features, PRINTED)


def pw92_mod(features: Features) -> Float[Array, "*n"]:
    """`pw92` with more digits, as in Perdew's own code and in PBE. libxc: LDA_C_PW_MOD."""
    return features.rho * energy_per_electron(features)


GAMMA = (1 - math.log(2)) / math.pi**2
