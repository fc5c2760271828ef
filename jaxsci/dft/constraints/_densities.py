"""The densities for which the constraints are stated, one point at a time."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._xc.features import Features

Functional = Callable[[Any, Features], Float[Array, ""]]

# s² = |∇ρ|² / (_GRADIENT ρ^(8/3)),   τ_TF = _KINETIC ρ^(5/3)
_GRADIENT = 4 * (3 * math.pi**2) ** (2 / 3)
_KINETIC = 0.3 * (3 * math.pi**2) ** (2 / 3)


def from_reduced(
    rho: Float[Array, "*n"],
    zeta: Float[Array, "*n"],
    s2: Float[Array, "*n"],
    alpha: Float[Array, "*n"],
) -> Features:
    """A point of given ρ, ζ, s² and α = (τ - τ_W)/τ_TF, the same s of the total in both spins."""
    sigma = _GRADIENT * s2 * rho ** (8 / 3)
    a, b = (1 + zeta) / 2, (1 - zeta) / 2
    # Each spin has von Weizsäcker's τ_W and α of its own uniform gas.
    uniform = 2 ** (2 / 3) * _KINETIC * rho ** (5 / 3)
    tau = [f * sigma / (8 * rho) + alpha * uniform * f ** (5 / 3) for f in (a, b)]
    return Features(a * rho, b * rho, a * a * sigma, a * b * sigma, b * b * sigma, *tau)


def unpolarised(features: Features) -> Features:
    """The point of the same total ρ, |∇ρ|² and τ without polarisation, at the least with τ_W."""
    rho = features.rho
    von_weizsaecker = features.sigma / (8 * rho)
    alpha = jnp.maximum(features.tau - von_weizsaecker, 0) / (_KINETIC * rho ** (5 / 3))
    return from_reduced(rho, jnp.zeros_like(rho), reduced_gradient_squared(features), alpha)


def uniform_gas(rho: Float[Array, "*n"], zeta: Float[Array, "*n"]) -> Features:
    """No gradient, and the kinetic energy density of Thomas and Fermi."""
    return from_reduced(rho, zeta, jnp.zeros_like(rho), jnp.ones_like(rho))


def scale_uniformly(features: Features, gamma: float | Float[Array, ""]) -> Features:
    """The point γr of the uniformly scaled density, ρ_γ(r) = γ³ ρ(γr).

    **Arguments:**

    - `features`: `Features` of one point or of many, in Hartree atomic units.
    - `gamma`: the scale factor γ > 0, a scalar; above 1 compresses.

    **Returns:** `Features` of the same shape with ρ γ³, |∇ρ|² γ⁸, τ γ⁵. Laplacians are set to zero.

    **Source:** Levy & Perdew, Phys. Rev. A 32, 2010 (1985).

    ```python
    point = jsci.dft.Features(rho_a=0.1, rho_b=0.1)
    jsci.dft.constraints.scale_uniformly(point, 2.0).rho  # 1.6
    ```
    """
    f = features
    rho = [x * gamma**3 for x in (f.rho_a, f.rho_b)]
    sigma = [x * gamma**8 for x in (f.sigma_aa, f.sigma_ab, f.sigma_bb)]
    tau = [x * gamma**5 for x in (f.tau_a, f.tau_b)]
    return Features(*rho, *sigma, *tau, polarised=f.polarised)


def reduced_gradient_squared(features: Features) -> Float[Array, "*n"]:
    """s² of the total density."""
    return features.sigma / (_GRADIENT * features.rho ** (8 / 3))


def second_order(functional: Functional, params: Any, rho: Float[Array, ""]) -> Float[Array, ""]:
    """C(ρ) in ∫ e = ∫ [e(uniform) + C(ρ) s² + O(∇⁴)], for a slowly varying unpolarised density.

    There τ = τ_TF (1 + 5/27 s² + 20/9 q) with the reduced Laplacian q. Integration by parts turns
    q into s²: ∫ A q = ∫ (5/3 A - ρ A') s².

    **Source:** Brack, Jennings & Chu, Phys. Lett. B 65, 1 (1976) for τ.
    """

    def energy(rho, s2, q):
        tau = 1 + 5 / 27 * s2 + 20 / 9 * q
        return functional(params, from_reduced(rho, 0 * rho, s2, tau - 5 / 3 * s2))

    zero = jnp.zeros_like(rho)
    by_s2 = jax.grad(energy, 1)(rho, zero, zero)
    by_q = jax.grad(energy, 2)
    a, slope = jax.value_and_grad(lambda r: by_q(r, zero, zero))(rho)
    return by_s2 + 5 / 3 * a - rho * slope


def sample_features(key: PRNGKeyArray, n: int) -> Features:
    """Random points to test constraints on: ρ 1e-3 to 1e2 and s 1e-2 to 10 (both log-uniform),
    |ζ| < 0.98 and α = (τ - τ_W)/τ_TF from 0 to 4 (both uniform).

    **Arguments:**

    - `key`: a PRNG key.
    - `n`: the number of points.

    **Returns:** `Features` of shape (n,) without Laplacians, in Hartree atomic units.

    ```python
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 256)
    ```
    """
    u = jax.random.uniform(key, (4, n))
    return from_reduced(
        10 ** (-3 + 5 * u[0]), 0.98 * (2 * u[1] - 1), 10 ** (-4 + 6 * u[2]), 4 * u[3]
    )
