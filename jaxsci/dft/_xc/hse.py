"""Short-range PBE exchange from a model of its hole, as used by HSE06."""

import math

import jax.numpy as jnp
import jax.scipy.special as jsp
from jaxtyping import Array, Float

from .attenuation import fermi_momentum
from .exponential_integral import scaled_e1_and_log, scaled_gammas
from .features import Features, SpinFeatures
from .pbe import reduced_gradient_squared
from .powers import spin_scaled
from .slater import uniform_exchange

# The PBE hole of Ernzerhof and Perdew
_A, _B, _C, _D, _E = 1.0161144, -0.37170836, -0.077215461, 0.57786348, -0.051955731
_F1, _F2 = 6.4753871, 0.47965830
_HOLE_RANGE = 4 / 9 * _A
# erfc(z) = exp(-b z²) Σ a_k z^k, k = 1, ..., 8, after the 1 for k = 0
_FIT = (
    *(-1.128223946706117, 1.452736265762971, -1.243162299390327, 0.971824836115601),
    *(-0.568861079687373, 0.246880514820192, -0.065032363850763, 0.008401793031216),
)
_DECAY = 1.455915450052607
# Above this ν the fit is replaced by one Gaussian, exp(-2 z²)
_LARGEST_NU, _LARGE_DECAY = 14.0, 2.0
# Lieb and Oxford's bound is kept by bending s towards this
_LARGEST_S = 8.572844


def pbe_x_sr(features: Features, omega: float) -> Float[Array, "*n"]:
    """PBE exchange of the short-range interaction erfc(ω r)/r; ω = 0 is the full interaction.

        F_x(s, ν) = -8/9 ∫ y J(s, y) erfc(ν y) dy,  ν = ω/k_F

    with J the PBE hole. The integral is in closed form for a fit of erfc. At ω = 0 the result is
    close to `pbe_x` but not equal. As in libxc and other quantum chemistry programs, s is rescaled
    above 1 by a formula with a step of 1e-4 in F_x at s = 1, so energies are not quite smooth in
    the positions of the nuclei.

    **Source:** Heyd, Scuseria & Ernzerhof, J. Chem. Phys. 118, 8207 (2003) and 124, 219906 (2006);
    Ernzerhof & Perdew, J. Chem. Phys. 109, 3313 (1998); Henderson, Izmaylov, Scalmani & Scuseria,
    J. Chem. Phys. 131, 044108 (2009) for s. libxc: GGA_X_WPBEH.
    """

    def unpolarised(spin: SpinFeatures):
        s = _bounded(jnp.sqrt(reduced_gradient_squared(spin.rho, spin.sigma) + 1e-40))
        hole = _Hole(s)
        if omega == 0:
            return uniform_exchange(spin.rho) * _whole(hole)
        nu = omega / fermi_momentum(spin.rho)
        return uniform_exchange(spin.rho) * _screened(hole, nu)

    return spin_scaled(unpolarised, features)


def _bounded(s: Float[Array, "*n"]) -> Float[Array, "*n"]:
    between = ~((s < 1) | (s > 15))  # NaN too, which stays NaN
    bent = jnp.where(between, s, 1)
    bent = bent - jnp.log1p(jnp.exp(bent - _LARGEST_S))
    return jnp.where(s < 1, s, jnp.where(between, bent, _LARGEST_S))


class _Hole:
    """s, s²H(s), s²F(s), D + s²H and E + s²G of the PBE hole."""

    def __init__(self, s: Float[Array, "*n"]):
        s2 = s**2
        h = s2 * (0.00979681 + 0.0410834 * s2)
        h = h / (1 + s2**2 * (0.187440 + 0.00120824 * s + 0.0347188 * s2))
        self.h = s2 * h
        self.f = s2 * (_F1 * h + _F2)
        self.d = _D + self.h
        self.g = _E + _s2_g(s2, self.h, self.f, self.d)


