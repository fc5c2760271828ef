"""Nonlocal correlation of Vydrov and Van Voorhis: dispersion from the density."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .density import MolecularDensity

# Points below this density are left out (PySCF's cutoff).
_SMALLEST = 1e-8
# Points whose pairs with all others are in memory at one time.
_BLOCK = 64


class VV10(NamedTuple):
    """E_c = ∫ ρ [β + ½ ∫ ρ' Φ dr'] dr with damping b and coefficient c.

        Φ = -3/2 / [g g' (g + g')],  g = ω₀ |r - r'|² + κ
        ω₀² = c |∇ρ/ρ|⁴ + 4π/3 ρ,  κ = 3π/2 b (ρ/9π)^(1/6),  β = (3/b²)^(3/4)/32

    Memory is that of a few rows of the pair matrix; time is quadratic in the number of points.

    **Source:** Vydrov & Van Voorhis, J. Chem. Phys. 133, 244103 (2010), equations 2 to 15.
    """

    b: float
    c: float

    def __call__(self, params: Any, density: MolecularDensity) -> Float[Array, ""]:
        rho, sigma = density.features.rho, density.features.sigma
        present = ~(rho < _SMALLEST)  # NaN propagates
        electrons = jnp.where(present, density.weights * rho, 0)
        rho, sigma = jnp.where(present, rho, 1), jnp.where(present, sigma, 1)
        omega = jnp.sqrt(self.c * (sigma / rho**2) ** 2 + 4 / 3 * math.pi * rho)
        kappa = 1.5 * math.pi * self.b * (rho / (9 * math.pi)) ** (1 / 6)
        local = (3 / self.b**2) ** 0.75 / 32 * jnp.sum(electrons)
        return local + _pair_energy(density.points, electrons, omega, kappa)


@eqx.filter_custom_jvp
def _pair_energy(
    points: Float[Array, "n 3"],
    electrons: Float[Array, " n"],
    omega: Float[Array, " n"],
    kappa: Float[Array, " n"],
) -> Float[Array, ""]:
    """½ Σ_ij q_i q_j Φ_ij."""
    potential = _rows(points, electrons, omega, kappa, moving=False)[0]
    return 0.5 * jnp.sum(electrons * potential)


@_pair_energy.def_jvp
def _pair_energy_jvp(primals, tangents):
    # By hand: one pass over the pairs gives the energy and its slopes, and stores nothing per pair.
    # Each pair is counted twice, once for each of its points, hence the factor of one half.
    points, electrons, omega, kappa = primals
    d_points, *d_others = tangents
    moving = d_points is not None
    potential, *slopes = _rows(points, electrons, omega, kappa, moving=moving)
    by_omega, by_kappa, *by_point = (electrons.reshape(-1, *[1] * (s.ndim - 1)) * s for s in slopes)
    slope = jnp.zeros(())
    if moving:
        slope = jnp.sum(by_point[0] * d_points)
    for weight, change in zip((potential, by_omega, by_kappa), d_others, strict=True):
        if change is not None:
            slope = slope + jnp.sum(weight * change)
    return 0.5 * jnp.sum(electrons * potential), slope


def _rows(points, electrons, omega, kappa, *, moving: bool):
    """Σ_j q_j of Φ_ij and of its derivatives by ω_i, κ_i and, if points move, r_i."""

    @jax.checkpoint
    def row(of_one):
        point, omega_i, kappa_i = of_one
        away = point[None] - points
        r2 = jnp.sum(away**2, axis=1)
        g, h = omega_i * r2 + kappa_i, omega * r2 + kappa
        both = 1 / (g + h)
        weight = 1.5 * electrons * both / (g * h)
        by_g = weight * (1 / g + both)
        sums = -jnp.sum(weight), jnp.sum(by_g * r2), jnp.sum(by_g)
        if not moving:
            return sums
        by_r2 = omega_i * by_g + omega * weight * (1 / h + both)
        return *sums, 2 * by_r2 @ away

    return jax.lax.map(row, (points, omega, kappa), batch_size=_BLOCK)
