"""Molecules and crystals as arrays."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from .elements import MASSES, SYMBOLS, atomic_number

# A cell thinner than this (Å) along any axis is a mistake rather than a crystal.
_THINNEST = 1e-3


class Atoms(eqx.Module):
    """A molecule, or the atoms of one cell of a periodic structure.

    Atom i of cell (a, b, c) stands at R_i + a L₁ + b L₂ + c L₃, where Lₖ are the rows of `cell`.

    **Arguments:**

    - `positions`: (atoms, 3), Å. They may lie outside the cell.
    - `numbers`: (atoms,), atomic numbers, or symbols such as `["Na", "Cl"]`. A number 0 marks an
        atom of padding.
    - `cell`: (3, 3), its rows the lattice vectors, Å; `None` for a molecule. It is periodic along
        all three: a surface takes vacuum that is wider than the cutoff.

    **Raises:** `ValueError` for other shapes, no such element, values that are not finite, or a
    cell without volume.

    **Notes:** a pytree of arrays, so that `jax.vmap` runs over several of one shape, such as
    `batch` makes.

    ```python
    salt = jsci.atoms.Atoms([[0.0, 0.0, 0.0], [2.1, 2.1, 2.1]], ["Cs", "Cl"], 4.2 * np.eye(3))
    ```
    """

    positions: Float[Array, "*b n 3"]
    numbers: Int[Array, "*b n"]
    cell: Float[Array, "*b 3 3"] | None

    def __init__(self, positions: Any, numbers: Any, cell: Any = None):
        self.positions = _floats(positions, "positions")
        self.numbers = _numbers(numbers)
        self.cell = None if cell is None else _floats(cell, "cell").astype(self.positions.dtype)
        _check(self)

    @property
    def mask(self) -> Bool[Array, "*b n"]:
        """Which atoms are real rather than padding."""
        return self.numbers > 0

    @property
    def masses(self) -> Float[Array, "*b n"]:
        """Standard atomic weights, dalton; infinite for padding, which does not move."""
        return jnp.asarray(MASSES, self.positions.dtype)[self.numbers]

    @property
    def volume(self) -> Float[Array, "*b"]:
        """Of the cell, Å³."""
        if self.cell is None:
            raise ValueError("a molecule has no volume: give Atoms(positions, numbers, cell).")
        return jnp.abs(jnp.linalg.det(self.cell))

    @property
    def symbols(self) -> list[str]:
        """Of the atoms that are not padding."""
        return [SYMBOLS[number] for number in np.asarray(self.numbers) if number]


def moved(atoms: Atoms, positions: Float[Array, "*b n 3"], cell: Any = None) -> Atoms:
    """The same atoms at other positions, in another cell where one is given."""
    cell = atoms.cell if cell is None else cell
    return eqx.tree_at(
        lambda a: (a.positions, a.cell), atoms, (positions, cell), is_leaf=lambda x: x is None
    )


def strained(atoms: Atoms, strain: Float[Array, "3 3"]) -> Atoms:
    """Positions and cell deformed by the symmetric part of a strain, r -> r (1 + ε)."""
    deformation = jnp.eye(3, dtype=strain.dtype) + 0.5 * (strain + strain.T)
    cell = None if atoms.cell is None else atoms.cell @ deformation
    return moved(atoms, atoms.positions @ deformation, cell)


def require_atoms(structure: Any, function: str) -> None:
    """A `TypeError` for what is no `Atoms`, such as the frames that `read` returns."""
    if isinstance(structure, Atoms):
        return
    has_them = isinstance(getattr(structure, "atoms", None), Atoms)
    hint = "give its .atoms" if has_them else "one structure; from_ase makes it of ASE's"
    raise TypeError(f"{function}() takes Atoms, got {type(structure).__name__}: {hint}.")


def _floats(values: Any, name: str) -> Array:
    try:
        array = jnp.asarray(values)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"{name} must be an array of numbers: {problem}") from None
    if jnp.issubdtype(array.dtype, jnp.complexfloating) or array.dtype == bool:
        raise TypeError(f"{name} must be real numbers, got {array.dtype}.")
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def _numbers(values: Any) -> Array:
    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        values = values.tolist()
    if isinstance(values, Sequence) and any(isinstance(value, str) for value in values):
        values = [atomic_number(v) if isinstance(v, str) else int(v) for v in values]
    values = jnp.asarray(values)
    values = values if values.size else values.astype(int)
    if not jnp.issubdtype(values.dtype, jnp.integer):
        raise TypeError(f"numbers must be integers or symbols, got {values.dtype}.")
    return values.astype(jnp.int32)


def _check(atoms: Atoms) -> None:
    if atoms.positions.ndim != 2 or atoms.positions.shape[-1] != 3:
        raise ValueError(f"positions must have the shape (atoms, 3), got {atoms.positions.shape}.")
    if atoms.numbers.shape != atoms.positions.shape[:1]:
        raise ValueError(
            f"{len(atoms.positions)} positions need as many numbers, got {atoms.numbers.shape}."
        )
    if atoms.cell is not None and atoms.cell.shape != (3, 3):
        raise ValueError(
            f"cell must have the shape (3, 3), its rows the lattice vectors, got "
            f"{atoms.cell.shape}; for a box of lengths (a, b, c) give np.diag([a, b, c])."
        )
    if not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(atoms)):
        _check_values(atoms)


def _check_values(atoms: Atoms) -> None:
    positions, numbers = np.asarray(atoms.positions), np.asarray(atoms.numbers)
    if not np.isfinite(positions).all():
        atom = int(np.flatnonzero(~np.isfinite(positions).all(1))[0])
        raise ValueError(f"the position of atom {atom} is not finite: {positions[atom]}.")
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(SYMBOLS):
        wrong = numbers[(numbers < 0) | (numbers >= len(SYMBOLS))][0]
        raise ValueError(f"no element has the number {wrong}: 1 to {len(SYMBOLS) - 1}.")
    if atoms.cell is not None and not np.isfinite(atoms.cell).all():
        raise ValueError(f"the cell is not finite: {np.asarray(atoms.cell).tolist()}.")
    if atoms.cell is not None and not min(heights(np.asarray(atoms.cell))) > _THINNEST:
        raise ValueError(
            f"the cell has no volume: its heights are {heights(np.asarray(atoms.cell))} Å; a "
            "molecule takes cell=None, and a surface vacuum along its normal."
        )


def heights(cell: np.ndarray) -> np.ndarray:
    """Distances between opposite faces of a cell, Å; zero without volume."""
    cell = np.asarray(cell, float)
    areas = np.linalg.norm(np.cross(np.roll(cell, -1, 0), np.roll(cell, -2, 0)), axis=1)
    return abs(np.linalg.det(cell)) / np.maximum(areas, np.finfo(float).tiny)
