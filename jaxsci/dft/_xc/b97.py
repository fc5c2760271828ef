"""Becke's 1997 power series, and the range-separated functionals fitted with it."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from .attenuation import erf_attenuation
from .features import DENSITY_CUTOFF, Features, SpinFeatures
from .powers import cbrt, over_spins
from .pw92 import of_one_spin, pw92
from .slater import DIRAC

# γ of the inhomogeneity u = γx²/(1 + γx²)
_EXCHANGE, _SAME, _OPPOSITE = 0.004, 0.2, 0.006

Coefficients = tuple[float, ...]


def _series(gamma: float, coefficients: Coefficients, x2: Float[Array, "*n"]):
    """Σ_k c_k u^k."""
    u = gamma * x2 / (1 + gamma * x2)
    total = jnp.zeros_like(u)
    for c in reversed(coefficients):
        total = total * u + c
    return total


def _reduced_gradient_squared(spin: SpinFeatures) -> Float[Array, "*n"]:
    """x² = |∇ρ_s|²/ρ_s^(8/3), zero for an absent spin."""
    present = spin.rho > DENSITY_CUTOFF
    rho = jnp.where(present, spin.rho, 1)
    return jnp.where(present, spin.sigma, 0) / (rho * cbrt(rho)) ** 2


def b97_exchange_sr(
    features: Features, coefficients: Coefficients, omega: float
) -> Float[Array, "*n"]:
    """Short-range exchange of the uniform gas of each spin, times the power series."""

    def one_spin(spin: SpinFeatures):
        gas = -(2 ** (1 / 3)) * DIRAC * spin.rho * cbrt(spin.rho)
        kept = erf_attenuation(omega / (2 * cbrt(6 * math.pi**2 * spin.rho)))
        return gas * kept * _series(_EXCHANGE, coefficients, _reduced_gradient_squared(spin))

    return over_spins(one_spin, features)


def b97_correlation(
    features: Features, same: Coefficients, opposite: Coefficients
) -> Float[Array, "*n"]:
    """Same-spin and opposite-spin correlation, each times its power series.

    Stoll's partition of the uniform gas: the energy of each spin alone is the same-spin part, and
    the remainder of the total is the opposite-spin part.
    """

    def alone(spin: SpinFeatures):
        return spin.rho * of_one_spin(spin.rho)

    def equal(spin: SpinFeatures):
        return alone(spin) * _series(_SAME, same, _reduced_gradient_squared(spin))

    x2 = [_reduced_gradient_squared(spin) for spin in features.spins]
    mean = jnp.mean(jnp.stack(x2), axis=0)
    left = pw92(features) - over_spins(alone, features)
    return over_spins(equal, features) + left * _series(_OPPOSITE, opposite, mean)


# (exchange, same spin, opposite spin)
_WB97X = (
    (0.842294, 0.726479, 1.04760, -5.70635, 13.2794),
    (1.0, -4.33879, 18.2308, -31.7430, 17.2901),
    (1.0, 2.37031, -11.3995, 6.58405, -3.78132),
)
_WB97X_V = ((0.833, 0.603, 1.194), (0.556, -0.257), (1.219, -1.850))


def wb97x_local(features: Features) -> Float[Array, "*n"]:
    """ωB97X without its exact exchange.

    **Source:** Chai & Head-Gordon, J. Chem. Phys. 128, 084106 (2008), equations 4 to 14, table I.
    libxc: HYB_GGA_XC_WB97X.
    """
    return _wb97(features, _WB97X)


def wb97x_v_local(features: Features) -> Float[Array, "*n"]:
    """ωB97X-V without its exact exchange and its nonlocal correlation.

    **Source:** Mardirossian & Head-Gordon, Phys. Chem. Chem. Phys. 16, 9904 (2014), table 3.
    libxc: HYB_GGA_XC_WB97X_V.
    """
    return _wb97(features, _WB97X_V)


def _wb97(features, coefficients):
    exchange, same, opposite = coefficients
    local = b97_exchange_sr(features, exchange, 0.3)
    return local + b97_correlation(features, same, opposite)
