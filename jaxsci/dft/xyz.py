"""Reading molecules from .xyz files."""

import pathlib

Atoms = list[tuple[str, tuple[float, float, float]]]


def read_xyz(path: str | pathlib.Path) -> Atoms:
    """Read the first molecule of an .xyz file: a count, a comment, then `symbol x y z` lines.

    **Returns:** a list of (symbol, (x, y, z)), in the unit of the file (ångström by convention).

    **Raises:** `FileNotFoundError`; `ValueError` naming the line that is wrong.

    ```python
    atoms = jsci.dft.read_xyz("water.xyz")
    ```
    """
    path = pathlib.Path(path)
    lines = _lines(path)
    atoms = _frame(path, lines, 0)
    count = len(atoms)
    extra = [i for i, line in enumerate(lines[2 + count :], 3 + count) if line.strip()]
    if extra and len(lines[extra[0] - 1].split()) == 4:
        raise ValueError(
            f"{path}, line {extra[0]}: more atoms than the {count} that line 1 announces."
        )
    return atoms


def read_xyz_frames(path: str | pathlib.Path) -> list[Atoms]:
    """Read every molecule of an .xyz file, e.g. of a trajectory, one after another.

    **Returns:** a list of what `read_xyz` returns.

    **Raises:** as `read_xyz`.

    ```python
    frames = jsci.dft.read_xyz_frames("trajectory.xyz")
    batch = jsci.dft.stack([jsci.dft.molecule(atoms, "def2-svp") for atoms in frames])
    ```
    """
    path = pathlib.Path(path)
    lines = _lines(path)
    frames, start = [], 0
    while start == 0 or any(line.strip() for line in lines[start:]):
        atoms = _frame(path, lines, start)
        frames.append(atoms)
        start += 2 + len(atoms)
    return frames


def _lines(path: pathlib.Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(
            f"no such .xyz file: {path}. Give a path, a list of (symbol, (x, y, z)), or a PySCF "
            "Mole."
        )
    return path.read_text(encoding="utf-8").splitlines()


def _frame(path, lines, start) -> Atoms:
    """The molecule whose count stands on line `start`, counted from zero."""
    count = _count(path, lines, start)
    body = lines[start + 2 : start + 2 + count]
    filled = sum(1 for line in body if line.strip())
    if filled < count:
        raise ValueError(
            f"{path}, line {start + 1}: announces {count} atoms, but only {filled} atom lines "
            "follow."
        )
    return [_atom(path, number, line) for number, line in enumerate(body, start + 3)]


def _count(path, lines, start) -> int:
    first = lines[start].strip() if lines else ""
    if not first.isdigit() or int(first) == 0:
        raise ValueError(f"{path}, line {start + 1}: expected the number of atoms, got {first!r}.")
    return int(first)


def _atom(path, number, line) -> tuple[str, tuple[float, float, float]]:
    from .elements import check_symbol

    fields = line.split()
    try:
        symbol, (x, y, z) = fields[0], (float(field) for field in fields[1:4])
    except (ValueError, IndexError):
        raise ValueError(
            f"{path}, line {number}: expected 'symbol x y z', got {line.strip()!r}."
        ) from None
    return check_symbol(symbol, f"{path}, line {number}"), (x, y, z)
