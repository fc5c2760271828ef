"""The supercells of NaCl that come with phono3py, with forces of density functional theory."""

import lzma
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import jaxsci as jsci
from benchmarks.runner.optional import NotHere

VARIABLE = "PHONO3PY_FOLDER"
FILE = "example/NaCl-rd/phono3py_params_NaCl.yaml.xz"
TRAIN = 80  # supercells of 100, in the order of the file
RMS = 0.045  # eV/Å, of forces


class ForceSet(NamedTuple):
    """The cubic cell, its displaced supercells with labels, and what phonopy takes them from.

    `charge` is the Born charge of sodium over √ε∞, both of the same functional.
    """

    cell: jsci.atoms.Atoms
    charge: float
    frames: list[jsci.atoms.Frame]
    displacements: np.ndarray
    forces: np.ndarray


def force_set() -> ForceSet:
    """100 supercells of 64 atoms, each moved by 0.03 Å in a random direction.

    PBEsol by VASP: Togo & Seko, J. Chem. Phys. 160, 211001 (2024), says the folder's README.
    """
    import yaml

    file = Path(os.environ.get(VARIABLE, "")) / FILE
    if not file.is_file():
        raise NotHere(
            f"{FILE}: set {VARIABLE} to the folder of `git clone "
            "https://github.com/phonopy/phono3py`, or of its source distribution, unpacked"
        )
    with lzma.open(file, "rt") as lines:
        found = yaml.load(lines, yaml.CSafeLoader)
    big, data = _structure(found["supercell"]), found["dataset"]
    u, forces = np.array(data["displacements"]), np.array(data["forces"])
    places = np.asarray(big.positions)
    frames = [
        jsci.atoms.Frame(
            jsci.atoms.Atoms(places + moves, big.numbers, big.cell), energy=energy, forces=force
        )
        for moves, energy, force in zip(u, data["supercell_energies"], forces, strict=True)
    ]
    born = found["nac"]["born_effective_charge"][0][0][0]
    charge = born / found["nac"]["dielectric_constant"][0][0] ** 0.5
    return ForceSet(_structure(found["unit_cell"]), charge, frames, u, forces)


def _structure(entry: Any) -> jsci.atoms.Atoms:
    lattice = np.array(entry["lattice"])
    fraction = np.array([point["coordinates"] for point in entry["points"]])
    return jsci.atoms.Atoms(fraction @ lattice, [p["symbol"] for p in entry["points"]], lattice)
