"""Reference solutions of known accuracy, independent of any network."""

from ._closed_forms import (
    burgers_cole_hopf as burgers_cole_hopf,
    chebyshev as chebyshev,
    chebyshev_interpolant as chebyshev_interpolant,
    manufactured as manufactured,
    poisson_chebyshev as poisson_chebyshev,
)
from ._time_stepping import etdrk4 as etdrk4
from ._wells import well_energies as well_energies
