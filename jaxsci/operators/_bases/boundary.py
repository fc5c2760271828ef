"""Bases for fields with boundaries: sines, cosines and Chebyshev polynomials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.fields import mesh
from .._spectral.basis_conv import BasisConv, BoundaryBasis, basis_points
from .basis import Basis


@dataclass(frozen=True)
class _OnBasisPoints(Basis):
    """A basis of `BasisConv`, on its `basis_points`; x itself is smooth in it."""

    name: ClassVar[BoundaryBasis]

    def conv(
        self, in_channels: int, out_channels: int, *, modes: tuple[int, ...], key: PRNGKeyArray
    ) -> BasisConv:
        return BasisConv(in_channels, out_channels, modes=modes, basis=self.name, key=key)

    def position(self, grid: Sequence[int], dtype: DTypeLike) -> Float[Array, "*grid dim"]:
        return jnp.asarray(self._smooth(mesh([basis_points(self.name, n) for n in grid])), dtype)

    def _smooth(self, x):
        return x


@dataclass(frozen=True)
class SineBasis(_OnBasisPoints):
    """sin π(k + 1)x, k = 0..m: for fields that vanish at the boundary, on the points i/N.

    Results on different grids agree to second order in the spacing, since derivatives of products
    of sines do not all vanish at the ends.

    ```python
    basis = jsci.operators.SineBasis()
    model = jsci.operators.FNO(1, 1, width=16, modes=8, depth=3, basis=basis, key=key)
    ```
    """

    name: ClassVar[BoundaryBasis] = "sine"


@dataclass(frozen=True)
class CosineBasis(_OnBasisPoints):
    """cos πkx, k = 0..m: for fields with zero slope at the boundary, on the points (i + 1/2)/N.

    ```python
    basis = jsci.operators.CosineBasis()
    model = jsci.operators.FNO(1, 1, width=16, modes=8, depth=3, basis=basis, key=key)
    ```
    """

    name: ClassVar[BoundaryBasis] = "cosine"

    def _smooth(self, x):
        return np.cos(np.pi * x)


@dataclass(frozen=True)
class ChebyshevBasis(_OnBasisPoints):
    """T_k(1 - 2x), k = 0..m: for any smooth field, on points clustered at both ends.

    The points are `basis_points("chebyshev", N)`.

    ```python
    basis = jsci.operators.ChebyshevBasis()
    model = jsci.operators.FNO(1, 1, width=16, modes=8, depth=3, basis=basis, key=key)
    ```
    """

    name: ClassVar[BoundaryBasis] = "chebyshev"
