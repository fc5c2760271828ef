"""To ASE and back."""

import collections
import os
import re
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


def read_cif(path: str | os.PathLike[str]) -> list[Frame]:
    """Every structure of a .cif file, all its atoms made from those it lists by the symmetry."""
    try:
        from ase.io.cif import parse_cif
    except ImportError:
        raise ImportError("reading a .cif file needs ASE: pip install 'jaxsci[ase]'") from None
    with open(path, encoding="utf-8") as file:
        blocks = [block for block in parse_cif(file) if block.has_structure()]
    if not blocks:
        raise ValueError(f"{os.fspath(path)} has no structure: no data block has sites and a cell.")
    return [_crystal(f"{os.fspath(path)}, data_{block.name}", block) for block in blocks]


def _crystal(where: str, block: Any) -> Frame:
    shares = [v for v in block.get("_atom_site_occupancy") or [] if isinstance(v, int | float)]
    if any(abs(share - 1) > 1e-6 for share in shares):
        raise ValueError(
            f"{where}: the crystal is disordered, with a site that is occupied by {min(shares)}: "
            "give an ordered structure, of a supercell that has the composition."
        )
    theirs = block.get_atoms()
    _check_operations(where, block, theirs.get_scaled_positions())
    formula, units = (
        block.get("_chemical_formula_sum"),
        block.get("_cell_formula_units_z"),
    )  # lower case, as ASE has tags
    if isinstance(formula, str) and isinstance(units, int):
        _check_formula(where, formula, units, collections.Counter(theirs.get_chemical_symbols()))
    return Frame(from_ase(theirs))


_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")


def _check_operations(where: str, block: Any, found: np.ndarray) -> None:
    """The operations that a file lists are all it has, but ASE adds those of the space group."""
    from ase.spacegroup.spacegroup import parse_sitesym

    listed = next((block[tag] for tag in _OPERATIONS if block.get(tag)), None)
    sites = [block.get(f"_atom_site_fract_{axis}") for axis in "xyz"]
    if listed is None or None in sites:
        return
    turns, shifts = parse_sitesym([listed] if isinstance(listed, str) else listed)
    images = np.einsum("oij,js->osi", turns, np.array(sites, float)) + shifts[:, None]
    away = found[:, None] - images.reshape(1, -1, 3)
    away = np.abs(away - np.round(away)).max(-1).min(1) > 0.005  # ASE merges those within 0.001
    if away.any():
        raise ValueError(
            f"{where}: the symmetry operations that it lists make {np.sum(~away)} atoms, and its "
            f"space group makes {len(found)}. Correct one of them; for a file that lists every "
            "atom the group is 'P 1', number 1."
        )


def _check_formula(where: str, formula: str, units: int, found: collections.Counter) -> None:
    """A file without its hydrogens, or with another space group than it means, says so here."""
    stated: dict[str, float] = collections.defaultdict(float)
    for symbol, count in re.findall(r"([A-Z][a-z]?)\s*([\d.]*)", formula):
        stated["H" if symbol == "D" else symbol] += units * float(count or 1)
    if {k: round(v, 3) for k, v in stated.items()} != dict(found):
        raise ValueError(
            f"{where}: {units} times the formula {formula!r} is {_formula(stated)} in a cell, but "
            f"the sites and their symmetry make {_formula(found)}: atoms are missing, or the space "
            "group is another."
        )


def _formula(counts: dict[str, Any]) -> str:
    return " ".join(f"{symbol}{count:g}" for symbol, count in sorted(counts.items()))


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
