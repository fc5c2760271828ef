"""Exchange-correlation functionals in JAX: pure functions of density features."""

from .functional import as_functional as as_functional
from .functional import Functional as Functional
from .names import functional_names as functional_names
from .names import xc as xc
