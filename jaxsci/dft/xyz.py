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
    if not path.is_file():
        raise FileNotFoundError(
            f"no such .xyz file: {path}. Give a path, a list of (symbol, (x, y, z)), or a PySCF "
            "Mole."
        )
    lines = path.read_text(encoding="utf-8").splitlines()
    count = _count(path, lines)
    body = lines[2 : 2 + count]
    filled = sum(1 for line in body if line.strip())
    if len(body) < count or filled < count:
        raise ValueError(
            f"{path}, line 1: announces {count} atoms, but only {filled} atom lines follow."
        )
    extra = [i for i, line in enumerate(lines[2 + count :], 3 + count) if line.strip()]
    if extra and len(lines[extra[0] - 1].split()) == 4:
        raise ValueError(
            f"{path}, line {extra[0]}: more atoms than the {count} that line 1 announces."
        )
    return [_atom(path, number, line) for number, line in enumerate(body, 3)]


def _count(path, lines) -> int:
    first = lines[0].strip() if lines else ""
    if not first.isdigit() or int(first) == 0:
        raise ValueError(f"{path}, line 1: expected the number of atoms, got {first!r}.")
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
