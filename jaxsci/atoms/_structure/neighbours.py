"""The graph of a structure, built on the host."""

import warnings
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .atoms import Atoms, require_atoms
from .edges_and_angles import angle_pairs, reverse_edges
from .elements import SYMBOLS
from .graph import Graph
from .pairs import pairs

# Two atoms nearer than this (Å) are one atom written twice, or a wrong unit.
CLOSEST = 0.3
# No bond is as short as these (Å), with hydrogen or helium and without: fractions of a cell that
# were taken for positions are the usual reason.
_SHORT, _SHORT_HEAVY = 0.5, 0.9


@runtime_checkable
class Reaching(Protocol):
    """A potential that says how far it reaches, and by `.angle_cutoff` how far its angles do."""

    @property
    def cutoff(self) -> float:
        """Å."""
        ...


def neighbours(
    atoms: Atoms,
    cutoff: float | Reaching,
    *,
    angle_cutoff: float | None = None,
    edges: int | None = None,
    angles: int | None = None,
) -> Graph:
    """The pairs of atoms within a cutoff, with all images, and the angles between close ones.

    It holds the edges |R_j + S L - R_i| < c, exact for any cell: an atom may be its own neighbour,
    and any number of images of another. The search is by `vesin` where it is installed (extra
    `atoms`), else by SciPy's tree; both give the same list.

    **Arguments:**

    - `atoms`: one structure.
    - `cutoff`: Å, or a potential such as `chgnet`'s: then both cutoffs are its own.
    - `angle_cutoff`: Å, at most `cutoff`; `None` for no angles, or for those of the potential.
    - `edges`, `angles`: numbers to pad to; `None` for exactly those that there are. Structures of
        equal numbers of atoms, edges and angles share a compiled program.

    **Returns:** a `Graph`.

    **Raises:** `ValueError` for atoms closer than 0.3 Å, cutoffs that are not positive, or more
    edges or angles than places; `TypeError` for what is no `Atoms`, or a potential that
    does not say its cutoff.

    **Notes:** it is built on the host and cannot be traced: under `jax.jit` use `NeighbourList`.
    It is complete for these positions only, and nothing flags its use with others.

    ```python
    graph = jsci.atoms.neighbours(salt, 6.0, angle_cutoff=3.0)
    ```
    """

    def room(edges_found: int, angles_found: int) -> tuple[int, int]:
        return _room(edges_found, edges, "edges"), _room(angles_found, angles, "angles")

    return listed(atoms, *cutoffs(cutoff, angle_cutoff), room)


def listed(
    atoms: Atoms,
    cutoff: float,
    angle_cutoff: float | None,
    room: Callable[[int, int], tuple[int, int]],
) -> Graph:
    """The same, padded to what `room` says of the numbers of edges and angles found."""
    _check(atoms)
    real = np.asarray(atoms.mask)
    chosen = np.flatnonzero(real)
    positions = np.asarray(atoms.positions, float)
    cell = None if atoms.cell is None else np.asarray(atoms.cell, float)
    i, j, shift = pairs(positions[chosen], cell, cutoff)
    i, j = chosen[i], chosen[j]
    vectors = positions[j] - positions[i] + (0.0 if cell is None else shift @ cell)
    lengths = np.linalg.norm(vectors, axis=1)
    _check_distances(atoms, i, j, lengths)
    _warn_of_fractions(atoms, i, j, lengths)
    near = lengths < (angle_cutoff or 0.0)
    degrees = np.bincount(i[near], minlength=len(real))
    count = int(np.sum(degrees * np.maximum(degrees - 1, 0)))
    first, second, _ = angle_pairs(np, i, near, len(real), count)
    reverse = reverse_edges(np, i, j, shift)
    e, a = room(len(i), count)
    last = max(len(real) - 1, 0)  # padded edges keep the order by atoms
    reverse = np.concatenate([reverse, np.arange(len(i), e)])
    return Graph(
        _padded(i, e, last), _padded(j, e, last), _padded(shift, e),
        jnp.asarray(np.arange(e) < len(i)), _padded(reverse, e),
        _padded(first, a), _padded(second, a), jnp.asarray(np.arange(a) < count),
        jnp.array(False), float(cutoff), None if angle_cutoff is None else float(angle_cutoff),
    )  # fmt: skip


def _padded(values: np.ndarray, size: int, fill: int = 0) -> jax.Array:
    empty = np.full((size, *values.shape[1:]), fill, np.int32)
    empty[: len(values)] = values
    return jnp.asarray(empty)


def _room(count: int, size: int | None, name: str) -> int:
    if size is not None and size < count:
        raise ValueError(f"{count} {name} do not fit into {name}={size}: give room for them.")
    return count if size is None else size


def _check(atoms: Atoms) -> None:
    require_atoms(atoms, "neighbours")
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(atoms)):
        raise TypeError("neighbours() runs on the host: under jit use NeighbourList.")
    if atoms.positions.ndim != 2:
        raise ValueError(
            f"neighbours() takes one structure, got positions of shape {atoms.positions.shape}."
        )


def cutoffs(cutoff: float | Reaching, angle_cutoff: float | None) -> tuple[float, float | None]:
    """Both cutoffs, of a potential its own; refused where one is not positive, or not in order."""
    if isinstance(cutoff, Reaching):
        if angle_cutoff is None:
            angle_cutoff = getattr(cutoff, "angle_cutoff", None)
        cutoff = cutoff.cutoff
    if np.asarray(cutoff).dtype.kind not in "iuf":
        raise TypeError(
            f"cutoff must be a number, in Å, or a potential that has one as .cutoff; got "
            f"{type(cutoff).__name__}: give the model in it, which has one, or the number."
        )
    if not 0 < cutoff < np.inf:
        raise ValueError(f"cutoff must be positive and finite, in Å, got {cutoff!r}.")
    if angle_cutoff is not None and not 0 < angle_cutoff <= cutoff:
        raise ValueError(
            f"angle_cutoff must be positive and at most the cutoff of {cutoff} Å, got "
            f"{angle_cutoff!r}."
        )
    return cutoff, angle_cutoff


def _warn_of_fractions(atoms: Atoms, i: np.ndarray, j: np.ndarray, lengths: np.ndarray) -> None:
    numbers, positions = np.asarray(atoms.numbers), np.asarray(atoms.positions)
    if atoms.cell is None or positions.min(initial=0.0) < 0 or positions.max(initial=0.0) > 1:
        return
    heavy = np.minimum(numbers[i], numbers[j]) > 2
    short = np.flatnonzero(lengths < np.where(heavy, _SHORT_HEAVY, _SHORT))
    if len(short):
        e = int(short[np.argmin(lengths[short])])
        warnings.warn(
            f"atoms {_name(atoms, i[e])} and {_name(atoms, j[e])} are {lengths[e]:.3g} Å apart, "
            "shorter than any bond between such atoms, and all positions are between 0 and 1: they "
            "are in Å, not fractions of the cell.",
            stacklevel=4,
        )


def _name(atoms: Atoms, k: Any) -> str:
    return f"{SYMBOLS[int(atoms.numbers[k])]} {k}"


def _check_distances(atoms: Atoms, i: np.ndarray, j: np.ndarray, lengths: np.ndarray) -> None:
    if len(lengths) and lengths.min() < CLOSEST:
        e = int(np.argmin(lengths))
        raise ValueError(
            f"atoms {_name(atoms, i[e])} and {_name(atoms, j[e])} are {lengths[e]:.3g} Å apart, "
            f"closer than {CLOSEST} Å: is an atom there twice, or the unit not Å?"
        )
