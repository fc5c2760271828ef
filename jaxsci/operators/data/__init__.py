"""Data sets from a PRNG key: random input functions and the corresponding solutions."""

from ...numerics import etdrk4 as etdrk4
from ._burgers import burgers as burgers, solve_burgers as solve_burgers
from ._darcy import darcy as darcy, solve_darcy as solve_darcy
from ._grf import grf as grf
from ._kuramoto_sivashinsky import (
    kuramoto_sivashinsky as kuramoto_sivashinsky,
    solve_kuramoto_sivashinsky as solve_kuramoto_sivashinsky,
)
from ._linear import advection as advection, antiderivative as antiderivative
from ._navier_stokes import (
    navier_stokes as navier_stokes,
    solve_navier_stokes as solve_navier_stokes,
)
from ._shallow_water import (
    shallow_water as shallow_water,
    solve_shallow_water as solve_shallow_water,
)
