"""Kohn-Sham density functional theory: molecules as arrays, differentiable and batched."""

from .features import Features as Features
from .xc import as_functional as as_functional
from .xc import Functional as Functional
from .xc import functional_names as functional_names
from .xc import xc as xc
