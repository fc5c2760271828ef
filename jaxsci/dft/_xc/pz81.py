"""Correlation of the uniform electron gas after Perdew and Zunger."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import Features
from .powers import von_barth_hedin, wigner_seitz


class _Fit(NamedTuple):
    """Constants of the low-density (γ, β₁, β₂) and the high-density form (A, B, C, D)."""

    gamma: float
    beta1: float
    beta2: float
    a: float
    b: float
    c: float
    d: float


_PARA = _Fit(-0.1423, 1.0529, 0.3334, 0.0311, -0.048, 0.0020, -0.0116)
_FERRO = _Fit(-0.0843, 1.3981, 0.2611, 0.01555, -0.0269, 0.0007, -0.0048)


def _energy(fit: _Fit, rs: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The correlation energy per electron, equations C3 and C5."""
    low = fit.gamma / (1 + fit.beta1 * jnp.sqrt(rs) + fit.beta2 * rs)
    log = jnp.log(rs)
    high = fit.a * log + fit.b + fit.c * rs * log + fit.d * rs
    return jnp.where(rs >= 1, low, high)


def pz81(features: Features) -> Float[Array, "*n"]:
    """Perdew-Zunger correlation, fitted to Ceperley and Alder's quantum Monte Carlo data.

        ε_c = γ/(1 + β₁ √r_s + β₂ r_s)              for r_s ≥ 1
        ε_c = A ln r_s + B + C r_s ln r_s + D r_s   for r_s < 1

    The two forms differ by about 1e-5 Hartree per electron at r_s = 1, where the potential jumps.

    **Source:** Perdew & Zunger, Phys. Rev. B 23, 5048 (1981), appendix C. libxc: LDA_C_PZ.
    """
    rs = wigner_seitz(features.rho)
    para = _energy(_PARA, rs)
    if not features.polarised:
        return features.rho * para
    f = von_barth_hedin(features.zeta)
    return features.rho * (para + (_energy(_FERRO, rs) - para) * f)
