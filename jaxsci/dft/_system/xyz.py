"""Reading molecules from .xyz files."""

import math
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from .._basis.elements import check_symbol
from .geometry import Atoms, Geometry, charge_and_spin, comment_entries


class _Columns(NamedTuple):
    """Where an atom line has its symbol and the first of three coordinates, of how many columns."""

    symbol: int = 0
    position: int = 1
    count: int | None = None


def read_xyz(path: str | pathlib.Path) -> Atoms:
    """Read the first molecule of an .xyz file: a count, a comment, then `symbol x y z` lines.

    Further columns, such as charges or forces, are ignored, and so are remarks after the atoms. The
    comment of an extended .xyz file says by `Properties=` which columns hold the symbol and the
    position.

    **Arguments:**

    - `path`: of the file, in UTF-8; the comment may have any encoding.

    **Returns:** a list of (symbol, (x, y, z)), in the unit of the file (ångström by convention).

    **Raises:** `FileNotFoundError`; `ValueError`, naming the line, for a count that is not that of
    the atoms, coordinates that are not finite numbers, ambiguous columns, or a periodic structure.

    ```python
    atoms = jsci.dft.read_xyz("water.xyz")
    ```
    """
    return _first(pathlib.Path(path))[0]


def read_geometry(path: str | pathlib.Path) -> Geometry:
    """The first molecule of a file, with the charge and spin in its comment."""
    path = pathlib.Path(path)
    atoms, lines = _first(path)
    return _with_comment(atoms, path, lines, 0)


def read_geometries(path: str | pathlib.Path) -> list[Geometry]:
    """Every molecule of a file, as `read_geometry`."""
    path = pathlib.Path(path)
    lines = _lines(path)
    return [_with_comment(atoms, path, lines, start) for start, atoms in _frames(path, lines)]


def frame_of(where: str, lines: list[str], start: int) -> Geometry:
    """The molecule whose count stands on line `start`, counted from zero."""
    return _with_comment(_frame(where, lines, start), where, lines, start)


def _with_comment(atoms: Atoms, where, lines: list[str], start: int) -> Geometry:
    entries = comment_entries(lines[start + 1])
    return Geometry(atoms, *charge_and_spin(entries, f"{where}, line {start + 2}"))


def _first(path: pathlib.Path) -> tuple[Atoms, list[str]]:
    """The first molecule and all lines, behind which there may be remarks or other molecules."""
    lines = _lines(path)
    atoms = _frame(path, lines, 0)
    for number, line in enumerate(lines[2 + len(atoms) :], 3 + len(atoms)):
        if _count(line):
            break  # another molecule
        if _like_an_atom(line.split()):
            raise ValueError(
                f"{path}, line {number}: more atoms than the {len(atoms)} that line 1 announces, "
                f"got {line.strip()!r:.200}."
            )
    return atoms, lines


def read_xyz_frames(path: str | pathlib.Path) -> list[Atoms]:
    """Read every molecule of an .xyz file, such as a trajectory.

    **Arguments:**

    - `path`: of the file, in UTF-8, with nothing else between the molecules.

    **Returns:** a list with one list of (symbol, (x, y, z)) per molecule.

    **Raises:** as `read_xyz`.

    ```python
    frames = jsci.dft.read_xyz_frames("trajectory.xyz")
    batch = jsci.dft.stack([jsci.dft.molecule(atoms, "def2-svp") for atoms in frames])
    ```
    """
    path = pathlib.Path(path)
    return [atoms for _, atoms in _frames(path, _lines(path))]


def _frames(path: pathlib.Path, lines: list[str]) -> Iterator[tuple[int, Atoms]]:
    """Where each molecule begins, and its atoms."""
    start: int | None = 0
    while start is not None:
        atoms = _frame(path, lines, start)
        yield start, atoms
        end = start + 2 + len(atoms)
        start = next((i for i in range(end, len(lines)) if lines[i].strip()), None)


