"""The names of the bases, and the options of a network that belong to one of them."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from .._fields.axis_points import Points
from .._spectral.axes import AxisBasis
from .._spectral.factorised import Factorisation
from .._spectral.spherical_conv import SphereGrid
from .basis import Basis
from .boundary import ChebyshevBasis, CosineBasis, SineBasis
from .fourier import FourierBasis
from .product import ProductBasis
from .sphere import SphereBasis

BasisName = Literal["fourier", "sine", "cosine", "chebyshev", "sphere"]


def as_basis(
    basis: Basis | BasisName | Sequence[AxisBasis],
    *,
    padding: float | Sequence[float] = 0.0,
    points: Points | Sequence[Points] | None = None,
    factorisation: Factorisation | None = None,
    rank: float = 0.1,
    grid: SphereGrid | None = None,
) -> Basis:
    """The basis for a name or one name per axis and their options, or the given object.

    **Raises:** `ValueError` for an unknown name, and for options of another basis or beside an
    object, which has its own; `TypeError` for other types.
    """
    several = not isinstance(basis, str | Basis)
    if several and (np.ndim(basis) != 1 or not all(isinstance(name, str) for name in basis)):
        raise TypeError(
            f"basis is one name for all axes, one name per axis, or one object; got {basis!r}."
        )
    if not several and basis != "fourier" and (np.any(padding) or factorisation):
        raise ValueError(
            f"padding and factorised weights belong to basis='fourier', not to basis={basis!r}; "
            "or give them to the object, FourierBasis(padding=0.25)."
        )
    if basis != "sphere" and grid is not None:
        raise ValueError(
            f"grid={grid!r} names latitudes: it belongs to basis='sphere'; or give it to the "
            "object, SphereBasis(grid='cells')."
        )
    if points is not None and (isinstance(basis, Basis) or basis == "sphere"):
        raise ValueError(
            f"points={points!r} are those of axes: give them to the object, "
            "CosineBasis(points='ends'), and to the sphere its grid=."
        )
    if isinstance(basis, Basis):
        return basis
    if several:
        return ProductBasis(tuple(basis), padding, points, factorisation, rank)  # pyright: ignore[reportArgumentType] (lists become tuples)
    if basis not in get_args(BasisName):
        raise ValueError(
            f"basis={basis!r} is unknown: 'fourier', 'sine' (zero at the boundary), 'cosine' (zero "
            "slope), 'chebyshev' (neither), 'sphere', or an object such as SineBasis()."
        )
    if basis == "fourier":
        return FourierBasis(padding, factorisation, rank, points)  # pyright: ignore[reportArgumentType]
    if basis == "sphere":
        return SphereBasis(grid)
    named = {"sine": SineBasis, "cosine": CosineBasis, "chebyshev": ChebyshevBasis}
    return named[basis](points)
