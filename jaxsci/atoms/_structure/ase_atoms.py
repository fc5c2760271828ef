"""To ASE and back."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .atoms import Atoms
from .frame import Frame

_VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


def from_ase(atoms: Any) -> Atoms:
    """The structure of an `ase.Atoms`.

    **Arguments:**

    - `atoms`: an `ase.Atoms`, periodic along all axes or none.

    **Returns:** `Atoms`, with a cell if it is periodic.

    **Raises:** `ValueError` if it is periodic along some axes alone; `TypeError` for something
    else.

    ```python
    import ase.build

    silicon = jsci.atoms.from_ase(ase.build.bulk("Si"))
    ```
    """
    if not hasattr(atoms, "get_atomic_numbers"):
        raise TypeError(f"from_ase() takes an ase.Atoms, got {type(atoms).__name__}.")
    periodic = np.asarray(atoms.pbc)
    if periodic.any() and not periodic.all():
        raise ValueError(
            f"the structure is periodic along some axes alone (pbc={periodic.tolist()}): give the "
            "others vacuum wider than the cutoff, and set pbc=True."
        )
    cell = np.array(atoms.cell) if periodic.all() else None
    return Atoms(np.array(atoms.positions), np.array(atoms.numbers), cell)


def to_ase(atoms: Atoms) -> Any:
    """An `ase.Atoms` of a structure, without its padding.

    **Arguments:**

    - `atoms`: one structure.

    **Returns:** an `ase.Atoms`, periodic along all axes if there is a cell.

    **Raises:** `ImportError` without ASE.

    ```python
    jsci.atoms.to_ase(salt).get_chemical_formula()
    ```
    """
    try:
        import ase
    except ImportError:
        raise ImportError("jsci.atoms.to_ase needs ASE: pip install 'jaxsci[ase]'") from None
    real = np.asarray(atoms.mask)
    cell = None if atoms.cell is None else np.asarray(atoms.cell)
    positions = np.asarray(atoms.positions)[real]
    return ase.Atoms(
        np.asarray(atoms.numbers)[real], positions, cell=cell, pbc=atoms.cell is not None
    )


def label(structures: Sequence[Any], calculator: Any = None) -> list[Frame]:
    """Energies, forces and stresses by any ASE calculator: a source of data.

    **Arguments:**

    - `structures`: a list of `Atoms`, or of `ase.Atoms` with calculators or results of their own.
    - `calculator`: an ASE calculator; `None` for those of the structures.

    **Returns:** a `Frame` of each structure, with what the calculator implements of energy (eV),
    forces (eV/Å), stress (eV/Å³) and magnetic moments (μ_B).

    **Raises:** `ImportError` without ASE; `ValueError` for a structure without a calculator; what
    the calculator raises.

    ```python
    from ase.calculators.lj import LennardJones

    frames = jsci.atoms.label([salt], LennardJones(sigma=2.5, rc=5.0))
    ```
    """
    return [_labelled(one, calculator, number) for number, one in enumerate(structures)]


def _labelled(structure: Any, calculator: Any, number: int) -> Frame:
    theirs = to_ase(structure) if isinstance(structure, Atoms) else structure
    if calculator is not None:
        theirs = theirs.copy()
        theirs.calc = calculator
    if theirs.calc is None:
        raise ValueError(f"structure {number} has no calculator: give label(..., calculator).")
    ours = from_ase(theirs)
    get = lambda name: _property(theirs, name)  # noqa: E731
    stress = None if ours.cell is None else get("stress")
    stress = None if stress is None else np.array(_matrix(stress))
    forces, magmoms = get("forces"), get("magmoms")
    return Frame(
        ours,
        float(theirs.get_potential_energy()),
        None if forces is None else np.array(forces),
        stress,
        None if magmoms is None else np.array(magmoms),
    )


def _property(theirs: Any, name: str) -> Any:
    """What its calculator says, if it says anything."""
    try:
        return theirs.calc.get_property(name, theirs)
    except (NotImplementedError, KeyError):
        return None


def _matrix(stress: Any) -> np.ndarray:
    return np.asarray(stress)[_VOIGT] if np.size(stress) == 6 else np.reshape(stress, (3, 3))