def _lines(path: pathlib.Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(
            f"no such .xyz file: {path}. Give a path, a text such as 'O 0 0 0; H 0 0 1', a list of "
            "(symbol, (x, y, z)), ase.Atoms, or a PySCF Mole."
        )
    # A comment may be in any encoding. Not splitlines: a form feed in it ends no line.
    return path.read_text(encoding="utf-8-sig", errors="replace").split("\n")


def _count(line: str) -> int | None:
    """The number of atoms that a line announces, `None` if it announces none."""
    # Not isdigit: it takes ², too.
    number = re.fullmatch("[0-9]{1,9}", line.strip())
    return int(number[0]) or None if number else None


def _like_an_atom(fields: list[str]) -> bool:
    """Not a remark, such as the frequencies and names that QM9 writes behind the atoms."""
    decimal = r"[+-]?[0-9]*\.[0-9]*\S*"
    return (
        len(fields) > 3
        and not re.fullmatch(decimal + "|[A-Za-z]{4,}:?", fields[0])
        and any(re.match(r"[+-]?\.?[0-9]", field) for field in fields[1:4])
    )


def _frame(path, lines, start) -> Atoms:
    """The molecule whose count stands on line `start`, counted from zero."""
    count = _count(lines[start])
    if count is None:
        raise ValueError(
            f"{path}, line {start + 1}: expected the number of atoms, got "
            f"{lines[start].strip()!r:.200}."
        )
    body = lines[start + 2 : start + 2 + count]
    filled = sum(1 for line in body if line.strip())
    if filled < count:
        raise ValueError(
            f"{path}, line {start + 1}: announces {count} atoms, but only {filled} atom lines "
            "follow."
        )
    columns = _columns(f"{path}, line {start + 2}", lines[start + 1])
    return [atom_of(f"{path}, line {n}", line, columns) for n, line in enumerate(body, start + 3)]


def _columns(where: str, comment: str) -> _Columns:
    """What the comment of an extended .xyz file says; by default `symbol x y z`."""
    entries = comment_entries(comment)
    # A lattice alone repeats in all three directions.
    if re.search("[tT1]", entries.get("pbc", "T" if "lattice" in entries else "F")):
        raise ValueError(
            f"{where}: a periodic structure, and jsci.dft has molecules only. If it is one in a "
            'box, write pbc="F F F".'
        )
    if "properties" not in entries:
        return _PLAIN
    starts, count = {}, 0
    try:
        name, kind, width = (entries["properties"].split(":")[k::3] for k in range(3))
        for n, k, w in zip(name, kind, width, strict=True):
            starts[n.lower(), k.upper(), int(w)] = count
            count += int(w)
        return _Columns(starts["species", "S", 1], starts["pos", "R", 3], count)
    except (ValueError, KeyError):
        raise ValueError(
            f"{where}: expected species:S:1 and pos:R:3 among Properties=, got "
            f"{entries['properties']!r:.200}."
        ) from None


_PLAIN = _Columns()


def atom_of(
    where: str, line: str, columns: _Columns = _PLAIN
) -> tuple[str, tuple[float, float, float]]:
    """The label and position on a line, which `where` names."""
    fields = line.split()
    position = fields[columns.position : columns.position + 3]
    if columns.count not in (None, len(fields)):
        raise ValueError(
            f"{where}: expected {columns.count} columns as Properties= has them, got "
            f"{line.strip()!r:.200}."
        )
    try:
        x, y, z = map(_number, position)
    except ValueError:
        raise ValueError(f"{where}: expected 'symbol x y z', got {line.strip()!r:.200}.") from None
    symbol = fields[columns.symbol]
    # The number of an atom, or of its element?
    if columns.count is None and symbol.isdigit() and len(fields) > 4:
        raise ValueError(
            f"{where}: starts with a number and has {len(fields)} columns, got "
            f"{line.strip()!r:.200}. Write the symbol of the element, or say what the columns are "
            "by Properties= in the comment."
        )
    return check_symbol(symbol, where), (x, y, z)


def _number(text: str) -> float:
    """A finite number; Python's 1_000 and other alphabets' digits are none in a file."""
    if not text.isascii() or "_" in text or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)
