"""Which entries and columns of an extended .xyz file are energy, forces, stress and moments."""

import re
import warnings
from typing import Any

import numpy as np

from .._structure.atoms import Atoms
from .._structure.frame import LABELS

ALIASES = {
    "energy": ("energy", "Energy"),
    "forces": ("forces", "force"),
    "stress": ("stress",),
    "virial": ("virial", "virials"),
    "magmoms": ("magmoms", "magmom"),
}
_UNITS = {"ev", "ang", "angstrom", "å", "ev/ang", "ev/angstrom", "ev/å", "ev/ang^3", "metal"}
_STATED = re.compile(
    r"(?:(energy|forces?|stress|virials?|length|distance|positions?|pos|cell|lattice)[_-]?)?units?"
    r"|units?[_-](energy|forces?|stress|virials?|length|distance|positions?|pos)",
    re.IGNORECASE,
)
# Stress and virial are written with few digits by some codes.
_AGREEMENT = 1e-2
_HUGE = 10.0  # eV/Å³, 1,600 GPa


def labels(
    info: dict[str, Any], table: dict[str, np.ndarray], atoms: Atoms, names: dict[str, str]
) -> tuple[Any, Any, Any, Any]:
    """Energy, forces, stress and moments, taken out of the entries and columns."""
    if unknown := set(names) - {*ALIASES}:
        raise ValueError(f"names has {sorted(unknown)}, and the labels are {', '.join(ALIASES)}.")
    _check_units(info)
    found = {label: _taken(label, info, table, names) for label in ALIASES}
    virial, stress = found.pop("virial"), found["stress"]
    found["stress"] = _stress(stress, virial, atoms)
    if found["energy"] is not None:
        if np.size(found["energy"]) != 1:
            raise ValueError(f"the energy must be one number, got {found['energy']!r}.")
        found["energy"] = float(found["energy"])
    return tuple(found[label] for label in LABELS)  # pyright: ignore[reportReturnType]


def _taken(label: str, info: dict, table: dict, names: dict[str, str]) -> Any:
    wanted = (names[label],) if label in names else ALIASES[label]
    for name in wanted:
        for place in (table, info):
            if name in place and not is_total(label, place[name]):
                return place.pop(name)
    if label in names:
        raise ValueError(f"no entry or column {names[label]!r}: it has {[*info, *table]}.")
    return None


def is_total(label: str, value: Any) -> bool:
    """Whether it is one number where each atom has its own, as ASE writes the sum of moments."""
    return label in ("forces", "magmoms") and np.ndim(value) == 0


def _check_units(info: dict[str, Any]) -> None:
    for key, value in info.items():
        stated = _STATED.fullmatch(key)
        if stated and not {*str(value).lower().replace(":", " ").split()} <= _UNITS:
            raise ValueError(
                f"{key}={value!r}: eV and Å are expected. Convert the file, and remove the entry."
            )


def _stress(stress: Any, virial: Any, atoms: Atoms) -> np.ndarray | None:
    if (stress is None and virial is None) or atoms.cell is None:
        return None
    volume = float(atoms.volume)
    by_virial = None if virial is None else -_matrix(virial, "virial") / volume
    if stress is None:
        return by_virial
    stress = _matrix(stress, "stress")
    if by_virial is None and np.abs(stress).max() > _HUGE:
        warnings.warn(
            f"the stress reaches {np.abs(stress).max():.4g}, which is taken for eV/Å³: if it is in "
            "GPa, divide it by 160.21766.",
            stacklevel=5,
        )
    if by_virial is not None:
        scale = np.abs(by_virial).max()
        if np.abs(stress - by_virial).max() > _AGREEMENT * scale:
            ratio = np.abs(stress).max() / max(scale, np.finfo(float).tiny)
            raise ValueError(
                f"stress and virial contradict each other: the stress is {ratio:.4g} times "
                "-virial/V (160.2 if it is in GPa), or of another sign. Expected are eV/Å³ and eV."
            )
    return stress


def _matrix(values: Any, name: str) -> np.ndarray:
    """(3, 3) of nine numbers, or of six in the order xx, yy, zz, yz, xz, xy."""
    values = np.ravel(np.asarray(values, float))
    if len(values) == 6:
        values = values[[0, 5, 4, 5, 1, 3, 4, 3, 2]]
    if len(values) != 9:
        raise ValueError(f"{name} must have nine numbers, or six, got {len(values)}.")
    return values.reshape(3, 3)
