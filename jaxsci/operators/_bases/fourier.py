"""Fourier series, on the domain or on a larger cell."""

from dataclasses import dataclass

from .._fields.axis_points import Points
from .._spectral.factorised import Factorisation
from .grid_basis import GridBasis


@dataclass(frozen=True)
class FourierBasis(GridBasis):
    """Fourier series: for periodic fields, or for any field with padding.

        φ_k(x) = exp(2πi k·x/L),   |kⱼ| <= mⱼ,   Lⱼ = 1 + paddingⱼ

    **Arguments:**

    - `padding`: the fraction of the domain by which the periodic cell exceeds it, one for all axes
        or one per axis. Good values: 0 if the fields are periodic, otherwise 0.25 to 1.
    - `factorisation`: `None` for full tensors of weights, or "tucker" or "cp".
    - `rank`: the approximate share of the full tensor's parameters in a factorised one, in (0, 1].
        **Good value:** 0.1.
    - `points`: where the points are: "left" (i/N, the default), "ends" (i/(N - 1)) or "cells"
        ((i + 1/2)/N), one for all axes or one per axis.

    **Raises:** `ValueError` for a padding that is negative or not finite, unknown points, an
    unknown factorisation, or a rank out of range; `TypeError` for a padding that is no number.

    **Notes:** along an axis without padding, networks warn of a field that is not periodic.

    ```python
    basis = jsci.operators.FourierBasis(padding=(0.0, 0.25), points=("left", "ends"))
    model = jsci.operators.FNO(1, 1, width=16, modes=(8, 8), depth=3, basis=basis, key=key)
    ```
    """

    padding: float | tuple[float, ...] = 0.0
    factorisation: Factorisation | None = None
    rank: float = 0.1
    points: Points | tuple[Points, ...] | None = None
    basis = "fourier"
