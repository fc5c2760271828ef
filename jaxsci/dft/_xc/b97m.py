"""Power series in the density's gradient and τ, and the functionals found with them."""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .b97 import EXCHANGE, OPPOSITE, SAME, inhomogeneity, scaled_exchange
from .features import Features, SpinFeatures
from .kinetic import spin_kinetic
from .pw92 import EXACT
from .stoll import mean_over_spins, partitioned_correlation, spin_gradient_squared

# {(i, j): c} of Σ c wⁱ uʲ
_Coefficients = Mapping[tuple[int, int], float]


class _Series(NamedTuple):
    """Coefficients of the three series, and the range separation in Bohr⁻¹."""

    exchange: _Coefficients
    same: _Coefficients
    opposite: _Coefficients
    omega: float | None


_B97M_V = _Series(
    {(0, 0): 1.0, (0, 1): 1.308, (0, 2): 1.901, (1, 0): 0.416, (1, 1): 3.070},
    {(0, 0): 1.0, (0, 2): -1.855, (1, 0): -5.668, (3, 2): -20.497, (4, 2): -20.364},
    {(0, 0): 1.0, (0, 1): 1.573, (0, 3): -6.298, (1, 0): 2.535, (3, 2): -6.427},
    None,
)
_WB97M_V = _Series(
    {(0, 0): 0.850, (0, 1): 1.007, (1, 0): 0.259},
    {(0, 0): 0.443, (0, 4): -1.437, (1, 0): -4.535, (2, 0): -3.390, (4, 3): 4.278},
    {
        (0, 0): 1.0,
        (1, 0): 1.358,
        (2, 0): 2.924,
        (2, 1): -8.812,
        (6, 0): -1.390,
        (6, 1): 9.142,
    },
    0.3,
)


def b97m_local(features: Features) -> Float[Array, "*n"]:
    """B97M-V without its nonlocal correlation.

    **Source:** Mardirossian & Head-Gordon, J. Chem. Phys. 142, 074111 (2015), equations 2 to 12,
    table III. libxc: MGGA_XC_B97M_V.
    """
    return _b97m(features, _B97M_V)


def wb97m_local(features: Features) -> Float[Array, "*n"]:
    """ωB97M-V without its exact exchange and its nonlocal correlation.

    **Source:** Mardirossian & Head-Gordon, J. Chem. Phys. 144, 214110 (2016), equations 2 to 12,
    table III. libxc: HYB_MGGA_XC_WB97M_V.
    """
    return _b97m(features, _WB97M_V)


def _b97m(features: Features, series: _Series) -> Float[Array, "*n"]:
    def of_spin(gamma, coefficients):
        def factor(spin: SpinFeatures):
            t = spin_kinetic(spin)
            u = inhomogeneity(gamma, spin_gradient_squared(spin))
            return _double_series(coefficients, (1 - t) / (1 + t), u)

        return factor

    # w = (1 - t)/(1 + t) for the harmonic mean t of both spins
    slow = mean_over_spins(lambda spin: 1 / spin_kinetic(spin), features)
    u = inhomogeneity(OPPOSITE, mean_over_spins(spin_gradient_squared, features))
    opposite = _double_series(series.opposite, (slow - 1) / (slow + 1), u)
    local = scaled_exchange(features, of_spin(EXCHANGE, series.exchange), series.omega)
    return local + partitioned_correlation(features, of_spin(SAME, series.same), opposite, EXACT)


def _double_series(coefficients: _Coefficients, w, u) -> Float[Array, "*n"]:
    total = jnp.zeros_like(u)
    for (i, j), c in coefficients.items():
        total = total + c * w**i * u**j
    return total
