"""Energies and forces for ASE."""

from collections.abc import Callable
from typing import Any

from .._scf.solvers.options import DIIS, Newton
from .._xc import Functional, as_functional


def calculator(
    functional: Functional | Callable,
    params: Any = None,
    basis: Any = "def2-svp",
    *,
    charge: int | None = None,
    spin: int | None = None,
    grid: int = 3,
    density_fit: bool | str | None = None,
    restricted: bool | None = None,
    tolerance: float = 1e-12,
    solver: DIIS | Newton = DIIS(),
) -> Any:
    """An ASE calculator of energy, forces and dipole moment, in eV and ångström.

    It serves `ase.optimize`, `ase.vibrations`, `ase.md` and `ase.mep`. Each geometry begins with
    the density of the last one, and while the atoms and the basis stay, nothing is compiled again.

    **Arguments:**

    - `functional`: as in `scf`. Range separation needs no further argument.
    - `params`: the functional's parameters.
    - `basis`: as in `molecule`.
    - `charge`, `spin`: as in `molecule`; `None` takes `atoms.info`, or the initial charges and
        magnetic moments of the atoms.
    - `grid`: PySCF's grid level, 0 to 9.
    - `density_fit`: `True`, `False`, the name of an auxiliary basis, or `None`, as in `molecule`.
    - `restricted`: `True`, `False` or `None`, as in `molecule`.
    - `tolerance`: of the energy in Hartree, as in `forces`.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.

    **Returns:** an `ase.calculators.calculator.Calculator` for `atoms.calc`, with energy and free
    energy (eV), forces (eV/Å) and dipole moment (e Å, about the origin). Its `solution` is the
    `SCFResult` of the last geometry, and `molecule` the molecule.

    **Raises:** `ImportError` without ASE; `TypeError` for something that is not a functional; for a
    geometry what `molecule` and `forces` raise, and ASE's `SCFError` without convergence, also from
    atomic densities.

    **Good values:** `tolerance=1e-12` and `grid=1` keep the energy of a trajectory to about 1e-6
    Hartree, as the forces are exact derivatives on any grid.

    ```python
    import ase.build

    atoms = ase.build.molecule("H2")
    atoms.calc = jsci.dft.calculator(pbe, basis="sto-3g", grid=0)
    atoms.get_potential_energy(), atoms.get_forces()
    ```
    """
    try:
        from .ase_calculator import JaxsciCalculator
    except ImportError:
        raise ImportError("jsci.dft.calculator needs ASE: pip install 'jaxsci[dft,ase]'") from None
    functional = as_functional(functional)
    structure = {
        "basis": basis,
        "charge": charge,
        "spin": spin,
        "grid": grid,
        "density_fit": density_fit,
        "restricted": restricted,
        "omega": functional.omega,
    }
    return JaxsciCalculator(
        functional, params, structure, {"tolerance": tolerance, "solver": solver}
    )
