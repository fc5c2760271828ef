"""Convolution on the sphere, by spherical harmonics on a latitude-longitude grid."""

import math
from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .products import along_axis, carry_batch, check_field
from .sphere import legendre_recursion


def sphere_grid(
    latitudes: int, longitudes: int
) -> tuple[
    Float[np.ndarray, " latitudes"],
    Float[np.ndarray, " longitudes"],
    Float[np.ndarray, "latitudes longitudes"],
]:
    """Colatitudes, longitudes and quadrature weights of a Gauss-Legendre grid on the unit sphere.

        ∫ f dΩ = Σ_ij w_ij f(θ_i, φ_j),   cos θ_i the Gauss points,   φ_j = 2πj/N

    Exact for spherical harmonics up to degree min(2 latitudes - 1, longitudes - 1).

    **Arguments:**

    - `latitudes`, `longitudes`: number of rings from pole to pole, and of points on each.

    **Returns:** θ ascending from the north pole, φ, and w, which add up to 4π.

    ```python
    theta, phi, weights = sphere_grid(32, 64)
    ```
    """
    if latitudes < 1 or longitudes < 1:
        raise ValueError(f"sphere_grid() needs positive sizes, got {latitudes} and {longitudes}.")
    z, w = np.polynomial.legendre.leggauss(latitudes)
    ring = np.full(longitudes, 2 * np.pi / longitudes)
    return np.arccos(z[::-1]), 2 * np.pi * np.arange(longitudes) / longitudes, np.outer(w, ring)


class SphericalConv(eqx.Module):
    """Convolution with a zonal kernel on the sphere: a matrix for each degree of the harmonics.

        (K a)(θ, φ) = Σ_lm (R_l a_lm) Y_lm(θ, φ),   a_lm = ∫ a Y_lm dΩ

    It commutes with every rotation, in exact arithmetic for fields up to the degree kept: no pole
    is special. The transform is a real Fourier sum on each ring, then one matrix product over the
    rings for each order m. The parameters belong to functions, not to a grid.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `degree`: highest l kept. Good values: a third to a half of the number of latitudes.
    - `key`: PRNG key of the weights.

    Called as `layer(a, out_grid=None)`: `a` is one sample `(latitudes, longitudes, in_channels)`
    on a `sphere_grid`; `out_grid` may name another.

    **Raises:** `ValueError` for a grid that cannot hold the degree (fewer than degree + 1
    latitudes or 2 degree + 1 longitudes), or other channels.

    Source: Driscoll and Healy, Adv. Appl. Math. 15 (1994), theorem 1; as a layer, Bonev et al.,
    "Spherical Fourier Neural Operators", ICML 2023.

    ```python
    layer = SphericalConv(3, 8, degree=15, key=jax.random.key(0))
    b = layer(jnp.ones((32, 64, 3)))        # (32, 64, 8)
    ```
    """

    weight: Float[Array, "degrees in_channels out_channels"]
    in_channels: int = eqx.field(static=True)
    degree: int = eqx.field(static=True)

    def __init__(self, in_channels: int, out_channels: int, *, degree: int, key: PRNGKeyArray):
        if in_channels < 1 or out_channels < 1 or degree < 0:
            raise ValueError(
                "SphericalConv needs in_channels, out_channels >= 1 and degree >= 0; got "
                f"{in_channels}, {out_channels} and {degree}."
            )
        self.in_channels, self.degree = in_channels, degree
        shape = (degree + 1, in_channels, out_channels)
        self.weight = jax.random.normal(key, shape) / math.sqrt(in_channels)

    def __call__(
        self,
        a: Float[Array, "latitudes longitudes in_channels"],
        out_grid: tuple[int, int] | None = None,
    ) -> Float[Array, "out_latitudes out_longitudes out_channels"]:
        check_field(a, self.in_channels, 2, "SphericalConv")
        grid = a.shape[:2]
        target = grid if out_grid is None else tuple(out_grid)
        self._check_grid(grid)
        n = self.degree
        rings, legendre, weights = _matrices(*grid, n)
        # (orders, latitudes, channels): cosines of m = 0..n, then sines of m = 1..n
        waves = along_axis(rings.T, a, 1).swapaxes(0, 1)
        coefficients = jnp.matmul(
            carry_batch(jnp.asarray(legendre * weights, a.dtype), a), waves
        )  # (orders, degrees, channels)
        mixed = jnp.einsum("mlc,lcd->mld", coefficients, self.weight)
        rings, legendre, _ = _matrices(*target, n)
        waves = jnp.matmul(carry_batch(jnp.asarray(legendre.swapaxes(1, 2), a.dtype), a), mixed)
        return along_axis(rings, waves, 0).swapaxes(0, 1)

    def _check_grid(self, grid):
        if grid[0] < self.degree + 1 or grid[1] < 2 * self.degree + 1:
            raise ValueError(
                f"degree={self.degree} needs a grid of at least {self.degree + 1} latitudes and "
                f"{2 * self.degree + 1} longitudes; got {grid[0]} and {grid[1]}."
            )


@lru_cache(maxsize=32)
def _matrices(latitudes: int, longitudes: int, degree: int):
    """Ring waves (longitudes, orders), P̄ (orders, degrees, latitudes) and the weights of a ring.

    Orthonormal as `spherical_harmonics`: Y_lm is P̄_l|m| times its wave.
    """
    theta, phi, weights = sphere_grid(latitudes, longitudes)
    m = np.arange(degree + 1)
    scale = np.where(m == 0, 1, np.sqrt(2))
    angle = np.outer(phi, m)
    rings = np.concatenate([scale * np.cos(angle), (scale * np.sin(angle))[:, 1:]], 1)
    legendre = _legendre(np.cos(theta), np.sin(theta), degree)
    return rings, np.concatenate([legendre, legendre[1:]]), weights[:, 0]


def _legendre(z, rho, degree):
    """Fully normalised P̄_lm as (orders, degrees, points), zero for l < m."""
    first, second, sectoral = legendre_recursion(degree)
    p = np.zeros((degree + 1, degree + 1, len(z)))
    for l in range(degree + 1):
        p[l, l] = sectoral[l] * rho**l
        for m in range(l):
            before = p[m, l - 2] if l > m + 1 else 0
            p[m, l] = first[l, m] * (z * p[m, l - 1] - second[l, m] * before)
    return p
