"""The names of the bases, and the options of a network that belong to one of them."""

from typing import Literal, get_args

from .._spectral.factorised import Factorisation
from .._spectral.spherical_conv import SphereGrid
from .basis import Basis
from .boundary import ChebyshevBasis, CosineBasis, SineBasis
from .fourier import FourierBasis
from .sphere import SphereBasis

BasisName = Literal["fourier", "sine", "cosine", "chebyshev", "sphere"]


def as_basis(
    basis: Basis | BasisName,
    *,
    padding: float,
    factorisation: Factorisation | None,
    rank: float,
    grid: SphereGrid | None,
) -> Basis:
    """The basis for a name and its options, or the given object.

    **Raises:** `ValueError` for an unknown name, and for options of another basis or beside an
    object, which has its own; `TypeError` for other types.
    """
    if not isinstance(basis, str | Basis):
        raise TypeError(f"basis is one name for all axes, or one object; got {basis!r}.")
    if basis != "fourier" and (padding or factorisation):
        raise ValueError(
            f"padding and factorised weights belong to basis='fourier', not to basis={basis!r}; "
            "or give them to the object, FourierBasis(padding=0.25)."
        )
    if basis != "sphere" and grid is not None:
        raise ValueError(
            f"grid={grid!r} names latitudes: it belongs to basis='sphere'; or give it to the "
            "object, SphereBasis(grid='cells')."
        )
    if isinstance(basis, Basis):
        return basis
    if basis not in get_args(BasisName):
        raise ValueError(
            f"basis={basis!r} is unknown: 'fourier', 'sine' (zero at the boundary), 'cosine' (zero "
            "slope), 'chebyshev' (neither), 'sphere', or an object such as SineBasis()."
        )
    if basis == "fourier":
        return FourierBasis(padding, factorisation, rank)
    if basis == "sphere":
        return SphereBasis(grid)
    return {"sine": SineBasis, "cosine": CosineBasis, "chebyshev": ChebyshevBasis}[basis]()
