"""Bases for fields with boundaries: sines, cosines and Chebyshev polynomials."""

from dataclasses import dataclass

from .._fields.axis_points import Points
from .grid_basis import GridBasis


@dataclass(frozen=True)
class SineBasis(GridBasis):
    """sin π(k + 1)x, k = 0..m: for fields that vanish at the boundary.

    Results on different grids agree to second order in the spacing, since derivatives of products
    of sines do not all vanish at the ends.

    **Arguments:**

    - `points`: as in `basis_points`: "left" (i/N, the default), "ends" or "cells", one for all axes
        or one per axis.

    **Raises:** `ValueError` for unknown points.

    ```python
    basis = jsci.operators.SineBasis()
    model = jsci.operators.FNO(1, 1, width=16, modes=8, depth=3, basis=basis, key=key)
    ```
    """

    points: Points | tuple[Points, ...] | None = None
    basis = "sine"


@dataclass(frozen=True)
class CosineBasis(GridBasis):
    """cos πkx, k = 0..m: for fields with zero slope at the boundary.

    **Arguments:**

    - `points`: as in `basis_points`: "cells" ((i + 1/2)/N, the default) or "ends", one for all axes
        or one per axis.

    **Raises:** `ValueError` for unknown points, and for "left".

    ```python
    basis = jsci.operators.CosineBasis(points="ends")
    model = jsci.operators.FNO(1, 1, width=16, modes=8, depth=3, basis=basis, key=key)
    ```
    """

    points: Points | tuple[Points, ...] | None = None
    basis = "cosine"


@dataclass(frozen=True)
class ChebyshevBasis(GridBasis):
    """T_k(1 - 2x), k = 0..m: for any smooth field, on points clustered at both ends.

    **Arguments:**

    - `points`: as in `basis_points`: "cells" (the Gauss points, the default) or "ends" (the
        Gauss-Lobatto points), one for all axes or one per axis.

    **Raises:** `ValueError` for unknown points, and for "left".

    ```python
    basis = jsci.operators.ChebyshevBasis()
    model = jsci.operators.FNO(1, 1, width=16, modes=8, depth=3, basis=basis, key=key)
    ```
    """

    points: Points | tuple[Points, ...] | None = None
    basis = "chebyshev"
