"""Structures of any size as stacks of few shapes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .atoms import Atoms
from .frame import LABELS, Frame, as_frames
from .graph import Graph
from .neighbours import Reaching, neighbours

_PLACES = 1000  # where sorted structures may be parted; the work grows with the square


class Labels(NamedTuple):
    """What is known of each structure of a batch, or whether it is.

    - `energy`: (structures,), eV, or booleans.
    - `forces`: (structures, atoms, 3), eV/Å, or (structures,) booleans.
    - `stress`: (structures, 3, 3), eV/Å³, or (structures,) booleans.
    - `magmoms`: (structures, atoms), μ_B, or (structures,) booleans.
    """

    energy: Float[Array, "b"] | Bool[Array, "b"]
    forces: Float[Array, "b n 3"] | Bool[Array, "b"]
    stress: Float[Array, "b 3 3"] | Bool[Array, "b"]
    magmoms: Float[Array, "b n"] | Bool[Array, "b"]


class Batch(eqx.Module):
    """Structures of one shape, stacked: what `batch` returns.

    - `atoms`, `graph`: every array with a leading axis over structures.
    - `labels`: their energies, forces, stresses and moments; zero where unknown.
    - `known`: which of these are known, a boolean per structure.
    - `index`: (structures,), their places in the list that was given; -1 for padding.
    """

    atoms: Atoms
    graph: Graph
    labels: Labels
    known: Labels
    index: Int[Array, "b"]


def batch(
    structures: Sequence[Atoms | Frame],
    cutoff: float | Reaching,
    *,
    angle_cutoff: float | None = None,
    buckets: int = 4,
    size: int | None = None,
) -> list[Batch]:
    """Pad structures to a few shapes and stack them, with their neighbours and labels.

    The shapes are those for which the edges and angles of padding are fewest.

    **Arguments:**

    - `structures`: `Atoms`, or frames with labels, in any order.
    - `cutoff`, `angle_cutoff`: Å, or a potential, as in `neighbours`.
    - `buckets`: the largest number of shapes, of crystals and of molecules each; every one is
        compiled once.
    - `size`: structures in a batch, of which the last of each shape is padded; `None` puts all
        structures of a shape into one.

    **Returns:** a list of `Batch`.

    **Raises:** `ValueError` for no structures, for labels that are not finite or have the wrong
    shape, naming the structure, and what `neighbours` raises.

    ```python
    batches = jsci.atoms.batch([salt, salt], 6.0)
    results = jax.vmap(f, (None, 0, 0))(params, batches[0].atoms, batches[0].graph)
    ```
    """
    frames = as_frames(structures)
    if not frames:
        raise ValueError("batch() got no structures.")
    for name, value in {"buckets": buckets, "size": 1 if size is None else size}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}.")
    graphs = [neighbours(frame.atoms, cutoff, angle_cutoff=angle_cutoff) for frame in frames]
    sizes = np.array(
        [
            (len(f.atoms.numbers), len(g.i), len(g.first))
            for f, g in zip(frames, graphs, strict=True)
        ]
    )
    periodic = np.array([frame.atoms.cell is not None for frame in frames])
    batches = []
    for kind in (True, False):
        for group in _groups(sizes, np.flatnonzero(periodic == kind), buckets):
            shape = sizes[group].max(axis=0)
            step = size or len(group)
            batches += [
                _stacked(frames, graphs, group[k : k + step], step, shape)
                for k in range(0, len(group), step)
            ]
    return batches


def _groups(sizes: np.ndarray, members: np.ndarray, most: int) -> list[np.ndarray]:
    """Split the members, sorted by work, where the padded work of all groups is the least."""
    if not len(members):
        return []
    work = sizes[members].sum(axis=1)
    members = members[np.argsort(work, kind="stable")]
    places = np.unique(np.linspace(0, len(members), _PLACES + 1).astype(int))
    peaks = np.maximum.reduceat(sizes[members], places[:-1])
    n = len(peaks)
    cost = np.full((n + 1, n + 1), np.inf)  # of one group from the first to before the second
    for begin in range(n):
        largest = np.maximum.accumulate(peaks[begin:], axis=0).sum(axis=1)
        cost[begin, begin + 1 :] = largest * (places[begin + 1 :] - places[begin])
    best, cuts = cost[0], []
    for _ in range(min(most, n) - 1):
        total = best[:, None] + cost
        cuts.append(np.argmin(total, axis=0))
        best = np.minimum(total.min(axis=0), best)
    ends = [n]
    for cut in reversed(cuts):
        ends.append(int(cut[ends[-1]]) if ends[-1] else 0)
    ends = places[sorted({0, *ends})]
    return [members[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]


def _stacked(frames, graphs, group: np.ndarray, size: int, shape: np.ndarray) -> Batch:
    ours = [_padded(frames[k].atoms, graphs[k], shape) for k in group]
    empty = [_emptied(*ours[0])] * (size - len(group))
    atoms, graph = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *ours, *empty)
    dtype, n = atoms.positions.dtype, int(shape[0])
    shapes = {"energy": (), "forces": (n, 3), "stress": (3, 3), "magmoms": (n,)}
    values = {name: np.zeros((size, *shapes[name])) for name in LABELS}
    known = {name: np.zeros(size, bool) for name in LABELS}
    for place, k in enumerate(group):
        for name in LABELS:
            if (value := getattr(frames[k], name)) is not None:
                where = (place, *(slice(m) for m in np.shape(value)))
                values[name][where], known[name][place] = value, True
    index = np.full(size, -1)
    index[: len(group)] = group
    return Batch(
        atoms,
        graph,
        Labels(**{name: jnp.asarray(value, dtype) for name, value in values.items()}),
        Labels(**{name: jnp.asarray(value) for name, value in known.items()}),
        jnp.asarray(index, jnp.int32),
    )


def _padded(atoms: Atoms, graph: Graph, shape: np.ndarray) -> tuple[Atoms, Graph]:
    """With arrays of NumPy: JAX would compile programs for every number of edges and angles."""
    n, e, a = (int(m) for m in shape)
    atoms, graph = jax.tree.map(np.asarray, (atoms, graph))
    own = np.arange(len(graph.i), e, dtype=graph.reverse.dtype)
    atoms = eqx.tree_at(
        lambda s: (s.positions, s.numbers),
        atoms,
        (_filled(atoms.positions, n), _filled(atoms.numbers, n)),
    )
    ends = [_filled(graph.i, e, n - 1), _filled(graph.j, e, n - 1)]
    edges = [_filled(graph.shift, e), _filled(graph.edge_mask, e)]
    reverse = np.concatenate([graph.reverse, own])
    angles = [_filled(x, a) for x in (graph.first, graph.second, graph.angle_mask)]
    return atoms, eqx.tree_at(
        lambda g: (g.i, g.j, g.shift, g.edge_mask, g.reverse, g.first, g.second, g.angle_mask),
        graph,
        (*ends, *edges, reverse, *angles),
    )


def _filled(values: Any, size: int, fill: int = 0) -> np.ndarray:
    """At the head of an array of this size, of which the rest is `fill`."""
    room = np.full((size, *values.shape[1:]), fill, values.dtype)
    room[: len(values)] = values
    return room


def _emptied(atoms: Atoms, graph: Graph) -> tuple[Atoms, Graph]:
    """A structure of the same shape in which everything is padding."""
    numbers = np.zeros_like(atoms.numbers)
    masks = (np.zeros_like(graph.edge_mask), np.zeros_like(graph.angle_mask))
    atoms = eqx.tree_at(lambda a: a.numbers, atoms, numbers)
    return atoms, eqx.tree_at(lambda g: (g.edge_mask, g.angle_mask), graph, masks)
