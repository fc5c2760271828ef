"""Force constants as files of phonopy."""

import os
import pathlib

import numpy as np

from .._properties.force_constants import ForceConstants
from .._structure.elements import SYMBOLS


def write_phonopy(folder: str | os.PathLike[str], constants: ForceConstants) -> None:
    """Write force constants for phonopy: the cell as `POSCAR`, and `FORCE_CONSTANTS`.

    **Arguments:**

    - `folder`: an existing one; files of these names are replaced.
    - `constants`: of `force_constants`.

    **Notes:** the second has the compact form, from the atoms of one cell to those of the
    supercell, in the order in which phonopy makes it by `--dim`: atom by atom, with the first
    lattice vector running fastest.

    ```python
    constants = jsci.atoms.force_constants(f, params, salt, 6.0, supercell=(1, 1, 1))
    jsci.atoms.write_phonopy(".", constants)
    ```
    """
    folder = pathlib.Path(folder)
    (folder / "POSCAR").write_text(_poscar(constants), encoding="utf-8")
    (folder / "FORCE_CONSTANTS").write_text(_table(constants), encoding="utf-8")


def _by_element(constants: ForceConstants) -> np.ndarray:
    """The order of a POSCAR, in which atoms of one element are together."""
    return np.argsort(np.asarray(constants.atoms.numbers), kind="stable")


def _poscar(constants: ForceConstants) -> str:
    atoms, order = constants.atoms, _by_element(constants)
    found, counts = np.unique(np.asarray(atoms.numbers), return_counts=True)
    cell = np.asarray(atoms.cell)
    lines = ["jaxsci", "1.0", *(" ".join(map(repr, row)) for row in cell.tolist())]
    lines += [" ".join(SYMBOLS[z] for z in found), " ".join(map(str, counts)), "Direct"]
    fraction = np.asarray(atoms.positions)[order] @ np.linalg.inv(cell)
    lines += [" ".join(map(repr, row)) for row in fraction.tolist()]
    return "\n".join(lines) + "\n"


def _table(constants: ForceConstants) -> str:
    order, cells = _by_element(constants), np.asarray(constants.cells)
    values = np.asarray(constants.values)
    n, count = len(order), len(cells)
    fastest = np.lexsort(cells.T)  # the first lattice vector fastest
    lines = [f"{n} {n * count}"]
    for a, i in enumerate(order):
        for b, j in enumerate(order):
            for c, cell in enumerate(fastest):
                lines.append(f"{a * count + 1} {b * count + c + 1}")
                lines += [" ".join(map(repr, row)) for row in values[i, cell, j].tolist()]
    return "\n".join(lines) + "\n"
