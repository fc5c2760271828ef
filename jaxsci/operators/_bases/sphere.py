"""Spherical harmonics."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from .._spectral.spherical_conv import (
    SphereGrid,
    SphericalConv,
    as_sphere_grid,
    harmonics_on_grid,
    sphere_grid,
    warn_of_poles,
)
from .basis import Basis


@dataclass(frozen=True)
class SphereBasis(Basis):
    """Spherical harmonics Y_lm, l = 0..m: for fields on the points of a `sphere_grid`.

    `modes` is one number, the highest degree.

    **Arguments:**

    - `grid`: the latitudes of the fields, "gauss", "equiangular" or "cells", as in `SphericalConv`.
        It has no default.

    **Raises:** in a network, `ValueError` for an unknown or missing grid, or more than one number
    of modes.

    ```python
    basis = jsci.operators.SphereBasis(grid="cells")
    model = jsci.operators.FNO(1, 1, width=16, modes=8, depth=3, basis=basis, key=key)
    ```
    """

    grid: SphereGrid | None = None

    def dim(self, modes: tuple[int, ...]) -> int:
        if len(modes) != 1:
            raise ValueError(f"on the sphere modes is the one degree kept, got {modes!r}.")
        return 2

    def conv(
        self, in_channels: int, out_channels: int, *, modes: tuple[int, ...], key: PRNGKeyArray
    ) -> SphericalConv:
        return SphericalConv(in_channels, out_channels, degree=modes[0], grid=self.grid, key=key)

    def functions(
        self, grid: Sequence[int], modes: tuple[int, ...]
    ) -> Float[np.ndarray, "points functions"]:
        """Every harmonic at every point, in the order of a flattened grid."""
        latitudes, longitudes = grid
        self.dim(modes)
        return harmonics_on_grid(latitudes, longitudes, modes[0], as_sphere_grid(self.grid))

    def position(
        self, grid: Sequence[int], dtype: DTypeLike
    ) -> Float[Array, "latitudes longitudes 3"]:
        """The unit vector."""
        theta, phi, _ = sphere_grid(*grid, grid=as_sphere_grid(self.grid))
        t, p = np.meshgrid(theta, phi, indexing="ij")
        unit = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], -1)
        return jnp.asarray(unit, dtype)

    def check(self, a: Float[Array, "latitudes longitudes channels"], name: str) -> None:
        warn_of_poles(a, as_sphere_grid(self.grid), name)
