"""Data sets from files, and from a PRNG key: random input functions and their solutions."""

from ...numerics import etdrk4
from ._burgers import burgers, solve_burgers
from ._darcy import darcy, solve_darcy
from ._grf import grf
from ._kuramoto_sivashinsky import kuramoto_sivashinsky, solve_kuramoto_sivashinsky
from ._linear import advection, antiderivative
from ._navier_stokes import navier_stokes, solve_navier_stokes
from ._normaliser import Normaliser
from ._read import read
from ._read_mesh import Mesh, read_mesh
from ._shallow_water import shallow_water, solve_shallow_water
from ._sphere.barotropic import barotropic_sphere, solve_barotropic_sphere
from ._sphere.shallow_water import (
    balanced_height,
    shallow_water_sphere,
    solve_shallow_water_sphere,
)
from ._trajectories import Trajectories

__all__ = [
    # From files
    "read", "Trajectories", "Normaliser", "read_mesh", "Mesh",
    # From a key
    "burgers", "solve_burgers", "darcy", "solve_darcy", "navier_stokes", "solve_navier_stokes",
    "kuramoto_sivashinsky", "solve_kuramoto_sivashinsky", "shallow_water", "solve_shallow_water",
    "shallow_water_sphere", "solve_shallow_water_sphere", "balanced_height", "barotropic_sphere",
    "solve_barotropic_sphere",
    "advection", "antiderivative", "grf", "etdrk4",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
