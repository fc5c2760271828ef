"""Data sets from a PRNG key: random input functions and the solutions that belong to them."""

from .burgers import burgers as burgers
from .burgers import solve_burgers as solve_burgers
from .darcy import darcy as darcy
from .darcy import solve_darcy as solve_darcy
from .etdrk import etdrk4 as etdrk4
from .grf import grf as grf
