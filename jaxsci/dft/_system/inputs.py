"""A molecule however it is written: a list, text, a file, or the atoms of ASE."""

import pathlib
import re
from typing import Any

import numpy as np

from .._basis.elements import SYMBOLS
from .._basis.units import BOHR_IN_ANGSTROM
from .geometry import Atoms, Geometry, charge_and_spin
from .xyz import atom_of, frame_of, read_geometry

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_ATOM = re.compile(rf"\S+(?:[\s,]+{_NUMBER}){{3}}\s*")
# Atoms, bonds, branches and rings, and nothing else.
_SMILES = re.compile(r"(?:Cl|Br|[BCNOPSFIbcnops]|\[[^\]\s]+\]|[-=#$:/\\.()%\d])+")


def geometry_of(given: Any, unit: str = "angstrom") -> Geometry:
    """Atoms, and charge and spin where they are said, of whatever `molecule` takes but a `Mole`."""
    if isinstance(given, Geometry):
        return given
    if isinstance(given, pathlib.Path):
        return read_geometry(given)
    if isinstance(given, str):
        return _of_text(given)
    if hasattr(given, "positions") and hasattr(given, "numbers"):
        return _of_arrays(given, unit)
    return Geometry(list(given))


def _of_text(text: str) -> Geometry:
    """A path, "O 0 0 0; H 0 0 1", a Z-matrix, or what an .xyz file holds."""
    if not _is_geometry(text):
        if _SMILES.fullmatch(text.strip()) and not pathlib.Path(text).exists():
            raise ValueError(
                f"{text!r:.200} reads as SMILES, which has no coordinates: make them with RDKit "
                'or Open Babel, and give them as "O 0 0 0; H 0 0 1".'
            )
        return read_geometry(text)
    lines = [line.partition("#")[0].strip() for line in re.split("[;\n]", text.replace(",", " "))]
    lines = [line for line in lines if line]
    if not lines:
        raise ValueError(f"the text has no atoms: {text!r:.200}.")
    if lines[0].isdigit() and "\n" in text:
        return frame_of("the text", text.strip().split("\n"), 0)
    if len(lines[0].split()) == 1:
        return Geometry(_z_matrix(lines))
    return Geometry([_atom(i, line) for i, line in enumerate(lines)])


def _atom(i: int, line: str) -> tuple[str, tuple[float, float, float]]:
    if len(line.split()) != 4:  # two atoms, perhaps, without a semicolon between them
        raise ValueError(f"atom {i}: expected 'symbol x y z', got {line!r:.200}.")
    return atom_of(f"atom {i}", line)


def _is_geometry(text: str) -> bool:
    """Not a path: several lines, or one that is an atom."""
    return bool(text.strip()) and ("\n" in text or ";" in text or bool(_ATOM.fullmatch(text)))


def _z_matrix(lines: list[str]) -> Atoms:
    """Bonds, angles and dihedrals in degrees, to positions in the unit of the bonds, by PySCF."""
    from pyscf.gto.mole import from_zmatrix

    for i, (_, *rest) in enumerate(line.split() for line in lines):
        values = [x for x in rest if re.fullmatch(_NUMBER, x)]
        named = [int(x) for x in rest[::2] if x.isdigit()]
        if len(values) != len(rest) or len(rest) != 2 * min(i, 3) or len(named) * 2 != len(rest):
            expected = " ".join(("bond r", "angle a", "dihedral d")[: min(i, 3)])
            raise ValueError(
                f"line {i + 1} of the Z-matrix: expected 'symbol {expected}', each after the "
                f"number of an atom above, got {lines[i]!r:.200}. Cartesian coordinates are "
                "'symbol x y z'."
            )
        if len(set(named)) != len(named) or not all(1 <= n <= i for n in named):
            raise ValueError(
                f"line {i + 1} of the Z-matrix: its atoms are different ones above it, numbered "
                f"from 1, got {named}."
            )
    found = from_zmatrix("\n".join(lines))
    return [(symbol, (float(x), float(y), float(z))) for symbol, (x, y, z) in found]


def _of_arrays(given: Any, unit: str) -> Geometry:
    """The atoms of ASE, or others with `positions` in ångström and atomic `numbers`."""
    pbc, cell = getattr(given, "pbc", None), getattr(given, "cell", None)
    periodic = np.any(pbc) if pbc is not None else cell is not None and np.any(np.asarray(cell))
    if periodic:
        raise ValueError(
            "the atoms are periodic, and jsci.dft computes only molecules: atoms.pbc = False for "
            "one in vacuum."
        )
    numbers = np.asarray(given.numbers)
    unknown = [int(z) for z in numbers if not 1 <= z <= len(SYMBOLS)]
    if unknown:
        raise ValueError(f"atomic number {unknown[0]} is unknown: known are 1 to {len(SYMBOLS)}.")
    scale = 1 / BOHR_IN_ANGSTROM if unit.lower() == "bohr" else 1.0
    positions = (np.asarray(given.positions, float) * scale).tolist()
    atoms = [(SYMBOLS[n - 1], (x, y, z)) for n, (x, y, z) in zip(numbers, positions, strict=True)]
    return Geometry(atoms, *charge_and_spin(_entries(given), "the atoms"))


def _entries(given: Any) -> dict[str, Any]:
    """ASE's `info`, in which it keeps the comment of a file; else sums over its atoms."""
    info = dict(getattr(given, "info", {}))
    sums = {"charge": "get_initial_charges", "spin": "get_initial_magnetic_moments"}
    if "multiplicity" in info:
        del sums["spin"]
    for name, method in sums.items():
        total = float(np.sum(getattr(given, method)())) if hasattr(given, method) else 0.0
        if total:
            # α and β are named as one likes.
            info.setdefault(name, round(abs(total) if name == "spin" else total, 6))
    return info
