"""Crystals from .cif files, which ASE reads and whose symmetry is checked here."""

import collections
import os
import re
from typing import Any

import numpy as np

from .._structure.ase_atoms import from_ase
from .._structure.frame import Frame

_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")


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
