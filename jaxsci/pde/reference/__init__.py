"""Reference solutions of known accuracy, independent of any network."""

from ._closed_forms import (
    burgers_cole_hopf,
    chebyshev,
    chebyshev_interpolant,
    manufactured,
    poisson_chebyshev,
)
from ._quantum_wells import well_energies
from ._time_stepping import etdrk4

__all__ = [
    "burgers_cole_hopf", "manufactured", "chebyshev", "chebyshev_interpolant", "poisson_chebyshev",
    "etdrk4", "well_energies",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
