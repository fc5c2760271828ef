"""SCF energies and forces beside other differentiable packages: PySCFAD and MESS."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import (
    distorted_waters,
    pyscf_field,
    remote_water,
    water_arrays,
    water_in,
)
from benchmarks.remote import MESS, PYSCFAD, remote_run
from benchmarks.runner.case import Case, Run, Size

# MESS has only Cartesian functions and a grid of level 3; without d functions they equal ours.
MINIMAL = ("sto-3g", 3)


def _setting(size: Size) -> tuple[str, int]:
    return ("sto-3g", 0) if size == "smoke" else ("def2-svp", 1)


def _error_of_forces(size: Size) -> Callable[[Any], float]:
    basis, grid = _setting(size)
    field = pyscf_field(distorted_waters(1)[0], basis, "pbe", grid)
    field.kernel()
    gradient = field.nuc_grad_method()
    gradient.grid_response = True
    known = -gradient.kernel()
    return lambda found: float(np.abs(np.asarray(found) - known).max())


def make_forces(size: Size) -> Run:
    basis, grid = _setting(size)
    start = time.perf_counter()
    water = jsci.dft.molecule(distorted_waters(1)[0], basis, grid=grid)
    build = time.perf_counter() - start
    functional = jsci.dft.xc("pbe")
    return Run(
        lambda m: jsci.dft.forces(m, functional, throw=False),
        (water,),
        error=_error_of_forces(size),
        note=f"PBE, {basis}, grid {grid}; ours with integrals and grid in memory, PySCFAD from "
        "coordinates",
        figures={"build in seconds": build},
    )


def _pyscfad_forces(size: Size) -> Run:
    basis, grid = _setting(size)
    module, case = "benchmarks.remote.peers.pyscfad_field", f"forces {basis} {grid}"
    return remote_run(PYSCFAD.variable, module, case, water_arrays(), _error_of_forces(size))


CASES = [
    Case(
        "dft.minimal_water",
        "dft",
        "Self-consistent field of a water molecule in a minimal basis",
        lambda _: water_in(*MINIMAL),
        "full",
        reference="PySCF on the same grid and integrals",
        tolerance=1e-5,  # MESS's functional differs from libxc's by 6e-6
        error_name="Hartree",
        batches=(1,),
        peers=(
            PYSCFAD.peer(
                "PySCFAD",
                lambda _: remote_water(PYSCFAD, "benchmarks.remote.peers.pyscfad_field", *MINIMAL),
            ),
            MESS.peer(
                "MESS", lambda _: remote_water(MESS, "benchmarks.remote.peers.mess_field", *MINIMAL)
            ),
        ),
    ),
    Case(
        "dft.forces",
        "dft",
        "Forces on a water molecule",
        make_forces,
        "full",
        reference="PySCF with the response of its grid",
        tolerance=1e-4,  # without that response, which PySCFAD leaves out, 9e-5
        error_name="Hartree/Bohr",
        peers=(PYSCFAD.peer("PySCFAD", _pyscfad_forces),),
    ),
]
