"""The graph of atoms that move, built under jit in a fixed amount of room."""

import itertools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from .atoms import Atoms, heights, require_atoms
from .edges_and_angles import angle_pairs, reverse_edges
from .graph import Graph
from .neighbours import CLOSEST, Reaching, cutoffs, neighbours

# Cells may shrink by this share before a bin is thinner than the list assumes.
_SHRINKS = 0.08


class NeighbourList(eqx.Module):
    """Neighbours under `jax.jit`, for dynamics and relaxation: fixed numbers of places, a flag.

    `neighbours(atoms)` sorts atoms into bins of the cell and looks at nearby bins, images included,
    so that the work grows as the number of atoms, and small or sheared cells are exact.

    **Arguments:**

    - `atoms`: one structure, or several of one shape stacked: how many places there have to be.
    - `cutoff`, `angle_cutoff`: Å, of the potential, or the potential itself, as in `neighbours`.
    - `skin`: Å, how far beyond the cutoffs neighbours are listed. A list then holds until two atoms
        have approached each other by it. Graphs promise the cutoffs without the skin.
    - `room`: places per neighbour that there is now.

    **Raises:** `ValueError` for no atoms, a negative skin, `room` below one, and what `neighbours`
    raises; when called, for a molecule where the list is of a crystal.

    **Notes:** where there are more neighbours than places, or the cell has shrunk by 8 % or more
    and its bins are too thin, the graph's `overflow` is true and `properties` are NaN: make a new
    list of the structure at which it happened, with more `room`. Atoms closer than 0.3 Å when it is
    called set the flag as well.

    **Good values:** `skin=0.5`, `room=1.25` for solids and liquids at constant volume, 1.5 where a
    cell changes. With angles `skin=0.05`: their number grows as the sixth power of the range.

    ```python
    nearby = jsci.atoms.NeighbourList(salt, 6.0)
    graph = jax.jit(nearby)(salt)
    ```
    """

    cutoff: float = eqx.field(static=True)
    angle_cutoff: float | None = eqx.field(static=True)
    skin: float = eqx.field(static=True)
    edges: int = eqx.field(static=True)
    angles: int = eqx.field(static=True)
    bins: tuple[int, int, int] = eqx.field(static=True)
    reach: tuple[int, int, int] = eqx.field(static=True)
    places: int = eqx.field(static=True)

    def __init__(
        self,
        atoms: Atoms,
        cutoff: float | Reaching,
        *,
        angle_cutoff: float | None = None,
        skin: float = 0.5,
        room: float = 1.25,
    ):
        require_atoms(atoms, "NeighbourList")
        cutoff, angle_cutoff = cutoffs(cutoff, angle_cutoff)
        if not (skin >= 0 and room >= 1):
            raise ValueError(f"skin must be at least 0 and room at least 1, got {skin}, {room}.")
        if atoms.numbers.shape[-1] == 0:
            raise ValueError("NeighbourList() needs at least one atom, got an empty structure.")
        self.cutoff, self.skin = float(cutoff), float(skin)
        self.angle_cutoff = None if angle_cutoff is None else float(angle_cutoff)
        structures = _unstacked(atoms)
        wide = None if angle_cutoff is None else angle_cutoff + skin
        graphs = [neighbours(one, cutoff + skin, angle_cutoff=wide) for one in structures]
        self.edges = _with_room(max(len(graph.i) for graph in graphs), room)
        self.angles = _with_room(max(len(graph.first) for graph in graphs), room)
        if angle_cutoff is None:
            self.angles = 0
        self.bins, self.reach = _bins(structures, self.cutoff + self.skin)
        counts = [np.bincount(_bin_of(one, self.bins)).max(initial=1) for one in structures]
        self.places = min(_with_room(max(counts), room), atoms.numbers.shape[-1])
        if self.bins == (1, 1, 1):
            self.places = atoms.numbers.shape[-1]

    def __call__(self, atoms: Atoms) -> Graph:
        """The graph of a structure, with `overflow` where there was no room for it."""
        if atoms.cell is None and self.reach != (0, 0, 0):
            raise ValueError("the list is of a crystal, and this is a molecule: make its own.")
        n = atoms.numbers.shape[0]
        i, j, shift, mask, full = self._edges(atoms)
        reverse = reverse_edges(jnp, i, j, shift)
        graph = Graph(
            i, j, shift, mask, reverse.astype(jnp.int32), *_no_angles(),
            full, self.cutoff, self.angle_cutoff,
        )  # fmt: skip
        if self.angle_cutoff is None:
            return graph
        wide = self.angle_cutoff + self.skin
        near = mask & (jnp.sum(graph.vectors(atoms) ** 2, axis=-1) < wide**2)
        first, second, count = angle_pairs(jnp, i, near, n, self.angles)
        angles = (
            first.astype(jnp.int32),
            second.astype(jnp.int32),
            jnp.arange(self.angles) < count,
        )
        full = full | (count > self.angles)
        return eqx.tree_at(lambda g: (g.first, g.second, g.angle_mask, g.overflow), graph,
                           (*angles, full))  # fmt: skip

    def stale(self, atoms: Atoms, built: Atoms) -> Bool[Array, ""]:
        """Whether neighbours may be missing from a list, so that it has to be built anew.

        **Arguments:**

        - `atoms`: the structure now.
        - `built`: the same when the list was built.

        **Returns:** whether the motions of two atoms and the strain may add up to the skin.

        ```python
        nearby.stale(salt, salt)  # False
        ```
        """
        before, stretch = built.positions, 0.0
        if atoms.cell is not None and built.cell is not None:
            deformation = jnp.linalg.solve(built.cell, atoms.cell)
            before = before @ deformation
            change = deformation - jnp.eye(3, dtype=deformation.dtype)
            stretch = jnp.sqrt(jnp.sum(change**2)) * (self.cutoff + self.skin)
        moved = jnp.where(atoms.mask, jnp.sum((atoms.positions - before) ** 2, axis=-1), 0.0)
        return ~(2 * jnp.sqrt(jnp.max(moved)) + stretch < self.skin)

    def _edges(self, atoms: Atoms):
        """Atoms i and j, shifts, and masks of all edges, and whether some found no place."""
        n = atoms.numbers.shape[0]
        home, offset, shrunk = self._home(atoms)
        bins, reach = np.array(self.bins), [range(-r, r + 1) for r in self.reach]
        around = np.array(list(itertools.product(*reach)), np.int32)
        near = home[:, None] + around[None]  # (atoms, nearby bins, 3)
        image = jnp.floor_divide(near, bins[None, None])
        table, crowded = self._table(atoms, home)
        candidates = table[_flat(near - image * bins[None, None], self.bins)]
        i = jnp.broadcast_to(jnp.arange(n)[:, None, None], candidates.shape)
        j = jnp.minimum(candidates, n - 1)
        shift = image[:, :, None] - offset[j] + offset[:, None, None]
        vectors = atoms.positions[j] - atoms.positions[i]
        if atoms.cell is not None:
            vectors = vectors + shift.astype(atoms.cell.dtype) @ atoms.cell
        other = (i != j) | jnp.any(shift != 0, axis=-1)
        real = (candidates < n) & atoms.mask[i] & other
        squares = jnp.where(real, jnp.sum(vectors**2, axis=-1), jnp.inf)
        found = squares < (self.cutoff + self.skin) ** 2
        (chosen,) = jnp.nonzero(found.ravel(), size=self.edges, fill_value=0)
        count = jnp.sum(found)
        mask = jnp.arange(self.edges) < count
        i, j = (jnp.where(mask, a.ravel()[chosen], n - 1).astype(jnp.int32) for a in (i, j))
        shift = jnp.where(mask[:, None], shift.reshape(-1, 3)[chosen], 0).astype(jnp.int32)
        lost = ~jnp.all(jnp.isfinite(atoms.positions)) | (jnp.min(squares) < CLOSEST**2)
        return i, j, shift, mask, (count > self.edges) | crowded | shrunk | lost

    def _home(self, atoms: Atoms):
        """The bin and the cell of each atom, and whether the bins have become too thin."""
        if atoms.cell is None:
            zeros = jnp.zeros(atoms.positions.shape, jnp.int32)
            return zeros, zeros, jnp.array(False)
        fraction = atoms.positions @ jnp.linalg.inv(atoms.cell)
        offset = jnp.floor(fraction)
        bins = np.array(self.bins, np.int32)[None]
        home = jnp.clip(((fraction - offset) * bins).astype(jnp.int32), 0, bins - 1)
        faces = jnp.cross(jnp.roll(atoms.cell, -1, 0), jnp.roll(atoms.cell, -2, 0))
        thickness = atoms.volume / jnp.linalg.norm(faces, axis=1)
        covered = thickness * (np.array(self.reach) / np.array(self.bins))
        return home, offset.astype(jnp.int32), ~jnp.all(covered >= self.cutoff + self.skin)

    def _table(self, atoms: Atoms, home):
        """The atoms of each bin; n stands for none."""
        n, count = len(atoms.numbers), int(np.prod(self.bins))
        flat = jnp.where(atoms.mask, _flat(home, self.bins), count)
        order = jnp.argsort(flat)
        ranked = flat[order]
        rank = jnp.arange(n) - jnp.searchsorted(ranked, ranked, side="left")
        table = jnp.full((count, self.places), n, jnp.int32)
        table = table.at[ranked, rank].set(order.astype(jnp.int32), mode="drop")
        return table, jnp.any((rank >= self.places) & (ranked < count))


