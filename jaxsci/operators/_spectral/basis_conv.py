"""Spectral layers for fields with boundaries: sine, cosine and Chebyshev expansions."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, get_args

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.fields import as_modes, check_field
from .._fields.products import along_axis

BoundaryBasis = Literal["sine", "cosine", "chebyshev"]


def basis_points(basis: BoundaryBasis, n: int) -> Float[np.ndarray, " n"]:
    """The n points of [0, 1] on which a basis is sampled.

    **Arguments:**

    - `basis`: "sine": xᵢ = i/n, the first on the boundary; "cosine": (i + 1/2)/n; "chebyshev": (1 -
        cos π(i + 1/2)/n)/2, clustered at both ends.
    - `n`: number of points.

    **Returns:** the points `(n,)`, ascending.

    **Raises:** `ValueError` for an unknown basis.

    ```python
    x = jsci.operators.basis_points("chebyshev", 32)
    ```
    """
    _check_basis(basis)
    if basis == "sine":
        return np.arange(n) / n
    middle = (np.arange(n) + 0.5) / n
    return middle if basis == "cosine" else (1 - np.cos(np.pi * middle)) / 2


class BasisConv(eqx.Module):
    """Spectral layer in a basis that suits the boundary: multiplies coefficients by matrices.

        (K a)(x) = Σ_k R_k a_k φ_k1(x₁) ... φ_kd(x_d),   k = 0..m in each axis

    | basis | φ_k(x) | fields |
    |---|---|---|
    | "sine" | sin π(k+1)x | zero at the boundary |
    | "cosine" | cos πkx | zero slope at the boundary |
    | "chebyshev" | T_k(1 - 2x) | any smooth field |

    For periodic fields there is `SpectralConv`. Coefficients are computed by the discrete transform
    on the points of the basis, exactly for k below their number, and the output can be evaluated on
    any other number of them.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `modes`: highest k, an integer per axis, one to three.
    - `basis`: "sine", "cosine" or "chebyshev".
    - `key`: PRNG key of the weights.

    Called as `layer(a, out_grid=None)`: `a` is one sample `(*grid, in_channels)` at
    `basis_points(basis, n)` along each axis, `out_grid` the numbers of points of the result.
    Returns `(*grid, out_channels)`.

    **Raises:** `ValueError` for an unknown basis, another dimension, other channels, or a grid
    with too few points for the modes.

    **Source:** the layer of Li et al., "Fourier Neural Operator", ICLR 2021, with the discrete
    transforms of Boyd, "Chebyshev and Fourier Spectral Methods", chapter 4.

    ```python
    layer = jsci.operators.BasisConv(1, 8, modes=(12, 12), basis="sine", key=key)
    b = layer(jnp.ones((64, 64, 1)))
    ```
    """

    weight: Float[Array, "*modes in_channels out_channels"]
    in_channels: int = eqx.field(static=True)
    modes: tuple[int, ...] = eqx.field(static=True)
    basis: BoundaryBasis = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        modes: int | Sequence[int],
        basis: BoundaryBasis,
        key: PRNGKeyArray,
    ):
        _check_basis(basis)
        self.modes, self.basis = as_modes(modes, "BasisConv"), basis
        if in_channels < 1 or out_channels < 1:
            raise ValueError(
                "BasisConv needs in_channels and out_channels >= 1; got "
                f"{in_channels} and {out_channels}."
            )
        self.in_channels = in_channels
        shape = (*(m + 1 for m in self.modes), in_channels, out_channels)
        self.weight = jax.random.normal(key, shape) / math.sqrt(in_channels)

    def __call__(
        self, a: Float[Array, "*grid in_channels"], out_grid: Sequence[int] | None = None
    ) -> Float[Array, "*out_grid out_channels"]:
        check_field(a, self.in_channels, len(self.modes), "BasisConv")
        grid = a.shape[:-1]
        target = grid if out_grid is None else tuple(out_grid)
        self._check_grids(grid, target)
        for axis, (n, m) in enumerate(zip(grid, self.modes, strict=True)):
            a = along_axis(_analysis_matrix(self.basis, n, m), a, axis)
        shape = a.shape[:-1]
        w = self.weight.reshape(-1, *self.weight.shape[-2:])
        b = (a.reshape(len(w), 1, -1) @ w).reshape(*shape, -1)
        for axis in reversed(range(len(shape))):
            m, n = self.modes[axis], target[axis]
            b = along_axis(_synthesis_matrix(self.basis, n, m), b, axis)
        return b

    def _check_grids(self, grid, target):
        spare = 1 if self.basis == "sine" else 0
        if any(m + 1 > n - spare for n, m in zip(grid, self.modes, strict=True)):
            limits = tuple(n - spare - 1 for n in grid)
            raise ValueError(
                f"modes={self.modes} are above the limit of this grid: {grid} points resolve "
                f"k up to {limits} in the {self.basis} basis. Use a finer grid or fewer modes."
            )
        if len(target) != len(grid) or any(n < 1 for n in target):
            raise ValueError(
                f"out_grid={target} must give a positive number of points for each of the "
                f"{len(grid)} grid axes."
            )


def _check_basis(basis):
    if basis not in get_args(BoundaryBasis):
        raise ValueError(
            f"basis={basis!r} is unknown: 'sine' (zero at the boundary), 'cosine' (zero slope) or "
            "'chebyshev' (neither). Periodic fields go through SpectralConv."
        )


@lru_cache(maxsize=256)
def _synthesis_matrix(basis, n, modes):
    """φ_k at the n points, as (n, modes + 1)."""
    if basis == "sine":
        return np.sin(np.pi / n * np.outer(np.arange(n), np.arange(1, modes + 2)))
    # T_k(cos θ) = cos kθ: on its own points the Chebyshev basis is the cosine basis.
    return np.cos(np.pi / n * np.outer(np.arange(n) + 0.5, np.arange(modes + 1)))


@lru_cache(maxsize=256)
def _analysis_matrix(basis, n, modes):
    """The coefficients of φ_k, as (modes + 1, n): discrete orthogonality of the sampled basis."""
    functions = _synthesis_matrix(basis, n, modes)
    return (functions / np.sum(functions**2, 0)).T
