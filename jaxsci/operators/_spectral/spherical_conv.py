"""Convolution on the sphere, by spherical harmonics on a latitude-longitude grid."""

import math
import operator
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ...numerics import legendre_recursion
from .._fields.fields import check_field, known
from .._fields.matrix_products import along_axis, carry_batch

SphereGrid = Literal["gauss", "equiangular", "cells"]


def sphere_grid(
    latitudes: int, longitudes: int, *, grid: SphereGrid = "gauss"
) -> tuple[
    Float[np.ndarray, " latitudes"],
    Float[np.ndarray, " longitudes"],
    Float[np.ndarray, "latitudes longitudes"],
]:
    """Colatitudes, longitudes and quadrature weights of a grid on the unit sphere.

        ∫ f dΩ = Σ_ij w_ij f(θ_i, φ_j),   φ_j = 2πj/N

    | grid | θ_i, i = 0..n-1 | rule | exact for degrees up to |
    |---|---|---|---|
    | "gauss" | cos θ_i the Gauss points | Gauss-Legendre | 2n - 1 |
    | "equiangular" | πi/(n - 1), both poles included | Clenshaw-Curtis | n - 1 |
    | "cells" | π(i + 1/2)/n, the middles of n bands | Fejér's first | n - 1 |

    and up to N - 1 in longitude.

    **Arguments:**

    - `latitudes`, `longitudes`: number n of rings from pole to pole, and N of points on each.
    - `grid`: the position of the rings. ERA5 on 721 × 1440 points is "equiangular"; WeatherBench on
        32 × 64 has "cells".

    **Returns:** θ `(n,)` ascending from the north pole, φ `(N,)`, and w `(n, N)`, which add up to
    4π. For data that start in the south, flip the latitudes.

    **Raises:** `ValueError` for sizes that are not positive, fewer than two rings with poles, or an
    unknown grid.

    **Source:** Waldvogel, "Fast construction of the Fejér and Clenshaw-Curtis quadrature rules",
    BIT 46 (2006), section 1.

    ```python
    theta, phi, weights = jsci.operators.sphere_grid(32, 64)
    ```
    """
    _check_name(grid)
    if latitudes < (2 if grid == "equiangular" else 1) or longitudes < 1:
        raise ValueError(
            "sphere_grid() needs positive sizes, and two rings where both poles are points; got "
            f"{latitudes} and {longitudes} with grid={grid!r}."
        )
    theta, w = _rings(latitudes, grid)
    phi = 2 * np.pi * np.arange(longitudes) / longitudes
    return theta, phi, np.outer(w, np.full(longitudes, 2 * np.pi / longitudes))


def _rings(n, grid):
    """Colatitudes, and the weights of ∫ f dz over z = cos θ."""
    if grid == "gauss":
        z, w = np.polynomial.legendre.leggauss(n)
        return np.arccos(z[::-1]), w
    k = np.arange(n)
    theta = np.pi * k / (n - 1) if grid == "equiangular" else np.pi * (k + 0.5) / n
    # The rule that is exact for T_k, k < n: ∫ T_k dz = 2/(1 - k²) for even k, zero for odd ones.
    integrals = np.where(k % 2 == 0, 2 / (1 - np.where(k == 1, 0, k) ** 2.0), 0)
    return theta, np.linalg.solve(np.cos(np.outer(k, theta)), integrals)


def _check_name(grid):
    if grid not in get_args(SphereGrid):
        raise ValueError(
            f"grid={grid!r} is unknown: 'gauss', 'equiangular' (both poles are points) or 'cells' "
            "(points in the middle of equal bands of latitude)."
        )