def _no_angles():
    none = jnp.zeros(0, jnp.int32)
    return none, none, jnp.zeros(0, bool)


def _with_room(count: int, room: float) -> int:
    return int(np.ceil(count * room)) + 1


def _unstacked(atoms: Atoms) -> list[Atoms]:
    if atoms.positions.ndim == 2:
        return [atoms]
    parts = zip(
        atoms.positions,
        atoms.numbers,
        [None] * len(atoms.numbers) if atoms.cell is None else atoms.cell,
        strict=True,
    )
    return [Atoms(*part) for part in parts]


def _bins(structures: list[Atoms], cutoff: float):
    """Bins along each axis, at least as thick as the cutoff, and how many bins away to look."""
    if structures[0].cell is None:
        return (1, 1, 1), (0, 0, 0)
    thickness = np.min([heights(np.asarray(one.cell)) for one in structures], axis=0)
    wanted = cutoff / (1 - _SHRINKS)
    bins = np.maximum(1, np.floor(thickness / wanted)).astype(int)
    reach = np.ceil(wanted * bins / thickness).astype(int)
    return tuple(bins.tolist()), tuple(reach.tolist())


def _bin_of(atoms: Atoms, bins: tuple[int, int, int]) -> np.ndarray:
    real = np.asarray(atoms.mask)
    if atoms.cell is None:
        return np.zeros(real.sum(), int)
    fraction = np.asarray(atoms.positions)[real] @ np.linalg.inv(np.asarray(atoms.cell))
    home = ((fraction - np.floor(fraction)) * bins).astype(int) % bins
    return _flat(home, bins)


def _flat(home, bins: tuple[int, int, int]):
    return (home[..., 0] * bins[1] + home[..., 1]) * bins[2] + home[..., 2]
