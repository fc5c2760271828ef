"""A structure with what is known about it: energy, forces, stress, magnetic moments."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .atoms import Atoms

LABELS = ("energy", "forces", "stress", "magmoms")
_SYMMETRY = 1e-2  # of a stress, as some codes write few digits


class Frame(NamedTuple):
    """A structure and its labels, of which any may be missing.

    - `atoms`: the structure.
    - `energy`: of the whole structure, eV.
    - `forces`: (atoms, 3), -dE/dR, eV/Å.
    - `stress`: (3, 3), (1/V) dE/dε, eV/Å³; positive where the crystal would shrink, as in ASE.
    - `magmoms`: (atoms,), magnetic moments, μ_B.
    - `info`: what else a file says of it, such as its `charge`.
    """

    atoms: Atoms
    energy: float | None = None
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    magmoms: np.ndarray | None = None
    info: Mapping[str, Any] = {}


def as_frames(structures: Any) -> list[Frame]:
    """Frames of one structure or several, with or without labels."""
    if isinstance(structures, Atoms | Frame):
        structures = [structures]
    if not isinstance(structures, Sequence):
        raise TypeError(f"expected Atoms, a Frame or a list of these, got {structures!r:.80}.")
    frames = [Frame(one) if isinstance(one, Atoms) else one for one in structures]
    for number, frame in enumerate(frames):
        if not isinstance(frame, Frame):
            raise TypeError(
                f"structure {number} is {type(frame).__name__}, neither Atoms nor a Frame: ASE's "
                "Atoms become ours by from_ase, and with their labels by label."
            )
        _check(frame, number)
    return frames


def _check(frame: Frame, number: int) -> None:
    n = len(frame.atoms.numbers)
    shapes = {"energy": (), "forces": (n, 3), "stress": (3, 3), "magmoms": (n,)}
    for name, shape in shapes.items():
        value = getattr(frame, name)
        if value is None:
            continue
        if np.shape(value) != shape:
            raise ValueError(
                f"{name} of structure {number} must have the shape {shape}, got {np.shape(value)}."
            )
        if not np.isfinite(value).all():
            raise ValueError(
                f"{name} of structure {number} is not finite: correct it, or leave it out by "
                f"frame._replace({name}=None)."
            )
    if frame.stress is not None:
        _check_stress(frame, number)


def _check_stress(frame: Frame, number: int) -> None:
    if frame.atoms.cell is None:
        raise ValueError(
            f"structure {number} has a stress and no cell: give Atoms its cell, or leave the "
            "stress out by frame._replace(stress=None)."
        )
    stress = np.asarray(frame.stress)
    if np.abs(stress - stress.T).max() > _SYMMETRY * np.abs(stress).max():
        raise ValueError(
            f"the stress of structure {number} is not symmetric, as every stress is: "
            f"{stress.tolist()}."
        )
