"""Distorted molecules of several kinds, relaxed in one program and by PySCF with geomeTRIC."""

import contextlib
import io
from typing import Any

import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import Atoms, pyscf_field
from benchmarks.cases.dft.chemistry._beside_pyscf import TIGHT, both, several
from benchmarks.runner.case import Case, Run, Size
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM

KINDS = ["H2O", "NH3", "CH2O", "CH4"]
# Ångström and Hartree that are allowed between the two.
LENGTH, ENERGY = 1e-3, 1e-6


def by_geometric(atoms: Atoms, basis: str, functional: str, grid: int) -> tuple:
    """Positions (ångström), energy, and the number of gradients."""
    from pyscf.geomopt.geometric_solver import GeometryOptimizer

    steps: list[float] = []
    field = pyscf_field(atoms, basis, functional, grid)
    optimiser: Any = GeometryOptimizer(field)
    optimiser.verbose, optimiser.callback = 0, lambda now: steps.append(now["energy"])
    gradients = field.nuc_grad_method()
    gradients.grid_response = True
    optimiser.method = gradients.as_scanner()
    names = {f"convergence_{name}": value for name, value in TIGHT.items()}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        optimiser.kernel(params=names)
    return optimiser.mol.atom_coords() * BOHR_IN_ANGSTROM, steps[-1], len(steps)


def lengths(x: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x[:, None] - x, axis=-1)


def make_relaxed(size: Size) -> Run:
    import geometric  # noqa: F401

    basis, functional, grid = ("sto-3g", "hf", 0) if size == "smoke" else ("6-31g", "pbe", 3)
    kinds, count = {"smoke": (KINDS[:1], 1), "quick": (KINDS[:2], 2), "full": (KINDS, 8)}[size]
    atoms = several(kinds, count)
    molecules = jsci.dft.stack([jsci.dft.molecule(a, basis, grid=grid) for a in atoms])
    exc, criteria = jsci.dft.xc(functional), jsci.dft.Criteria(**TIGHT)
    figures: dict[str, Any] = {}

    def ours():
        return jsci.dft.relax(molecules, exc, criteria=criteria, progress=False)

    def theirs():
        return [by_geometric(a, basis, functional, grid) for a in atoms]

    def step():
        found, reference = both(ours, theirs, len(atoms), figures)
        apart = [
            np.abs(lengths(np.asarray(x)[: len(a)] * BOHR_IN_ANGSTROM) - lengths(y)).max()
            for x, a, (y, *_) in zip(found.positions, atoms, reference, strict=True)
        ]
        energies = np.abs(np.asarray(found.energy) - [e for _, e, _ in reference])
        steps = np.array([int(s) for s in found.steps]), np.array([s for *_, s in reference])
        figures.update(
            {
                "converged": int(found.converged.sum()),
                "distances": f"{max(apart):.1e} ångström",
                "energies": f"{energies.max():.1e} Hartree",
                "steps": f"{steps[0].sum()}, geomeTRIC {steps[1].sum()}",
            }
        )
        return max(max(apart) / LENGTH, energies.max() / ENERGY)

    return Run(
        step,
        (),
        error=float,
        host=True,
        note=f"{len(atoms)} molecules ({', '.join(kinds)}), {functional}, {basis}, grid {grid}; "
        "geomeTRIC's criteria divided by ten, PySCF with the response of its grid",
        figures=lambda _: figures,
    )


CASES = [
    Case(
        "dft.relax",
        "dft",
        "Distorted molecules of several kinds, relaxed",
        make_relaxed,
        "full",
        reference="PySCF with geomeTRIC, one by one",
        tolerance=1.0,
        error_name="share of 1e-3 ångström and 1e-6 Hartree",
    ),
]
