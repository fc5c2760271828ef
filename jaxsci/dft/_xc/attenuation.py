"""Which fraction of the uniform gas's exchange a short-range interaction keeps."""

import math

import jax.numpy as jnp
import jax.scipy.special as jsp
from jaxtyping import Array, Float

from .powers import cbrt

_SERIES_BELOW = 0.35  # of 1/(2a)
# F = Σ_k c_k y^(2k) with y = 1/(2a)
_SERIES = tuple(
    4
    / 3
    * (-1) ** (k + 1)
    * (
        2 / (math.factorial(k) * (2 * k + 1))
        - 1 / math.factorial(k + 1)
        - 0.5 / math.factorial(k + 2)
    )
    for k in range(1, 11)
)


def erf_attenuation(a: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The fraction of exchange that erfc(ω r)/r keeps, with a = ω/(2k) and k the Fermi momentum.

        F(a) = 1 - 8/3 a [√π erf(1/2a) + (2a - 4a³) exp(-1/4a²) - 3a + 4a³]

    For large a the terms cancel, so a series is used instead.

    **Source:** Gill, Adamson & Pople, Mol. Phys. 88, 1005 (1996), equation 17; Iikura, Tsuneda,
    Yanai & Hirao, J. Chem. Phys. 115, 3540 (2001), equation 12.
    """
    y = 0.5 / a
    small = y < _SERIES_BELOW
    y2 = jnp.where(small, y, 0) ** 2
    series = jnp.zeros_like(y)
    for c in reversed(_SERIES):
        series = (series + c) * y2
    b = jnp.where(small, 1, a)
    y = 0.5 / b
    bracket = math.sqrt(math.pi) * jsp.erf(y) + (2 * b - 4 * b**3) * jnp.exp(-(y**2))
    return jnp.where(small, series, 1 - 8 / 3 * b * (bracket - 3 * b + 4 * b**3))


def fermi_momentum(rho: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """k_F = (3π²ρ)^(1/3) of the unpolarised gas."""
    return cbrt(3 * math.pi**2 * rho)