class SphericalConv(eqx.Module):
    """Convolution with a zonal kernel on the sphere: a matrix for each degree of the harmonics.

        (K a)(θ, φ) = Σ_lm (R_l a_lm) Y_lm(θ, φ),   a_lm = ∫ a Y_lm dΩ

    It commutes with every rotation, in exact arithmetic for fields up to the degree kept: no pole
    is special. The transform is a real Fourier sum on each ring, then one matrix product over the
    rings for each order m: quadrature where it is exact for products of two harmonics, and least
    squares with its weights on n <= 2 degree equal latitudes. The parameters belong to functions,
    not to a grid.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `degree`: highest l kept. Good values: a third to a half of the number of latitudes, since
        finer detail of the field is folded back the more, the closer the degree is to its limit.
    - `grid`: the latitudes of the rings, as in `sphere_grid`: "gauss", "equiangular" or "cells". It
        has no default, because an array does not record its latitudes, and with the wrong ones the
        result is off by several percent.
    - `key`: PRNG key of the weights.

    Called as `layer(a, out_grid=None)`: `a` is one sample `(latitudes, longitudes, in_channels)`
    on a `sphere_grid`; `out_grid` may name another.

    **Raises:** `ValueError` for a grid that cannot hold the degree (fewer than degree + 1 Gauss
    latitudes, degree + 2 equal ones, or 2 degree + 1 longitudes), other channels, or an unknown
    or missing grid.

    **Notes:** outside jit it warns of a field that is not one value at a pole of the grid
    "equiangular", and of one that looks as if the poles were points of another grid.

    **Source:** Driscoll and Healy, Adv. Appl. Math. 15 (1994), theorem 1; as a layer, Bonev et al.,
    "Spherical Fourier Neural Operators", ICML 2023.

    ```python
    layer = jsci.operators.SphericalConv(3, 8, degree=15, grid="gauss", key=jax.random.key(0))
    b = layer(jnp.ones((32, 64, 3)))  # (32, 64, 8)
    ```
    """

    weight: Float[Array, "degrees in_channels out_channels"]
    in_channels: int = eqx.field(static=True)
    degree: int = eqx.field(static=True)
    grid: SphereGrid = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        degree: int,
        grid: SphereGrid | None = None,
        key: PRNGKeyArray,
    ):
        if in_channels < 1 or out_channels < 1 or degree < 0:
            raise ValueError(
                "SphericalConv needs in_channels, out_channels >= 1 and degree >= 0; got "
                f"{in_channels}, {out_channels} and {degree}."
            )
        self.in_channels, self.degree = in_channels, operator.index(degree)
        self.grid = as_sphere_grid(grid)
        shape = (self.degree + 1, in_channels, out_channels)
        self.weight = jax.random.normal(key, shape) / math.sqrt(in_channels)

    def __call__(
        self,
        a: Float[Array, "latitudes longitudes in_channels"],
        out_grid: tuple[int, int] | None = None,
    ) -> Float[Array, "out_latitudes out_longitudes out_channels"]:
        check_field(a, self.in_channels, 2, "SphericalConv")
        warn_of_poles(a, self.grid, "SphericalConv", 2)
        target = a.shape[:2] if out_grid is None else tuple(out_grid)
        check_sphere_points(a.shape[:2], self.degree, self.grid)
        check_sphere_points(target, self.degree, self.grid)
        coefficients = analysis(a, self.degree, self.grid)
        mixed = jnp.einsum("mlc,lcd->mld", coefficients, self.weight)
        return synthesis(mixed, target[0], target[1], self.grid)


def analysis(
    a: Float[Array, "latitudes longitudes channels"], degree: int, grid: SphereGrid
) -> Float[Array, "orders degrees channels"]:
    """Coefficients of a field: rows of cosines of m = 0..degree, then of sines of m = 1..degree."""
    rings, _, table = _matrices(*a.shape[:2], degree, grid)
    waves = along_axis(rings.T, a, 1).swapaxes(0, 1)  # (orders, latitudes, channels)
    return jnp.matmul(carry_batch(jnp.asarray(table, a.dtype), a), waves)


def synthesis(
    coefficients: Float[Array, "orders degrees channels"],
    latitudes: int,
    longitudes: int,
    grid: SphereGrid,
) -> Float[Array, "latitudes longitudes channels"]:
    """The field of these coefficients, in the order of `analysis`, on a grid."""
    rings, legendre, _ = _matrices(latitudes, longitudes, coefficients.shape[1] - 1, grid)
    table = jnp.asarray(legendre.swapaxes(1, 2), coefficients.dtype)
    waves = jnp.matmul(carry_batch(table, coefficients), coefficients)
    return along_axis(rings, waves, 0).swapaxes(0, 1)


def check_sphere_points(points: Sequence[int], degree: int, grid: SphereGrid) -> None:
    """`ValueError` if the latitudes and longitudes are too few for the degree."""
    least = degree + (1 if grid == "gauss" else 2)
    if points[0] < least or points[1] < 2 * degree + 1:
        raise ValueError(
            f"degree={degree} needs a grid of at least {least} latitudes and {2 * degree + 1} "
            f"longitudes; got {points[0]} and {points[1]}."
        )