def _s2_g(s2, h, f, d) -> Float[Array, "*n"]:
    """s²G(s), which makes the energy of the hole that of PBE; a polynomial where terms cancel."""
    near = s2 <= 0.08**2
    polynomial = s2 * (-0.02628417880 + s2 * (-0.07117647788 + s2 * 0.08534541323))
    h, f, d = (jnp.where(near, 1, x) for x in (h, f, d))
    q = h / _HOLE_RANGE
    tail = 0.75 * math.pi * math.sqrt(_A) * jsp.erfcx(jnp.sqrt(q))
    sum_ = 15 * _E + 6 * _C * (1 + f) * d + 4 * _B * d**2 + 8 * _A * d**3
    scale = 16 * d**3.5 / math.sqrt(math.pi)
    return jnp.where(near, polynomial, -(scale * (0.75 * math.pi - tail) + sum_) / 15)


def _whole(hole: _Hole) -> Float[Array, "*n"]:
    """The enhancement factor of the full interaction."""
    logarithms = scaled_e1_and_log(hole.h / _HOLE_RANGE) + math.log(_HOLE_RANGE)
    return -8 / 9 * (0.5 * _A * (logarithms - jnp.log(hole.d)) + _unscreened(hole))


def _screened(hole: _Hole, nu: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The enhancement factor of erfc(ω r)/r."""
    far = nu > _LARGEST_NU
    first = jnp.where(
        far,
        _one_gaussian(hole, jnp.where(far, nu, 2 * _LARGEST_NU)),
        _eight_powers(hole, jnp.where(far, 1, nu)),
    )
    t = hole.d + nu**2
    gaussian = _B * t**2, _C * (1 + hole.f) * t, hole.g
    rest = (
        nu * (4 * gaussian[0] + 6 * gaussian[1] + 15 * gaussian[2]) / (8 * hole.d)
        + nu**3 * (gaussian[1] + 5 * gaussian[2]) / (2 * hole.d**2)
        + nu**5 * gaussian[2] / hole.d**3
    )
    return -8 / 9 * (first + _unscreened(hole) - rest / (t**2 * jnp.sqrt(t)))


def _unscreened(hole: _Hole) -> Float[Array, "*n"]:
    """The contribution of the terms B, C and E of the hole to the full interaction."""
    return (_B * hole.d**2 + _C * (1 + hole.f) * hole.d + 2 * hole.g) / (2 * hole.d**3)


def _eight_powers(hole: _Hole, nu: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The term in A of the hole, by the fit of erfc.

    The power k of ν gives a_k [Γ(k/2) (ν/√q)^k - (ν/√p)^k G_k(9p/4A)] with p = s²H + bν² and
    q = p + D: the form of the sources, sorted by powers, in functions that do not cancel.
    """
    p = hole.h + _DECAY * nu**2
    by_p, by_q = nu / jnp.sqrt(p), nu / jnp.sqrt(p + _D)
    logarithms, gammas = scaled_gammas(p / _HOLE_RANGE, len(_FIT))
    total = logarithms + math.log(_HOLE_RANGE) - jnp.log(p + _D)
    for k, (a, gamma) in enumerate(zip(_FIT, gammas, strict=True), start=1):
        total = total + a * (math.gamma(k / 2) * by_q**k - by_p**k * gamma)
    return 0.5 * _A * total


def _one_gaussian(hole: _Hole, nu: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The same for large ν, with erfc(z) ≈ exp(-2 z²)."""
    p = hole.h + _LARGE_DECAY * nu**2
    x = p / _HOLE_RANGE
    # exp(x) E₁(x) for large x, Abramowitz & Stegun 5.1.54 to two terms
    e1 = (x**2 + 4.03640 * x + 1.15198) / (x * (x**2 + 5.03627 * x + 4.19160))
    return 0.5 * _A * (e1 - jnp.log1p(_D / p))
