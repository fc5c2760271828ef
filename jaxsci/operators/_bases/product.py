"""Products of unlike bases, one per axis."""

from dataclasses import dataclass

from .._fields.axis_points import Points
from .._spectral.axes import AxisBasis
from .._spectral.factorised import Factorisation
from .grid_basis import GridBasis


@dataclass(frozen=True)
class ProductBasis(GridBasis):
    """Products of functions of one coordinate, from a basis of its own along each axis.

        φ_k(x) = Πⱼ φ_kj(xⱼ)

    For channels, layers and pipes: periodic along one axis, with walls along another.

    **Arguments:**

    - `basis`: "fourier", "sine", "cosine" or "chebyshev" for each axis.
    - `padding`: of each axis, as in `FourierBasis`; zero where the basis is not "fourier".
    - `points`: of each axis, "left", "ends" or "cells" as in `basis_points`. By default those of
        the basis: "left" for "fourier" and "sine", "cells" for the others.
    - `factorisation`, `rank`: of the weights, as in `FourierBasis`.

    **Raises:** `ValueError` for another number of options than axes, unknown names, padding beside
    another basis than "fourier", and points that do not suit the basis.

    **Notes:** along a Fourier axis without padding, networks warn of a field that is not periodic.

    ```python
    basis = jsci.operators.ProductBasis(("fourier", "chebyshev"))
    model = jsci.operators.FNO(1, 1, width=16, modes=(8, 8), depth=3, basis=basis, key=key)
    ```
    """

    basis: tuple[AxisBasis, ...]
    padding: float | tuple[float, ...] = 0.0
    points: Points | tuple[Points, ...] | None = None
    factorisation: Factorisation | None = None
    rank: float = 0.1