def as_sphere_grid(grid: SphereGrid | None) -> SphereGrid:
    """The named grid; `ValueError` without a name, since an array does not record its latitudes."""
    if grid is None:
        raise ValueError(
            "The latitudes of the fields must be given: grid='gauss' (as sphere_grid has), "
            "'equiangular' (both poles are points, as ERA5 has) or 'cells' (centres of bands, as "
            "WeatherBench has)."
        )
    _check_name(grid)
    return grid


@lru_cache(maxsize=32)
def _matrices(latitudes: int, longitudes: int, degree: int, grid: SphereGrid):
    """Ring waves (longitudes, orders), P̄ (orders, degrees, latitudes) and coefficients by these.

    Orthonormal as `spherical_harmonics`: Y_lm is P̄_l|m| times its wave.
    """
    theta, _, weights = sphere_grid(latitudes, longitudes, grid=grid)
    rings = ring_waves(longitudes, degree)
    sine = np.sin(theta)
    legendre = legendre_functions(np.cos(theta), sine ** np.arange(degree + 1)[:, None])
    table = legendre * weights[:, 0]
    if grid != "gauss" and latitudes <= 2 * degree:  # not exact for products of two harmonics
        for m, functions in enumerate(legendre):
            ring = table[m, m:]
            gram = longitudes * ring @ functions[m:].T  # the identity where quadrature is exact
            table[m, m:] = np.linalg.solve(gram, ring)
    both = (np.concatenate([t, t[1:]]) for t in (legendre, table))
    return rings, *both


def warn_of_poles(a, grid: SphereGrid, name: str, stacklevel: int = 3) -> None:
    """Warn of a field whose first and last ring do not suit the grid, if its values are known."""
    values = known(a)
    if values is None or min(values.shape[:2]) < 4:
        return
    rounding = 100 * float(jnp.finfo(a.dtype).eps) * np.max(np.abs(values), (0, 1))
    with np.errstate(all="ignore"):  # fields may hold infinities
        spread = np.ptp(values, 1)  # of each ring and channel
    inside, poles = np.max(spread[1:-1], 0), spread[[0, -1]]
    if grid == "equiangular":
        wrong = np.any(poles > 0.05 * inside + rounding)
        what = "has several values at a pole, which is one point of that grid"
    else:
        wrong = np.any(np.all(poles <= rounding, 0) & (inside > 100 * rounding))
        what = "has one value on its first and its last ring, as if both poles were points"
    if wrong:
        warnings.warn(
            f"{name} takes a field with grid={grid!r}, but this one {what}. Give the grid of the "
            "data. Components of vectors are no scalars at a pole: take divergence and vorticity.",
            stacklevel=stacklevel + 1,
        )


def harmonics_on_grid(
    latitudes: int, longitudes: int, degree: int, grid: SphereGrid
) -> Float[np.ndarray, "points harmonics"]:
    """Every harmonic at every point of a grid; `ValueError` if it does not hold the degree."""
    check_sphere_points([latitudes, longitudes], degree, grid)
    rings, legendre, _ = _matrices(latitudes, longitudes, degree, grid)
    orders = [m for m in range(degree + 1)] + [m for m in range(1, degree + 1)]
    columns = [
        np.outer(legendre[row, l], rings[:, row]).ravel()
        for row, m in enumerate(orders)
        for l in range(m, degree + 1)
    ]
    return np.stack(columns, -1)


def ring_waves(longitudes: int, degree: int) -> Float[np.ndarray, "longitudes orders"]:
    """1, √2 cos mφ for m = 1..degree, then √2 sin mφ, at the points of a ring."""
    m = np.arange(degree + 1)
    angle = np.outer(2 * np.pi * np.arange(longitudes) / longitudes, m)
    scale = np.where(m == 0, 1, np.sqrt(2))
    return np.concatenate([scale * np.cos(angle), (scale * np.sin(angle))[:, 1:]], 1)


def legendre_functions(
    z: Float[np.ndarray, " points"], powers: Float[np.ndarray, "orders points"]
) -> Float[np.ndarray, "orders degrees points"]:
    """Fully normalised P̄_lm(z), zero for l < m, where `powers` are sinᵐ θ.

    The recursion in l is linear: m sinᵐ⁻¹ θ in their place gives m P̄_lm / sin θ, at poles as well.
    """
    degree = len(powers) - 1
    first, second, sectoral = legendre_recursion(degree)
    p = np.zeros((degree + 1, degree + 1, len(z)))
    for l in range(degree + 1):
        p[l, l] = sectoral[l] * powers[l]
        for m in range(l):
            before = p[m, l - 2] if l > m + 1 else 0
            p[m, l] = first[l, m] * (z * p[m, l - 1] - second[l, m] * before)
    return p
