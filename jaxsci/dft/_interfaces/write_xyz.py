"""Geometries as an .xyz file."""

import os
import pathlib
from collections.abc import Sequence

import jax
import numpy as np

from .._basis.elements import SYMBOLS, Label
from .._basis.units import BOHR_IN_ANGSTROM
from .._system.molecule import Molecule


def write_xyz(path: str | os.PathLike[str], molecules: Molecule | Sequence[Molecule]) -> None:
    """Write molecules to an .xyz file, such as what `relax` found: `relaxed.molecule`.

    Positions are in ångström, to 1e-12; charge and spin stand in the comment, so that `molecule`
    and `molecules` read the same back. Ghost atoms are written as "ghost-O", and labels such as
    "H1" as their elements.

    **Arguments:**

    - `path`: of the file, which is replaced.
    - `molecules`: one, a list, or a batch of `stack`.

    **Raises:** `TypeError` for something else; `ValueError` for positions that are not finite, or
    fractional numbers of electrons.

    ```python
    jsci.dft.write_xyz("water.xyz", water)
    again = jsci.dft.molecule("water.xyz", "def2-svp")
    ```
    """
    text = "".join(_frame(one) for one in _each(molecules))
    pathlib.Path(path).write_text(text, encoding="utf-8")


def _each(molecules) -> list[Molecule]:
    if not isinstance(molecules, Molecule):
        molecules = list(molecules)
        if not all(isinstance(one, Molecule) for one in molecules):
            raise TypeError(
                f"write_xyz() takes molecules, as relaxed.molecule is, got {molecules!r:.200}."
            )
        return [each for one in molecules for each in _each(one)]
    if molecules.overlap.ndim == 2:
        return [molecules]
    part = lambda i: jax.tree.map(lambda a: a[i], molecules)  # noqa: E731
    return [each for i in range(len(molecules.overlap)) for each in _each(part(i))]


def _frame(molecule: Molecule) -> str:
    real = np.asarray(molecule.atom_mask)
    places = np.asarray(molecule.coordinates)[real] * BOHR_IN_ANGSTROM
    if np.any(np.asarray(molecule.electrons) % 1) or not np.isfinite(places).all():
        raise ValueError(
            f"{molecule!r} has fractional numbers of electrons, or positions that are not finite: "
            "an .xyz file holds neither."
        )
    alpha, beta = (int(n) for n in molecule.electrons)
    charge = round(float(np.sum(np.asarray(molecule.charges)[real]))) - alpha - beta
    tables = molecule.libcint
    kinds = zip(np.asarray(tables.elements)[real], np.asarray(tables.ghosts)[real], strict=True)
    labels = [str(Label(SYMBOLS[(z or ghost) - 1], ghost=not z)) for z, ghost in kinds]
    lines = [f"{len(labels)}", f"charge={charge} spin={alpha - beta}"]
    lines += [
        f"{label} {x:.12f} {y:.12f} {z:.12f}"
        for label, (x, y, z) in zip(labels, places, strict=True)
    ]
    return "\n".join(lines) + "\n"
