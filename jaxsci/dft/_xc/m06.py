"""The functionals M06-L and M06-2X of Zhao and Truhlar."""

from typing import NamedTuple

from jaxtyping import Array, Float

from .b97 import inhomogeneity, power_series, scaled_exchange
from .features import Features, SpinFeatures
from .kinetic import SPIN_GAS, one_orbital_ratio, spin_kinetic
from .pbe import KAPPA, MU, reduced_gradient_squared
from .pw92 import EXACT
from .stoll import mean_over_spins, partitioned_correlation, spin_gradient_squared

# α of the working function h(x, z), and γ of the power series of correlation
_ALPHA, _ALPHA_SAME, _ALPHA_OPPOSITE = 0.00186726, 0.00515088, 0.00304966
_SAME, _OPPOSITE = 0.06, 0.0031

_Working = tuple[float, float, float, float, float]


class _Exchange(NamedTuple):
    """Coefficients of the series in w that scales PBE exchange, and of h."""

    series: tuple[float, ...]
    working: _Working = (0.0, 0.0, 0.0, 0.0, 0.0)


class _Correlation(NamedTuple):
    """Coefficients of the series in u and of h, for equal and opposite spins."""

    same: tuple[float, ...]
    opposite: tuple[float, ...]
    working_same: _Working
    working_opposite: _Working


_M06_L_X = _Exchange(
    (
        *(0.3987756, 0.2548219, 0.3923994, -2.103655, -6.302147, 10.97615),
        *(30.97273, -23.18489, -56.73480, 21.60364, 34.21814, -9.049762),
    ),
    (0.6012244, 0.004748822, -0.008635108, -0.000009308062, 0.00004482811),
)
_M06_2X_X = _Exchange(
    (
        *(0.46, -0.2206052, -0.09431788, 2.164494, -2.556466, -14.22133),
        *(15.55044, 35.98078, -27.22754, -39.24093, 15.22808, 15.22227),
    ),
)
_M06_L_C = _Correlation(
    (0.5349466, 0.5396620, -31.61217, 51.49592, -29.19613),
    (0.6042374, 177.6783, -251.3252, 76.35173, -12.55699),
    (0.4650534, 0.1617589, 0.1833657, 0.0004692100, -0.004990573),
    (0.3957626, -0.5614546, 0.01403963, 0.0009831442, -0.003577176),
)
_M06_2X_C = _Correlation(
    (0.3097855, -5.528642, 13.47420, -32.13623, 28.46742),
    (0.8833596, 33.57972, -70.43548, 49.78271, -18.52891),
    (0.6902145, 0.09847204, 0.2214797, -0.001968264, -0.006775479),
    (0.1166404, -0.09120847, -0.06726189, 0.00006720580, 0.0008448011),
)


def _slowness(spin: SpinFeatures) -> Float[Array, "*n"]:
    """z = 2 (τ_s - τ_unif)/ρ_s^(5/3)."""
    return 2 * SPIN_GAS * (spin_kinetic(spin) - 1)


def _working(alpha: float, d: _Working, x2, z) -> Float[Array, "*n"]:
    """h = d₀/γ + (d₁x² + d₂z)/γ² + (d₃x⁴ + d₄x²z)/γ³ with γ = 1 + α(x² + z)."""
    g = 1 / (1 + alpha * (x2 + z))
    return g * (d[0] + g * (d[1] * x2 + d[2] * z + g * x2 * (d[3] * x2 + d[4] * z)))


def m06_l_x(features: Features) -> Float[Array, "*n"]:
    """M06-L exchange, of the uniform gas times F_PBE(s) Σ_k a_k wᵏ + h(x, z).

        w = (1 - t)/(1 + t) with t = τ_s over that of the uniform gas

    **Source:** Zhao & Truhlar, J. Chem. Phys. 125, 194101 (2006), equations 5 to 11, table I; the
    sign of h as in libxc. libxc: MGGA_X_M06_L.
    """
    return _exchange(features, _M06_L_X)


def m06_2x_x(features: Features) -> Float[Array, "*n"]:
    """M06-2X exchange, of the uniform gas times F_PBE(s) Σ_k a_k wᵏ.

    **Source:** Zhao & Truhlar, Theor. Chem. Acc. 120, 215 (2008), table 2.
    libxc: HYB_MGGA_X_M06_2X.
    """
    return _exchange(features, _M06_2X_X)


def _exchange(features: Features, constants: _Exchange) -> Float[Array, "*n"]:
    def factor(spin: SpinFeatures):
        t, s2 = spin_kinetic(spin), reduced_gradient_squared(2 * spin.rho, 4 * spin.sigma)
        pbe = 1 + KAPPA * MU * s2 / (KAPPA + MU * s2)
        x2, z = spin_gradient_squared(spin), _slowness(spin)
        series = power_series(constants.series, (1 - t) / (1 + t))
        return pbe * series + _working(_ALPHA, constants.working, x2, z)

    return scaled_exchange(features, factor)


def m06_l_c(features: Features) -> Float[Array, "*n"]:
    """M06-L correlation: a power series and h for each of equal and opposite spins.

    **Source:** Zhao & Truhlar, J. Chem. Phys. 125, 194101 (2006), equations 12 to 19, table I.
    libxc: MGGA_C_M06_L.
    """
    return _correlation(features, _M06_L_C)


def m06_2x_c(features: Features) -> Float[Array, "*n"]:
    """M06-2X correlation, of the form of M06-L.

    **Source:** Zhao & Truhlar, Theor. Chem. Acc. 120, 215 (2008), table 2. libxc: MGGA_C_M06_2X.
    """
    return _correlation(features, _M06_2X_C)


def _correlation(features: Features, c: _Correlation) -> Float[Array, "*n"]:
    def equal(spin: SpinFeatures):
        x2, z = spin_gradient_squared(spin), _slowness(spin)
        series = power_series(c.same, inhomogeneity(_SAME, x2))
        factor = series + _working(_ALPHA_SAME, c.working_same, x2, z)
        return factor * (1 - one_orbital_ratio(spin))

    x2 = 2 * mean_over_spins(spin_gradient_squared, features)
    z = 2 * mean_over_spins(_slowness, features)
    series = power_series(c.opposite, inhomogeneity(_OPPOSITE, x2))
    opposite = series + _working(_ALPHA_OPPOSITE, c.working_opposite, x2, z)
    return partitioned_correlation(features, equal, opposite, EXACT)
