"""Data sets from a PRNG key: random input functions and the solutions that belong to them."""

from .burgers import burgers as burgers, solve_burgers as solve_burgers
from .darcy import darcy as darcy, solve_darcy as solve_darcy
from .etdrk import etdrk4 as etdrk4
from .grf import grf as grf
from .linear import advection as advection, antiderivative as antiderivative
