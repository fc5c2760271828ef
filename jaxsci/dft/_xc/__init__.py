"""Exchange-correlation functionals in JAX: pure functions of density features."""

from .functional import Functional as Functional, as_functional as as_functional
from .names import functional_names as functional_names, xc as xc
