"""Becke's 1997 power series, and the range-separated functionals fitted with it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .attenuation import erf_attenuation
from .features import Features, SpinFeatures
from .powers import cbrt, over_spins
from .pw92 import PRINTED
from .slater import DIRAC
from .stoll import mean_over_spins, partitioned_correlation, spin_gradient_squared

# γ of the inhomogeneity u = γx²/(1 + γx²)
EXCHANGE, SAME, OPPOSITE = 0.004, 0.2, 0.006


def inhomogeneity(gamma: float, x2: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """u = γx²/(1 + γx²)."""
    return gamma * x2 / (1 + gamma * x2)


def power_series(coefficients: tuple[float, ...], u: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Σ_k c_k u^k."""
    total = jnp.zeros_like(u)
    for c in reversed(coefficients):
        total = total * u + c
    return total


def scaled_exchange(
    features: Features,
    factor: Callable[[SpinFeatures], Float[Array, "*n"]],
    omega: float | None = None,
) -> Float[Array, "*n"]:
    """Exchange of the uniform gas of each spin, of short range for an ω, times a factor."""

    def one_spin(spin: SpinFeatures):
        gas = -(2 ** (1 / 3)) * DIRAC * spin.rho * cbrt(spin.rho)
        if omega is not None:
            gas = gas * erf_attenuation(omega / (2 * cbrt(6 * math.pi**2 * spin.rho)))
        return gas * factor(spin)

    return over_spins(one_spin, features)


class _Series(NamedTuple):
    """Coefficients of the three series, and the range separation in Bohr⁻¹."""

    exchange: tuple[float, ...]
    same: tuple[float, ...]
    opposite: tuple[float, ...]
    omega: float


_WB97X = _Series(
    (0.842294, 0.726479, 1.04760, -5.70635, 13.2794),
    (1.0, -4.33879, 18.2308, -31.7430, 17.2901),
    (1.0, 2.37031, -11.3995, 6.58405, -3.78132),
    0.3,
)
_WB97X_D = _Series(
    (0.777964, 0.661160, 0.574541, -5.25671, 11.6386),
    (1.0, -6.90539, 31.3343, -51.0533, 26.4423),
    (1.0, 1.79413, -12.0477, 14.0847, -8.50809),
    0.2,
)
_WB97X_V = _Series((0.833, 0.603, 1.194), (0.556, -0.257), (1.219, -1.850), 0.3)


def wb97x_local(features: Features) -> Float[Array, "*n"]:
    """ωB97X without its exact exchange.

    **Source:** Chai & Head-Gordon, J. Chem. Phys. 128, 084106 (2008), equations 4 to 14, table I.
    libxc: HYB_GGA_XC_WB97X.
    """
    return _wb97(features, _WB97X)


def wb97x_d_local(features: Features) -> Float[Array, "*n"]:
    """ωB97X-D without its exact exchange and its dispersion.

    **Source:** Chai & Head-Gordon, Phys. Chem. Chem. Phys. 10, 6615 (2008), table 1.
    libxc: HYB_GGA_XC_WB97X_D.
    """
    return _wb97(features, _WB97X_D)


def wb97x_v_local(features: Features) -> Float[Array, "*n"]:
    """ωB97X-V without its exact exchange and its nonlocal correlation.

    **Source:** Mardirossian & Head-Gordon, Phys. Chem. Chem. Phys. 16, 9904 (2014), table 3.
    libxc: HYB_GGA_XC_WB97X_V.
    """
    return _wb97(features, _WB97X_V)


def _wb97(features: Features, series: _Series) -> Float[Array, "*n"]:
    def of_spin(gamma, coefficients):
        return lambda spin: power_series(
            coefficients, inhomogeneity(gamma, spin_gradient_squared(spin))
        )

    mean = mean_over_spins(spin_gradient_squared, features)
    opposite = power_series(series.opposite, inhomogeneity(OPPOSITE, mean))
    local = scaled_exchange(features, of_spin(EXCHANGE, series.exchange), series.omega)
    return local + partitioned_correlation(features, of_spin(SAME, series.same), opposite, PRINTED)
