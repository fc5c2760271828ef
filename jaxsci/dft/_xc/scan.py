"""The strongly constrained and appropriately normed meta-GGA, and its regularised form."""

import math
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features, SpinFeatures
from .kinetic import uniform_kinetic, von_weizsaecker
from .pbe import BETA, reduced_gradient_squared
from .powers import polarisation_power, spin_scaled, wigner_seitz
from .pw92 import GAMMA, of_rs
from .slater import uniform_exchange

MU = 10 / 81
# exchange
K1, H0, _A1 = 0.065, 1.174, 4.9479
_B2, _B3 = math.sqrt(5913 / 405000), 0.5
_B1 = 511 / 13500 / (2 * _B2)
_B4 = MU**2 / K1 - 1606 / 18225 - _B1**2
# correlation at α = 0; the paper prints 0.128026 and 2.3631 for the last two
_B1C, _B2C, _B3C, _CHI, _G = 0.0285764, 0.0889, 0.125541, 0.12802585262625815, 2.363
# regularisation: τ of the uniform gas is raised by the first, α³/(α² + second) stands for α
_TAU_R, _ALPHA_R = 1e-4, 1e-3

_Switch = Callable[[Float[Array, "*n"]], Float[Array, "*n"]]


class ExponentialSwitch:
    """f(α) of SCAN: 1 for one orbital (α = 0), 0 for the uniform gas (α = 1), negative beyond.

    exp(-c₁ α/(1 - α)) for α < 1 and -d exp(c₂/(1 - α)) for α > 1.
    """

    def __init__(self, c1: float, c2: float, d: float):
        self.c1, self.c2, self.d = c1, c2, d

    def __call__(self, alpha: Float[Array, "*n"]) -> Float[Array, "*n"]:
        # Closer to 1 than this, both exponentials are zero with all their derivatives.
        # A NaN is above, and stays NaN.
        below, above = alpha < 1 - 1e-3, ~(alpha <= 1 + 1e-3)
        low, high = jnp.where(below, alpha, 0), jnp.where(above, alpha, 3)
        return jnp.where(
            below,
            jnp.exp(-self.c1 * low / (1 - low)),
            jnp.where(above, -self.d * jnp.exp(self.c2 / (1 - high)), 0),
        )


class PolynomialSwitch:
    """f(α) of rSCAN and r²SCAN: a polynomial where 0 < α ≤ 2.5, SCAN's exponentials outside."""

    def __init__(self, c1: float, c2: float, d: float, *coefficients: float):
        self.c1, self.c2, self.d = c1, c2, d
        self.coefficients = coefficients  # in ascending powers of α
        self.slope = sum(i * c for i, c in enumerate(coefficients))  # at α = 1

    def __call__(self, alpha: Float[Array, "*n"]) -> Float[Array, "*n"]:
        negative, large = alpha <= 0, alpha > 2.5
        below = jnp.where(negative, alpha, 0)
        above = jnp.where(large, alpha, 3)
        between = jnp.where(negative | large, 0, alpha)
        polynomial = jnp.zeros_like(alpha)
        for c in reversed(self.coefficients):
            polynomial = polynomial * between + c
        return jnp.where(
            negative,
            jnp.exp(-self.c1 * below / (1 - below)),
            jnp.where(large, -self.d * jnp.exp(self.c2 / (1 - above)), polynomial),
        )


_EXCHANGE, _CORRELATION = (0.667, 0.8, 1.24), (0.64, 1.5, 0.7)
_FX, _FC = ExponentialSwitch(*_EXCHANGE), ExponentialSwitch(*_CORRELATION)
SMOOTH_FX = PolynomialSwitch(
    *_EXCHANGE,
    *(1.0, -0.667, -0.4445555, -0.663086601049),
    *(1.451297044490, -0.887998041597, 0.234528941479, -0.023185843322),
)
SMOOTH_FC = PolynomialSwitch(
    *_CORRELATION,
    *(1.0, -0.64, -0.4352, -1.535685604549),
    *(3.061560252175, -1.915710236206, 0.516884468372, -0.051848879792),
)


def _iso_orbital(rho, sigma, tau, uniform) -> Float[Array, "*n"]:
    """α = (τ - τ_W)/τ_unif."""
    return (tau - von_weizsaecker(rho, sigma)) / uniform


