"""Spectral layers for fields with boundaries: sine, cosine and Chebyshev expansions."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from .._fields.axis_points import Points
from .axes import as_axes
from .spectral_conv import SpectralConv

BoundaryBasis = Literal["sine", "cosine", "chebyshev"]


def basis_points(
    basis: BoundaryBasis, n: int, *, points: Points | None = None
) -> Float[np.ndarray, " n"]:
    """The n points of [0, 1] on which a basis is sampled.

    | points | x_i, i = 0..n-1 | bases |
    |---|---|---|
    | "left" | i/n, the end left out | sine (and Fourier) |
    | "ends" | i/(n - 1), both ends | all |
    | "cells" | (i + 1/2)/n, the centres of cells | all |

    For Chebyshev polynomials this is θ/π, and the point is (1 - cos θ)/2: "cells" are the Gauss
    points, "ends" the Gauss-Lobatto points, both clustered at the ends.

    **Arguments:**

    - `basis`: "sine", "cosine" or "chebyshev".
    - `n`: number of points.
    - `points`: where they are; by default "left" for "sine" and "cells" for the others.

    **Returns:** the points `(n,)`, ascending.

    **Raises:** `ValueError` for an unknown basis, points that do not suit it, or too few of them.

    ```python
    x = jsci.operators.basis_points("chebyshev", 32)
    ```
    """
    _check_basis(basis)
    (axis,) = as_axes(1, basis=basis, points=points, name="basis_points()")
    if n < (2 if axis.points == "ends" else 1):
        raise ValueError(f"basis_points() needs n >= 1, or 2 with both ends; got {n}.")
    return axis.places(n)


class BasisConv(SpectralConv):
    """Spectral layer in a basis that suits the boundary: multiplies coefficients by matrices.

        (K a)(x) = Σ_k R_k a_k φ_k1(x₁) ... φ_kd(x_d),   k = 0..m in each axis

    | basis | φ_k(x) | fields |
    |---|---|---|
    | "sine" | sin π(k+1)x | zero at the boundary |
    | "cosine" | cos πkx | zero slope at the boundary |
    | "chebyshev" | T_k(1 - 2x) | any smooth field |

    It is `SpectralConv` with this basis along every axis. Coefficients are computed by the discrete
    transform on the points of the basis, exactly for k below their number, and the output can be
    evaluated on any other number of them.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `modes`: highest k, an integer per axis, one to three.
    - `basis`: "sine", "cosine" or "chebyshev".
    - `points`: where the points are, as in `basis_points`, one for all axes or one per axis.
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

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        modes: int | Sequence[int],
        basis: BoundaryBasis,
        points: Points | Sequence[Points] | None = None,
        key: PRNGKeyArray,
    ):
        _check_basis(basis)
        super().__init__(
            in_channels, out_channels, modes=modes, basis=basis, points=points, key=key
        )


def _check_basis(basis):
    if basis not in get_args(BoundaryBasis):
        raise ValueError(
            f"basis={basis!r} is unknown: 'sine' (zero at the boundary), 'cosine' (zero slope) or "
            "'chebyshev' (neither). Periodic fields go through SpectralConv."
        )
