"""Fields on a sphere, scalars and vectors: their transform and vector calculus."""

import math
import operator
from dataclasses import dataclass
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._fields.fields import check_floating, check_real_and_filled
from .._fields.matrix_products import along_axis, carry_batch
from .spherical_conv import (
    SphereGrid,
    analysis,
    as_sphere_grid,
    check_sphere_points,
    legendre_functions,
    ring_waves,
    sphere_grid,
    synthesis,
)


@dataclass(frozen=True, init=False)
class Sphere:
    """A latitude-longitude grid on a sphere, with the transform and vector calculus of its fields.

        f = Σ_lm f_lm Y_lm,   v = ∇χ + k × ∇ψ,   ∇·v = Δχ = δ,   k·∇×v = Δψ = ζ

    Fields are expanded in spherical harmonics up to a degree, and vectors in the gradients of these
    and the gradients turned by 90°, which are smooth at the poles where the components of vectors
    are not. All that follows is exact for fields of the degree kept, and linear and differentiable.
    A scalar field is `(latitudes, longitudes, channels)`, a vector field
    `(latitudes, longitudes, channels, 2)` of eastward and northward components.

    **Arguments:**

    - `latitudes`, `longitudes`: number of rings and of points on each.
    - `degree`: highest l kept. Without it, the highest for which products of two fields are free
        of aliases on a Gauss grid (the two-thirds rule): 21 on 32 × 64, 42 on 64 × 128.
    - `grid`: the latitudes of the rings, "gauss", "equiangular" or "cells", as in `sphere_grid`.
    - `radius`: of the sphere, in the unit of length of the velocities; 6.37122e6 m for the Earth.

    **Raises:** `ValueError` for a grid that cannot hold the degree, an unknown grid, or a radius
    that is not positive; when called, for fields on another grid or coefficients of
    another degree.

    **Notes:** the methods project: what is beyond the degree is dropped. Two spheres with the same
    arguments are equal.

    **Source:** Swarztrauber, "The vector harmonic transform method for solving partial differential
    equations in spherical geometry", Monthly Weather Review 121 (1993).

    ```python
    sphere = jsci.operators.Sphere(32, 64, radius=6.37122e6)
    stream = jnp.ones((32, 64, 1))
    wind = sphere.gradient(stream)  # (32, 64, 1, 2)
    stream, potential = sphere.helmholtz(wind)
    ```
    """

    latitudes: int
    longitudes: int
    degree: int
    grid: SphereGrid
    radius: float

    def __init__(
        self,
        latitudes: int,
        longitudes: int,
        *,
        degree: int | None = None,
        grid: SphereGrid = "gauss",
        radius: float = 1.0,
    ):
        free = min((2 * latitudes - 1) // 3, (longitudes - 1) // 3)
        values = {
            "latitudes": operator.index(latitudes),
            "longitudes": operator.index(longitudes),
            "degree": free if degree is None else operator.index(degree),
            "grid": as_sphere_grid(grid),
            "radius": float(radius),  # one of NumPy would raise the precision of fields
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if self.degree < 1 or not 0 < self.radius < math.inf:
            raise ValueError(
                "Sphere needs degree >= 1 (4 longitudes or more without it) and a positive radius, "
                f"which is finite; got degree={self.degree} and {self.radius}."
            )
        check_sphere_points([latitudes, longitudes], self.degree, grid)

    def analysis(
        self, f: Float[Array, "latitudes longitudes channels"]
    ) -> Float[Array, "orders degrees channels"]:
        """The coefficients f_lm = ∫ f Y_lm dΩ of scalar fields.

        **Arguments:**

        - `f`: scalar fields.

        **Returns:** one column per degree l, zero for l < m, and one row per order: cos mφ for
        m = 0 to degree, then sin mφ for m = 1 to degree.
        """
        return analysis(self._checked(f, 3), self.degree, self.grid)

    def synthesis(
        self, coefficients: Float[Array, "orders degrees channels"]
    ) -> Float[Array, "latitudes longitudes channels"]:
        """The fields of given coefficients.

        **Arguments:**

        - `coefficients`: in the order of `analysis`.

        **Returns:** scalar fields.
        """
        self._check_coefficients(coefficients)
        return synthesis(coefficients, self.latitudes, self.longitudes, self.grid)

    def vector_analysis(
        self, v: Float[Array, "latitudes longitudes channels 2"]
    ) -> tuple[Float[Array, "orders degrees channels"], Float[Array, "orders degrees channels"]]:
        """The coefficients of vorticity and divergence of vector fields.

        **Arguments:**

        - `v`: vector fields.

        **Returns:** ζ_lm and δ_lm, in the order of `analysis`.
        """
        v = self._checked(v, 4)
        rings, _, table = _vector_matrices(self.latitudes, self.longitudes, self.degree, self.grid)
        waves = along_axis(rings.T, v.reshape(*v.shape[:2], -1), 1).swapaxes(0, 1)
        # B̃ and Ã of each component: (2, orders, degrees, channels, components)
        along, across = jnp.moveaxis(
            jnp.matmul(carry_batch(jnp.asarray(table, v.dtype), v), waves).reshape(
                len(waves), 2, self.degree + 1, -1, 2
            ),
            1,
            0,
        )
        stream = along[..., 0] - _turned(across[..., 1])
        potential = -along[..., 1] - _turned(across[..., 0])
        scale = jnp.asarray(-self._eigenvalues / self.radius, v.dtype)
        return scale * stream, scale * potential

    def vector_synthesis(
        self,
        vorticity: Float[Array, "orders degrees channels"],
        divergence: Float[Array, "orders degrees channels"],
    ) -> Float[Array, "latitudes longitudes channels 2"]:
        """The vector fields of given coefficients of vorticity and divergence.

        **Arguments:**

        - `vorticity`, `divergence`: ζ_lm and δ_lm, in the order of `analysis`; those of l = 0,
            which no vector field has, are ignored.

        **Returns:** vector fields.
        """
        self._check_coefficients(vorticity, divergence)
        return self._vectors(
            *(
                jnp.asarray(self._inverse * self.radius, c.dtype) * c
                for c in (vorticity, divergence)
            )
        )

    def gradient(
        self, f: Float[Array, "latitudes longitudes channels"]
    ) -> Float[Array, "latitudes longitudes channels 2"]:
        """∇f = (∂f/∂φ / sin θ, -∂f/∂θ) / radius, to the east and to the north.

        **Arguments:**

        - `f`: scalar fields.

        **Returns:** vector fields.
        """
        potential = self.analysis(f) / self.radius
        return self._vectors(jnp.zeros_like(potential), potential)

    def divergence(
        self, v: Float[Array, "latitudes longitudes channels 2"]
    ) -> Float[Array, "latitudes longitudes channels"]:
        """∇·v.

        **Arguments:**

        - `v`: vector fields.

        **Returns:** scalar fields.
        """
        return self.synthesis(self.vector_analysis(v)[1])

    def vorticity(
        self, v: Float[Array, "latitudes longitudes channels 2"]
    ) -> Float[Array, "latitudes longitudes channels"]:
        """k·∇×v with k upward: positive for a turn to the left.

        **Arguments:**

        - `v`: vector fields.

        **Returns:** scalar fields.
        """
        return self.synthesis(self.vector_analysis(v)[0])

    def wind(
        self,
        vorticity: Float[Array, "latitudes longitudes channels"],
        divergence: Float[Array, "latitudes longitudes channels"],
    ) -> Float[Array, "latitudes longitudes channels 2"]:
        """The one vector field with this vorticity and divergence.

        **Arguments:**

        - `vorticity`, `divergence`: scalar fields, whose means are ignored: those of vector fields
            are zero.

        **Returns:** vector fields.
        """
        return self.vector_synthesis(self.analysis(vorticity), self.analysis(divergence))

    def helmholtz(
        self, v: Float[Array, "latitudes longitudes channels 2"]
    ) -> tuple[
        Float[Array, "latitudes longitudes channels"], Float[Array, "latitudes longitudes channels"]
    ]:
        """Stream function ψ and velocity potential χ of v = k × ∇ψ + ∇χ.

        **Arguments:**

        - `v`: vector fields.

        **Returns:** ψ and χ, scalar fields of mean zero.
        """
        stream, potential = (self._inverted(c) for c in self.vector_analysis(v))
        return self.synthesis(stream), self.synthesis(potential)

    def laplacian(
        self, f: Float[Array, "latitudes longitudes channels"]
    ) -> Float[Array, "latitudes longitudes channels"]:
        """Δf: each coefficient times -l(l + 1)/radius².

        **Arguments:**

        - `f`: scalar fields.

        **Returns:** scalar fields.
        """
        scale = jnp.asarray(-self._eigenvalues / self.radius**2, f.dtype)
        return self.synthesis(scale * self.analysis(f))

    def inverse_laplacian(
        self, f: Float[Array, "latitudes longitudes channels"]
    ) -> Float[Array, "latitudes longitudes channels"]:
        """The field of mean zero whose Laplacian is f less its mean.

        **Arguments:**

        - `f`: scalar fields.

        **Returns:** scalar fields.
        """
        return self.synthesis(self._inverted(self.analysis(f)))

    @property
    def colatitude(self) -> Float[np.ndarray, " latitudes"]:
        """θ of the rings, from the north pole."""
        return sphere_grid(self.latitudes, self.longitudes, grid=self.grid)[0]

    @property
    def _eigenvalues(self) -> Float[np.ndarray, "1 degrees 1"]:
        """l(l + 1)."""
        l = np.arange(self.degree + 1.0)[None, :, None]
        return l * (l + 1)

    @property
    def _inverse(self) -> Float[np.ndarray, "1 degrees 1"]:
        """-1/(l(l + 1)), and 0 for l = 0."""
        return np.pad(-1 / self._eigenvalues[:, 1:], ((0, 0), (1, 0), (0, 0)))

    def _inverted(self, coefficients):
        return jnp.asarray(self._inverse * self.radius**2, coefficients.dtype) * coefficients

    def _vectors(self, stream, potential):
        """k × ∇ψ + ∇χ on the unit sphere."""
        rings, table, _ = _vector_matrices(self.latitudes, self.longitudes, self.degree, self.grid)
        east = jnp.concatenate([stream, _turned(potential)], 1)
        north = jnp.concatenate([-potential, _turned(stream)], 1)
        both = jnp.stack([east, north], -1).reshape(len(east), east.shape[1], -1)
        waves = jnp.matmul(carry_batch(jnp.asarray(table, both.dtype), both), both)
        return (
            along_axis(rings, waves, 0)
            .swapaxes(0, 1)
            .reshape(self.latitudes, self.longitudes, -1, 2)
        )

    def _checked(self, f, axes):
        if (
            f.ndim != axes
            or f.shape[:2] != (self.latitudes, self.longitudes)
            or f.shape[3:] not in ((), (2,))
        ):
            what = "a scalar field (latitudes, longitudes, channels)"
            if axes == 4:
                what = "a vector field (latitudes, longitudes, channels, 2)"
            raise ValueError(
                f"Sphere({self.latitudes}, {self.longitudes}) takes {what} on its own grid; got "
                f"shape {f.shape}."
            )
        check_floating(f, "Sphere")
        check_real_and_filled(f, "Sphere")
        return f

    def _check_coefficients(self, *coefficients):
        rows = 2 * self.degree + 1, self.degree + 1
        for c in coefficients:
            if c.ndim != 3 or c.shape[:2] != rows or c.shape != coefficients[0].shape:
                raise ValueError(
                    f"Sphere of degree {self.degree} takes coefficients (orders, degrees, "
                    f"channels), ({rows[0]}, {rows[1]}, channels); got "
                    f"{' and '.join(str(given.shape) for given in coefficients)}."
                )
            check_floating(c, "Sphere")


def _turned(coefficients):
    """∂/∂φ divided by m: sines in the place of cosines, and minus cosines in that of sines."""
    count = coefficients.shape[0] // 2
    cos, sin = coefficients[1 : count + 1], coefficients[count + 1 :]
    return jnp.concatenate([jnp.zeros_like(coefficients[:1]), sin, -cos])


@lru_cache(maxsize=32)
def _vector_matrices(latitudes: int, longitudes: int, degree: int, grid: SphereGrid):
    """Ring waves, and for each order the tables of synthesis (rings, 2 degrees) and of analysis.

    With B = dP̄/dθ, A = m P̄/sin θ and T = ∂/∂φ / m: u = Bψ + A Tχ and v = -Bχ + A Tψ. The two
    functions S± = B ± A belong to ψ ± Tχ alone, so least squares over the rings is one solve for
    each of them, and quadrature where that is exact.
    """
    theta, _, weights = sphere_grid(latitudes, longitudes, grid=grid)
    along, across = _slopes(theta, degree)
    table, inverse = np.zeros((2, degree + 1, 2 * (degree + 1), latitudes))
    for m in range(degree + 1):
        l = slice(max(m, 1), degree + 1)
        plus, minus = (
            _inverse(b, weights[:, 0], longitudes)
            for b in (along[m, l] + across[m, l], along[m, l] - across[m, l])
        )
        for place, forward, back in (
            (0, along[m, l], (plus + minus) / 2),
            (degree + 1, across[m, l], (plus - minus) / 2),
        ):
            rows = slice(place + l.start, place + l.stop)
            table[m, rows], inverse[m, rows] = forward, back
    table, inverse = (np.concatenate([t, t[1:]]) for t in (table, inverse))
    return ring_waves(longitudes, degree), table.swapaxes(1, 2), inverse


def _inverse(functions, weights, longitudes):
    """Coefficients of functions on the rings from sums over the longitudes, by least squares."""
    weighted = functions * weights
    return np.linalg.solve(longitudes * weighted @ functions.T, weighted)


def _slopes(theta, degree):
    """dP̄_lm/dθ and m P̄_lm/sin θ as (orders, degrees, points), finite at the poles."""
    z, sine = np.cos(theta), np.sin(theta)
    l = np.arange(degree + 1.0)[None, :, None]
    m = np.arange(degree + 1.0)[:, None, None]
    across = legendre_functions(z, m[:, 0] * sine ** np.maximum(m[:, 0] - 1, 0))
    before = np.concatenate([np.zeros_like(across[:, :1]), across[:, :-1]], 1)
    fall = np.sqrt(np.maximum((2 * l + 1) * (l**2 - m**2), 0) / np.maximum(2 * l - 1, 1))
    along = (l * z * across - fall * before) / np.maximum(m, 1)
    # (l + 1) l terms of m = 0, where division by m is none.
    along[0] = -np.sqrt(l * (l + 1))[0] * sine * across[1]
    return along, across
