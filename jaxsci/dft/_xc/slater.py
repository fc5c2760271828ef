"""Exchange of the uniform electron gas."""

import math

from jaxtyping import Array, Float

from .attenuation import erf_attenuation, fermi_momentum
from .features import Features, SpinFeatures
from .powers import cbrt, spin_scaled

# E_x = -C ∫ ρ^(4/3) for the unpolarised gas
DIRAC = 0.75 * (3 / math.pi) ** (1 / 3)


def uniform_exchange(rho: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Exchange energy per volume of the unpolarised gas, -C ρ^(4/3)."""
    return -DIRAC * rho * cbrt(rho)


def slater(features: Features) -> Float[Array, "*n"]:
    """Slater-Dirac exchange, -¾ (3/π)^(1/3) ρ^(4/3), spin-scaled.

    **Source:** Dirac, Proc. Camb. Phil. Soc. 26, 376 (1930); Slater, Phys. Rev. 81, 385 (1951).
    libxc: LDA_X.
    """

    def unpolarised(spin: SpinFeatures):
        return uniform_exchange(spin.rho)

    return spin_scaled(unpolarised, features)


def slater_sr(features: Features, omega: float) -> Float[Array, "*n"]:
    """Exchange of the uniform gas for the short-range interaction erfc(ω r)/r.

    **Source:** Gill, Adamson & Pople, Mol. Phys. 88, 1005 (1996). libxc: LDA_X_ERF.
    """

    def unpolarised(spin: SpinFeatures):
        return uniform_exchange(spin.rho) * erf_attenuation(omega / (2 * fermi_momentum(spin.rho)))

    return spin_scaled(unpolarised, features)
