"""The regularised, restored, strongly constrained and appropriately normed meta-GGA."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features, SpinFeatures
from .kinetic import uniform_kinetic, von_weizsaecker
from .pbe import BETA, reduced_gradient_squared
from .powers import polarisation_power, spin_scaled, wigner_seitz
from .pw92 import GAMMA, of_rs
from .slater import uniform_exchange

_ETA = 0.001  # regularises α where the density decays
_D_P2 = 0.361**4
_MU = 10 / 81
# exchange
_K1, _H0, _A1 = 0.065, 1.174, 4.9479
# correlation at α = 0; the paper prints 0.128026 and 2.3631 for the last two, as in SCAN
_B1, _B2, _B3, _CHI, _G = 0.0285764, 0.0889, 0.125541, 0.12802585262625815, 2.363


class _Switch:
    """f(α): 1 for one orbital (α = 0), 0 for the uniform gas (α = 1), negative beyond.

    Equations S7 and S26 of the paper: a polynomial where 0 < α ≤ 2.5, exponentials outside.
    """

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


_FX = _Switch(
    *(0.667, 0.8, 1.24, 1.0, -0.667, -0.4445555, -0.663086601049),
    *(1.451297044490, -0.887998041597, 0.234528941479, -0.023185843322),
)
_FC = _Switch(
    *(0.64, 1.5, 0.7, 1.0, -0.64, -0.4352, -1.535685604549),
    *(3.061560252175, -1.915710236206, 0.516884468372, -0.051848879792),
)


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
    restored = (20 / 27 + 5 * _ETA / 3) * -_FX.slope * (1 - _H0)
    x = restored * _damped(p) + _MU * p
    h1 = 1 + _K1 * x / (_K1 + x)
    # exp(-a/√s) is zero with all its derivatives below this p.
    decays = p > 1e-9
    g = 1 - jnp.where(decays, jnp.exp(-_A1 * jnp.where(decays, p, 1) ** -0.25), 0)
    return uniform_exchange(rho) * (h1 + _FX(alpha) * (_H0 - h1)) * g


def r2scan_c(features: Features) -> Float[Array, "*n"]:
    """r²SCAN correlation, ε_c = ε₁ + f(α) (ε₀ - ε₁).

    ε₀ is for one orbital (α = 0), ε₁ for slowly varying densities (α = 1).

    **Source:** Furness, Kaplan, Ning, Perdew & Sun, J. Phys. Chem. Lett. 11, 8208 (2020),
    equations S24 to S41. libxc: MGGA_C_R2SCAN.
    """
    rho, sigma = features.rho, features.sigma
    zeta = features.zeta if features.polarised else None
    phi, dx, ds = (_spin_factor(zeta, rho, n) for n in (2 / 3, 4 / 3, 5 / 3))
    p, rs = reduced_gradient_squared(rho, sigma), wigner_seitz(rho)
    ones = jnp.ones_like(rs)
    single, d_single = jax.jvp(_one_orbital_energy, (rs,), (ones,))
    uniform, d_uniform = jax.jvp(lambda r: of_rs(r, zeta), (rs,), (ones,))
    vanishing = (1 - _G * (dx - 1)) * (1 if zeta is None else 1 - zeta**12)

    w0 = jnp.expm1(-single / _B1)
    limit = (1 + 4 * _CHI * p) ** -0.25
    e0 = (single + _B1 * jnp.log1p(w0 * (1 - limit))) * vanishing

    scale = GAMMA * phi**3
    w1 = jnp.expm1(-uniform / scale)
    t2 = (3 * math.pi**2 / 16) ** (2 / 3) * p / (phi**2 * rs)
    y = BETA * (1 + 0.1 * rs) / (1 + 0.1778 * rs) / (GAMMA * w1) * t2
    change = 20 * rs * (d_single * vanishing - d_uniform) - 45 * _ETA * (
        single * vanishing - uniform
    )
    y = y - _FC.slope / (27 * ds * scale * w1) * change * _damped(p)
    e1 = uniform + scale * jnp.log1p(w1 * (1 - (1 + 4 * y) ** -0.25))

    alpha = _iso_orbital(rho, sigma, features.tau, uniform_kinetic(rho) * ds)
    return rho * (e1 + _FC(alpha) * (e0 - e1))


def _one_orbital_energy(rs: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Correlation energy per electron of SCAN for one orbital of uniform density."""
    return -_B1 / (1 + _B2 * jnp.sqrt(rs) + _B3 * rs)


def _spin_factor(zeta, like, power: float) -> Float[Array, "*n"]:
    return jnp.ones_like(like) if zeta is None else polarisation_power(zeta, power)
