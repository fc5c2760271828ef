"""The calculator class, which only those import who have ASE."""

from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, SCFError, all_changes

from .._basis.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV
from .._properties.forces import forces
from .._properties.moments import dipole
from .._scf.result import SCFResult
from .._scf.scf import scf
from .._system.molecule import Molecule, molecule
from .._xc import Functional


class JaxsciCalculator(Calculator):
    """Made by `jsci.dft.calculator`, which describes it."""

    name = "jaxsci"  # pyright: ignore[reportAssignmentType]
    implemented_properties = ["energy", "free_energy", "forces", "dipole"]  # noqa: RUF012
    ignored_changes = {"cell"}  # noqa: RUF012

    def __init__(
        self,
        functional: Functional,
        params: Any,
        structure: dict[str, Any],
        iteration: dict[str, Any],
    ):
        super().__init__()
        self.functional, self.functional_params = functional, params
        self.structure, self.iteration = structure, iteration
        self.molecule: Molecule | None = None
        self.solution: SCFResult | None = None

    def calculate(
        self,
        atoms: Any = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """What ASE asks for at a geometry, which is solved once."""
        super().calculate(atoms, properties, system_changes)
        if system_changes or self.solution is None:
            # None until this geometry is solved: after an error no other one stands in for it.
            last, self.solution = self.solution, None
            self.molecule = molecule(self.atoms, **self.structure)
            self.solution = self._solve(self.molecule, last)
        assert self.molecule is not None
        energy = float(self.solution.energy) * HARTREE_IN_EV
        free_energy = float(self.solution.free_energy) * HARTREE_IN_EV
        moment = np.array(dipole(self.molecule, self.solution)) * BOHR_IN_ANGSTROM
        self.results |= {"energy": energy, "free_energy": free_energy, "dipole": moment}
        if "forces" in properties:
            args = self.molecule, self.functional, self.functional_params
            found = forces(*args, result=self.solution)
            self.results["forces"] = np.array(found) * (HARTREE_IN_EV / BOHR_IN_ANGSTROM)

    def check_state(self, atoms: Any, tol: float = 1e-15) -> list[str]:
        """What has changed: `atoms.info` too, where `molecule` finds the charge and spin."""
        changes = super().check_state(atoms, tol)
        if self.atoms is not None and _said(atoms) != _said(self.atoms):
            changes.append("info")
        return changes

    def _solve(self, molecule: Molecule, last: SCFResult | None) -> SCFResult:
        """From the last density if it has the same shape, and from atomic ones if that fails."""
        shape = molecule.spins.density_shape(molecule.size)
        guesses: list[Any] = ["minao"]
        if last is not None and last.density_matrix.shape == shape:
            guesses.insert(0, last)
        for guess in guesses:
            args = molecule, self.functional, self.functional_params
            result = scf(*args, guess=guess, throw=False, **self.iteration)
            if result.converged:
                return result
        raise SCFError(
            "the SCF did not converge: try solver=jsci.dft.Newton() or jsci.dft.DIIS(damping=0.2)."
        )


def _said(atoms: Any) -> list[Any]:
    return [atoms.info.get(name) for name in ("charge", "spin", "multiplicity")]
