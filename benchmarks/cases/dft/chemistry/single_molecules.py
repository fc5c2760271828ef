"""SCF, forces and Hessian of one molecule by hybrids, each beside PySCF's own."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import (
    Atoms,
    alkane,
    benzene,
    naphthacenequinone,
    pyscf_field,
)
from benchmarks.cases.dft.chemistry._beside_pyscf import cpu_seconds
from benchmarks.runner.case import Case, Run, Size
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM

# Hartree, Hartree/Bohr and Hartree/Bohr² that are allowed between the two.
ALLOWED = {"SCF": 1e-9, "forces": 1e-6, "Hessian": 1e-5}
STEP = 2e-3  # Bohr, of differences of forces

# What is computed of each: a Hessian beyond propane takes PySCF more than two minutes.
MOLECULES: dict[str, tuple[str, Callable[[], Atoms], tuple[str, ...]]] = {
    "single": ("propane", lambda: alkane(3), ("SCF", "forces", "Hessian")),
    "benzene": ("benzene", benzene, ("SCF", "forces")),
    "decane": ("decane", lambda: alkane(10), ("SCF", "forces")),
    "quinone": ("5,12-naphthacenequinone", naphthacenequinone, ("SCF", "forces")),
}


def of_pyscf(field: Any) -> dict[str, Callable[[], Any]]:
    """Forces with the response of the grid; PySCF's Hessian of a local functional has none."""

    def forces():
        slopes = field.nuc_grad_method()
        slopes.grid_response = True
        return -slopes.kernel()

    def hessian():
        return field.Hessian().kernel().transpose(0, 2, 1, 3)

    return {"SCF": field.kernel, "forces": forces, "Hessian": hessian}


def row_of_hessian(atoms: Atoms, basis: str, functional: str, grid: int) -> np.ndarray:
    """That of the first nucleus' y, by differences of PySCF's forces in fourth order."""

    def forces(step: float) -> np.ndarray:
        (symbol, (x, y, z)), *others = atoms
        moved = [(symbol, [x, y + step * BOHR_IN_ANGSTROM, z]), *others]
        theirs = of_pyscf(pyscf_field(moved, basis, functional, grid, 1e-12))
        theirs["SCF"]()
        return theirs["forces"]()

    far, near = (forces(k * STEP) - forces(-k * STEP) for k in (2, 1))
    return (far - 8 * near) / (12 * STEP)


def make_single(functional: str, name: str, size: Size) -> Run:
    _, make, quantities = MOLECULES[name]
    smoke = size == "smoke"
    atoms, basis, grid = (alkane(1), "sto-3g", 0) if smoke else (make(), "def2-svp", 3)
    exc = jsci.dft.xc(functional)
    figures: dict[str, Any] = {}

    def hessian(m, result):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the geometry is not stationary")
            return jsci.dft.hessian(m, exc, result=result)

    def scf():
        m = jsci.dft.molecule(atoms, basis, grid=grid)
        return m, jsci.dft.scf(m, exc, tolerance=1e-12)

    def step():
        (m, result), first_scf = cpu_seconds(scf)
        figures["basis functions"], figures["points"] = m.size, m.grid.size
        ours = {
            "SCF": lambda: scf()[1].energy,
            "forces": lambda: jsci.dft.forces(m, exc, result=result),
            "Hessian": lambda: hessian(m, result),
        }
        field = pyscf_field(atoms, basis, functional, grid, 1e-12)
        if m.fit is not None:
            field = field.density_fit(auxbasis="def2-universal-jkfit")
        theirs, errors = of_pyscf(field), []
        for name in quantities:
            mine = ours[name]
            first = first_scf if name == "SCF" else cpu_seconds(mine)[1]
            found, seconds = cpu_seconds(mine)
            reference, other = cpu_seconds(theirs[name])
            found = np.asarray(found)
            if name == "Hessian":
                analytic = float(np.abs(found - reference).max())
                figures["apart from PySCF's Hessian without response of the grid"] = analytic
                found, reference = found[0, 1], row_of_hessian(atoms, basis, functional, grid)
            apart = float(np.abs(found - reference).max())
            errors.append(apart / ALLOWED[name])
            figures[name] = (
                f"{seconds:.2f} CPU-s (the first time {first:.2f}), PySCF {other:.2f}, "
                f"ratio {other / seconds:.2f}, apart {apart:.1e}"
            )
        return max(errors)

    return Run(
        step,
        (),
        error=float,
        host=True,
        note=f"{len(atoms)} atoms, {functional}, {basis}, grid {grid}; SCF to 1e-12 on both sides, "
        "building included, density-fitted in def2-universal-jkfit beyond 1 GiB of integrals; "
        "forces and Hessian from it, with the response of the grid. PySCF's Hessian has none: the "
        "error is that of a row by differences of its forces",
        figures=lambda _: figures,
    )


CASES = [
    Case(
        f"dft.{name}_{functional}",
        "dft",
        f"{', '.join(quantities)} of {title} by {functional.upper()}",
        lambda size, functional=functional, name=name: make_single(functional, name, size),
        "full",
        reference="PySCF on the same geometry",
        tolerance=1.0,
        error_name="share of 1e-9 Hartree, 1e-6 Hartree/Bohr and 1e-5 Hartree/Bohr²",
    )
    for name, (title, _, quantities) in MOLECULES.items()
    for functional in ("b3lyp", "pbe0")
]
