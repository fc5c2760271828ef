"""Energies and forces of many conformers of a molecule, from coordinates, beside PySCF."""

import time
from typing import Any

import jax
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import PYSCF_DEFAULT, distorted, pyscf_field
from benchmarks.runner.case import Case, Run, Size

ETHANOL = (
    "C 1.1879 -.3829 0; C 0 .5526 0; O -1.1867 -.2472 0; H -1.9237 .3850 0; H 2.0985 .2306 0; "
    "H 1.1184 -1.0093 .8869; H 1.1184 -1.0093 -.8869; H -.0227 1.1812 .8852; H -.0227 1.1812 -.8852"
)
PROPANOL = (
    "C 0 0 0; C 1.2647 0 .8611; C 2.5294 0 0; O 3.7114 0 .8048; H 4.5049 0 .2645; "
    "H 0 .8762 -.6484; H 0 -.8762 -.6484; H -.9010 0 .6135; H 1.2647 .8762 1.5094; "
    "H 1.2647 -.8762 1.5094; H 2.5294 .8762 -.6484; H 2.5294 -.8762 -.6484"
)
# What a case is named after, and its molecule: of nine atoms, and of twelve.
KINDS = {"conformers": ETHANOL, "conformers_of_propanol": PROPANOL}
# Hartree and Hartree/Bohr that are allowed between the two, each converged to 1e-9 Hartree.
ENERGY, FORCE = 1e-8, 1e-4


def by_pyscf(atoms: Any, basis: str, functional: str, grid: int) -> list[tuple[float, Any]]:
    """Energy and forces with the response of the grid, each with the CPU time until then."""
    start = time.process_time()
    field = pyscf_field(atoms, basis, functional, grid, PYSCF_DEFAULT)
    energy = float(field.kernel())
    solved = time.process_time()
    slopes = field.nuc_grad_method()
    slopes.grid_response = True
    forces = -slopes.kernel()
    return [(solved - start, energy), (time.process_time() - start, forces)]


def make_conformers(kind: str, functional: str, size: Size) -> Run:
    basis, grid, count = ("sto-3g", 0, 1) if size == "smoke" else ("def2-svp", 1, 20)
    conformers = distorted(KINDS[kind], np.random.default_rng(0), count)
    exc = jsci.dft.xc(functional)

    def ours(atoms: Any) -> list[tuple[float, Any]]:
        start = time.process_time()
        molecule = jsci.dft.molecule(atoms, basis, grid=grid)
        result = jsci.dft.scf(molecule, exc, tolerance=PYSCF_DEFAULT)
        energy = float(result.energy)
        solved = time.process_time()
        forces = jax.block_until_ready(jsci.dft.forces(molecule, exc, result=result))
        return [(solved - start, energy), (time.process_time() - start, forces)]

    def step():
        ours(conformers[0])  # compiles
        return [(ours(a), by_pyscf(a, basis, functional, grid)) for a in conformers]

    def apart(found: Any, which: int) -> float:
        return max(float(np.abs(a[which][1] - b[which][1]).max()) for a, b in found)

    def figures(found: Any) -> dict[str, str]:
        said = {}
        for which, name in enumerate(("energies", "energies and forces")):
            seconds = np.array([(a[which][0], b[which][0]) for a, b in found])
            low, middle, high = np.percentile(seconds[:, 1] / seconds[:, 0], [25, 50, 75])
            mine, theirs = np.median(seconds, axis=0)
            said[name] = (
                f"{mine:.3g} CPU-s, PySCF {theirs:.3g}, ratio {middle:.2f} "
                f"[{low:.2f}, {high:.2f}], apart {apart(found, which):.1e}"
            )
        return said

    return Run(
        step,
        (),
        error=lambda found: max(apart(found, 0) / ENERGY, apart(found, 1) / FORCE),
        host=True,
        note=f"{count} molecules of {len(conformers[0])} atoms distorted by .06 ångström, "
        f"{functional}, {basis}, grid {grid}; building included, "
        "PySCF's forces with the response of its grid, in turns; quartiles",
        figures=figures,
    )


CASES = [
    Case(
        f"dft.{kind}_{functional}",
        "dft",
        f"Energies and forces of {kind.replace('_', ' ')} from coordinates ({functional.upper()})",
        lambda size, kind=kind, functional=functional: make_conformers(kind, functional, size),
        "full",
        reference="PySCF, in turns",
        tolerance=1.0,
        error_name="share of 1e-8 Hartree and 1e-4 Hartree/Bohr",
    )
    for kind in KINDS
    for functional in ("pbe", "b3lyp")
]
