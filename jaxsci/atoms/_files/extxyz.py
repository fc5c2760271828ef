"""Extended .xyz files: read, and written so that the same is read back."""

import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .._structure.atoms import Atoms
from .._structure.frame import Frame, as_frames
from .xyz_labels import ALIASES, is_total, labels

_NAME = r"[A-Za-z_][\w.:-]*"
_ENTRY = re.compile(rf"({_NAME})" r'\s*=\s*("(?:[^"\\]|\\.)*"|\{[^}]*\}|\[[^]]*\]|\S+)')
_NAME_OF_DIGITS = re.compile(r"[+-]?(0\d+|\d+_[\d_]+)")  # 0012 and 2026_11 are no numbers
_KINDS = {"R": float, "I": int, "S": str, "L": str}
_KIND_OF = {"f": "R", "i": "I", "u": "I", "U": "S", "b": "L"}  # by NumPy's letters
_PLAIN = "species:S:1:pos:R:3"
_OURS = {"Properties", "Lattice", "lattice", "pbc", "species", "pos"}


def read_extxyz(path: pathlib.Path, names: dict[str, str]) -> list[Frame]:
    """Every structure of a file, as `read` says."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as problem:
        raise ValueError(
            f"{path} is not a text file in UTF-8, as .xyz files are: {problem}."
        ) from None
    frames, start = [], 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        count = _count(path, lines, start)
        frames.append(_frame(path, lines, start, count, names))
        start += count + 2
    if not frames:
        raise ValueError(f"{path} has no structure in it.")
    return frames


def write(
    path: str | os.PathLike[str],
    structures: Atoms | Frame | Sequence[Atoms | Frame],
    *,
    append: bool = False,
) -> None:
    """Write structures with their labels as extended .xyz, so that `read` gives the same back.

    **Arguments:**

    - `path`: of the file.
    - `structures`: one or several, with labels as a `Frame` or without.
    - `append`: add to the file instead of replacing it.

    **Raises:** `TypeError` for something else; `ValueError` for labels of a wrong shape or not
    finite, and for names or text in `frame.info` that a file cannot hold.

    **Notes:** text in `frame.info` that would be read as numbers or truth, such as "12" or "T", is
    written with a backslash before it, by which `read` knows it for text.

    ```python
    jsci.atoms.write("salt.xyz", salt)
    ```
    """
    text = "".join(map(_text, as_frames(structures)))
    with pathlib.Path(path).open("a" if append else "w", encoding="utf-8") as file:
        file.write(text)


def _count(path: pathlib.Path, lines: list[str], start: int) -> int:
    text = lines[start].strip()
    if not text.isascii() or not text.isdigit():
        raise ValueError(
            f"{path}, line {start + 1}: expected a number of atoms, got {text!r:.80}. "
            "This reads .xyz and .cif; other formats are read by ASE: from_ase(ase.io.read(path))."
        )
    if start + 2 + int(text) > len(lines):
        raise ValueError(f"{path}, line {start + 1}: {text} atoms are announced, the file ends.")
    return int(text)


def _frame(path, lines: list[str], start: int, count: int, names: dict[str, str]) -> Frame:
    where = f"{path}, line {start + 2}"
    info = {key: _value(text) for key, text in _ENTRY.findall(lines[start + 1])}
    stated = info.pop("Properties", None)
    columns = _columns(where, str(stated or _PLAIN))
    table = _table(path, lines, start + 2, count, columns, exact=stated is not None)
    try:
        lattice, pbc = info.pop("Lattice", info.pop("lattice", None)), info.pop("pbc", None)
        cell = None if lattice is None else np.reshape(np.asarray(lattice, float), (3, 3))
        periodic = _periodic(cell is not None if pbc is None else pbc)
        if periodic.any() and not periodic.all():
            raise ValueError(
                f"it is periodic along some axes alone (pbc={pbc}): give the others vacuum wider "
                'than the cutoff, and pbc="T T T".'
            )
        if periodic.any() and cell is None:
            raise ValueError("it is periodic and has no Lattice.")
        species = table.pop("species" if "species" in table else "Z")
        atoms = Atoms(table.pop("pos"), species.tolist(), cell if periodic.all() else None)
        return Frame(atoms, *labels(info, table, atoms, names), info | table)
    except ValueError as problem:
        raise ValueError(f"{where}: {problem}") from None


def _periodic(pbc: Any) -> np.ndarray:
    if np.asarray(pbc).dtype.kind not in "bi" or np.size(pbc) not in (1, 3):
        raise ValueError(f'pbc must be "T T T" or "F F F", got {pbc!r}.')
    return np.broadcast_to(pbc, 3)


def _columns(where: str, text: str) -> Iterator[tuple[str, str, int]]:
    parts = text.split(":")
    triples = list(zip(parts[::3], parts[1::3], parts[2::3], strict=False))
    if len(parts) % 3 or any(k not in _KINDS or not n.isdigit() for _, k, n in triples):
        raise ValueError(f"{where}: Properties must be name:kind:columns:..., got {text!r:.120}.")
    given = {name: (kind, int(count)) for name, kind, count in triples}
    if given.get("pos") != ("R", 3) or not {"species", "Z"} & set(given):
        raise ValueError(f"{where}: Properties has no pos:R:3, or neither species nor Z: {text!r}.")
    return [(name, kind, int(count)) for name, kind, count in triples]  # pyright: ignore


def _table(path, lines, start: int, count: int, columns, *, exact: bool) -> dict[str, np.ndarray]:
    """The columns by name; plain .xyz files may have more than these."""
    width = sum(number for *_, number in columns)
    rows = [line.split() for line in lines[start : start + count]]
    for number, row in enumerate(rows, start + 1):
        if len(row) < width or (exact and len(row) > width):
            raise ValueError(f"{path}, line {number}: {width} columns expected, got {len(row)}.")
    table, first = {}, 0
    for name, kind, size in columns:
        words = [row[first : first + size] for row in rows]
        try:
            values = np.array(words, _KINDS[kind]).reshape(count, size)
            values = np.vectorize(_truth, [bool])(values) if kind == "L" else values
        except ValueError as problem:
            raise ValueError(f"{path}, lines {start + 1} to {start + count}: {problem}") from None
        table[name] = values[:, 0] if size == 1 else values
        first += size
    return table


def _value(text: str) -> Any:
    """Of an entry: true or false, numbers, or text, as which a backslash marks it."""
    if text[0] in "{[":
        text = re.sub(r"[{}\[\],]", " ", text)
    elif text[0] == '"':
        text = text[1:-1]
        if "\\" in text:
            return re.sub(r"\\(.)", r"\1", text)
    words = text.split()
    if any(map(_NAME_OF_DIGITS.fullmatch, words)):
        return text
    for kind in (_truth, int, float):
        try:
            values = [kind(word) for word in words]
        except ValueError:
            continue
        return values[0] if len(values) == 1 else np.array(values) if values else text
    return text


def _truth(word: str) -> bool:
    if word.lower() not in ("t", "f", "true", "false"):
        raise ValueError(f"expected T or F, got {word!r}.")
    return word[0] in "tT"


def _text(frame: Frame) -> str:
    """One structure as it stands in a file."""
    real = np.asarray(frame.atoms.mask)
    head = []
    if frame.atoms.cell is not None:
        head.append(f'Lattice="{_words(frame.atoms.cell)}"')
    given = {"forces": frame.forces, "magmoms": frame.magmoms}
    given = {name: np.asarray(v, float) for name, v in given.items() if v is not None}
    given |= {k: v for k, v in frame.info.items() if _is_column(v, len(real))}
    columns = {k: np.asarray(v).reshape(len(real), -1)[real] for k, v in given.items()}
    _check_info(frame, columns)
    kinds = "".join(f":{k}:{_KIND_OF[v.dtype.kind]}:{v.shape[1]}" for k, v in columns.items())
    head.append(f"Properties=species:S:1:pos:R:3{kinds}")
    if frame.energy is not None:
        head.append(f"energy={_words(frame.energy)}")
    if frame.stress is not None:
        head.append(f'stress="{_words(frame.stress)}"')
    head += [f"{k}={_entry(v)}" for k, v in frame.info.items() if k not in columns]
    head.append('pbc="F F F"' if frame.atoms.cell is None else 'pbc="T T T"')
    tables = [np.asarray(frame.atoms.positions)[real], *columns.values()]
    rows = [" ".join(map(_words, row)) for row in zip(frame.atoms.symbols, *tables, strict=True)]
    return "\n".join([str(len(rows)), " ".join(head), *rows]) + "\n"


def _check_info(frame: Frame, columns: dict[str, np.ndarray]) -> None:
    """Refuse names and lines that a file cannot hold, or that `read` takes for something else."""
    ours = dict.fromkeys(_OURS, "")
    for label, names in ALIASES.items():  # the first is written, and any other read without it
        taken = names if getattr(frame, label, None) is None else names[:1]
        ours |= dict.fromkeys(taken, label)
    for name, value in frame.info.items():
        if not re.fullmatch(_NAME, name) or (name in columns and ":" in name):
            raise ValueError(
                f"frame.info has {name!r}, which no file can hold: a name is of letters, digits "
                "and _ . - and begins with a letter or _."
            )
        if name in ours and not is_total(ours[name], value):
            raise ValueError(
                f"frame.info has {name!r}, which a file has for the structure or a label: remove "
                "it, or give it another name."
            )
        if name not in columns and (text := _words(value)) != "".join(text.splitlines()):
            raise ValueError(f"frame.info[{name!r}] has a line break, and a file holds lines.")


def _is_column(values: Any, count: int) -> bool:
    """Whether it is something of each atom that fits into columns."""
    array = np.asarray(values)
    one_word = array.dtype.kind != "U" or all(len(word.split()) == 1 for word in array.ravel())
    fits = array.ndim in (1, 2) and len(array) == count and array.size > 0
    return fits and array.dtype.kind in _KIND_OF and one_word


def _entry(value: Any) -> str:
    text = re.sub(r'(["\\])', r"\\\1", _words(value))
    if np.asarray(value).dtype.kind == "U" and not isinstance(_value(f'"{text}"'), str):
        text = f"\\{text}"
    return f'"{text}"'


def _words(values: Any) -> str:
    """Numbers with all digits, truth as T or F, and text as it is."""
    spell = {"b": lambda v: "T" if v else "F", "f": repr, "i": repr, "u": repr}
    array = np.asarray(values)
    return " ".join(spell.get(array.dtype.kind, str)(v) for v in array.ravel().tolist())
