"""Atoms and their positions, with the charge and spin that come with them, if any do."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

Atoms = list[tuple[str, tuple[float, float, float]]]


class Geometry(NamedTuple):
    """What a file, a text or another package says of a molecule.

    - `atoms`: labels and positions.
    - `charge`: in units of e, or `None` where it is not said.
    - `spin`: unpaired electrons, or `None`.
    """

    atoms: Atoms
    charge: int | None = None
    spin: int | None = None


def comment_entries(comment: str) -> dict[str, str]:
    """The `name=value` pairs in the comment of an extended .xyz file, by name in lower case."""
    found = re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|(\S+))', comment)
    return {name.lower(): quoted or plain for name, quoted, plain in found}


def charge_and_spin(entries: Mapping[str, Any], where: str) -> tuple[int | None, int | None]:
    """`charge`, and `spin` or `multiplicity` less one, among entries.

    **Raises:** `ValueError` for one that is not a whole number, or two that contradict each other.
    """
    charge, spin, multiplicity = (
        _whole(entries[name], name, where) if name in entries else None
        for name in ("charge", "spin", "multiplicity")
    )
    if multiplicity is None:
        return charge, spin
    if spin not in (None, multiplicity - 1):
        raise ValueError(
            f"{where}: spin={spin} and multiplicity={multiplicity} contradict each other; spin is "
            "the number of unpaired electrons."
        )
    return charge, multiplicity - 1


def _whole(value: Any, name: str, where: str) -> int:
    try:
        number = float(value.rstrip(",;") if isinstance(value, str) else value)
        if number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{where}: {name} is a whole number, got {value!r:.200}.")