def _regularised(alpha: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """α' = α³/(α² + α_r)."""
    return alpha**3 / (alpha**2 + _ALPHA_R)


def interpolated_exchange(rho, p, x, switch: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The uniform gas times {h₁(x) + f(α) [h₀ - h₁(x)]} g(p), with h₁ = 1 + k₁ x/(k₁ + x)."""
    h1 = 1 + K1 * x / (K1 + x)
    # exp(-a/√s) is zero with all its derivatives below this p.
    decays = p > 1e-9
    g = 1 - jnp.where(decays, jnp.exp(-_A1 * jnp.where(decays, p, 1) ** -0.25), 0)
    return uniform_exchange(rho) * (h1 + switch * (H0 - h1)) * g


def one_orbital_correlation(rs: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Correlation energy per electron for one orbital of uniform density."""
    return -_B1C / (1 + _B2C * jnp.sqrt(rs) + _B3C * rs)


def vanishing(zeta: Float[Array, "*n"] | None, dx: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """G_c(ζ), which removes the correlation of one electron; d_x = ½ Σ (1±ζ)^(4/3)."""
    return (1 - _G * (dx - 1)) * (1 if zeta is None else 1 - zeta**12)


def one_orbital_limit(rs: Float[Array, "*n"], p: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """ε₀/G_c, the energy per electron at α = 0."""
    single = one_orbital_correlation(rs)
    limit = (1 + 4 * _CHI * p) ** -0.25
    return single + _B1C * jnp.log1p(jnp.expm1(-single / _B1C) * (1 - limit))


def reduced_gradient_term(rs, p, phi, w1: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """A t², with β(r_s) = β (1 + 0.1 r_s)/(1 + 0.1778 r_s)."""
    t2 = (3 * math.pi**2 / 16) ** (2 / 3) * p / (phi**2 * rs)
    return BETA * (1 + 0.1 * rs) / (1 + 0.1778 * rs) / (GAMMA * w1) * t2


def slowly_varying(uniform, scale, w1, y: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """ε₁, the energy per electron at α = 1: ε_LDA + γφ³ ln[1 + w₁ (1 - (1 + 4y)^(-1/4))]."""
    return uniform + scale * jnp.log1p(w1 * (1 - (1 + 4 * y) ** -0.25))


def spin_factor(zeta, like, power: float) -> Float[Array, "*n"]:
    """½ [(1+ζ)^p + (1-ζ)^p], one for `None`."""
    return jnp.ones_like(like) if zeta is None else polarisation_power(zeta, power)


def scan_x(features: Features) -> Float[Array, "*n"]:
    """SCAN exchange, F_x = {h₁(x) + f(α) [h₀ - h₁(x)]} g(s), with x of s and α.

    **Source:** Sun, Ruzsinszky & Perdew, Phys. Rev. Lett. 115, 036402 (2015), equations 2 to 8.
    libxc: MGGA_X_SCAN.
    """

    def unpolarised(spin: SpinFeatures):
        rho, sigma, tau = spin
        alpha = _iso_orbital(rho, sigma, tau, uniform_kinetic(rho))
        return _exchange(rho, sigma, alpha, _FX)

    return spin_scaled(unpolarised, features)


def rscan_x(features: Features) -> Float[Array, "*n"]:
    """rSCAN exchange: SCAN's with a regularised α and a polynomial f(α).

    **Source:** Bartók & Yates, J. Chem. Phys. 150, 161101 (2019). libxc: MGGA_X_RSCAN.
    """

    def unpolarised(spin: SpinFeatures):
        rho, sigma, tau = spin
        alpha = _iso_orbital(rho, sigma, tau, uniform_kinetic(rho) + _TAU_R)
        return _exchange(rho, sigma, _regularised(alpha), SMOOTH_FX)

    return spin_scaled(unpolarised, features)


def _exchange(rho, sigma, alpha, switch: _Switch) -> Float[Array, "*n"]:
    p, away = reduced_gradient_squared(rho, sigma), 1 - alpha
    root = _B1 * p + _B2 * away * jnp.exp(-_B3 * away**2)
    x = MU * p + _B4 * p**2 * jnp.exp(-_B4 / MU * p) + root**2
    return interpolated_exchange(rho, p, x, switch(alpha))


def scan_c(features: Features) -> Float[Array, "*n"]:
    """SCAN correlation, ε_c = ε₁ + f(α) (ε₀ - ε₁).

    ε₀ is for one orbital (α = 0), ε₁ for slowly varying densities (α = 1).

    **Source:** Sun, Ruzsinszky & Perdew, Phys. Rev. Lett. 115, 036402 (2015), equations 9 to 13
    and supplement. libxc: MGGA_C_SCAN.
    """
    return _correlation(features, 0.0, _FC)


def rscan_c(features: Features) -> Float[Array, "*n"]:
    """rSCAN correlation: SCAN's with a regularised α and a polynomial f(α).

    **Source:** Bartók & Yates, J. Chem. Phys. 150, 161101 (2019). libxc: MGGA_C_RSCAN.
    """
    return _correlation(features, _TAU_R, lambda alpha: SMOOTH_FC(_regularised(alpha)))


def _correlation(features: Features, tau_r: float, switch: _Switch) -> Float[Array, "*n"]:
    rho, sigma = features.rho, features.sigma
    zeta = features.zeta if features.polarised else None
    phi, dx, ds = (spin_factor(zeta, rho, n) for n in (2 / 3, 4 / 3, 5 / 3))
    p, rs = reduced_gradient_squared(rho, sigma), wigner_seitz(rho)
    e0 = one_orbital_limit(rs, p) * vanishing(zeta, dx)
    uniform, scale = of_rs(rs, zeta), GAMMA * phi**3
    w1 = jnp.expm1(-uniform / scale)
    e1 = slowly_varying(uniform, scale, w1, reduced_gradient_term(rs, p, phi, w1))
    alpha = _iso_orbital(rho, sigma, features.tau, (uniform_kinetic(rho) + tau_r) * ds)
    return rho * (e1 + switch(alpha) * (e0 - e1))
