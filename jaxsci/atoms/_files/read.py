"""Structures from files, in the format that the name of a file says."""

import os
import pathlib

from .._structure.frame import Frame
from .cif import read_cif
from .extxyz import read_extxyz


def read(path: str | os.PathLike[str], *, names: dict[str, str] | None = None) -> list[Frame]:
    """Read every structure of an extended .xyz file, with its labels, or of a .cif file.

    **Arguments:**

    - `path`: of the file, in UTF-8. A name that ends in .cif is read by ASE.
    - `names`: which entry or column holds a label, such as `{"energy": "REF_energy"}`. Without it
        these are `energy`, `forces` or `force`, `stress` or `virial` or `virials`, and `magmoms`.

    **Returns:** a `Frame` of each structure. What the file has besides is in `frame.info`: truth,
    numbers, or text, which may be in quotes. Digits that begin with a zero, as in 0012, are text,
    and so is what has a backslash in its quotes.

    **Raises:** `FileNotFoundError`; `ValueError` for a file that is no text or has no structures,
    and, naming the line, for a line that is not what its header says, another unit than eV and Å if
    the file states one, a structure that is periodic along some axes alone, a stress and a virial
    that contradict each other, or a crystal with sites that are partly occupied or whose atoms are
    not those of its formula; `ImportError` for a .cif file without ASE.

    **Notes:** the format has no units: eV, eV/Å and Å are assumed, a stress in eV/Å³ with the
    sign of ASE, (1/V) dE/dε, and a virial in eV, -V times the stress; a stress above 10 eV/Å³
    is warned of. With a `Lattice` and no `pbc` a structure is periodic.

    ```python
    frames = jsci.atoms.read("train.xyz")
    ```
    """
    path = pathlib.Path(path)
    if path.suffix.lower() == ".cif":
        return read_cif(path)
    return read_extxyz(path, names or {})
