"""Triangles that form one surface, checked on the host."""

from typing import NamedTuple

import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int, Shaped
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


class Triangles(NamedTuple):
    """A surface without its shape.

    - `faces`: (f, 3).
    - `edges`: each once, with the smaller vertex first, (e, 2).
    - `opposite`: at `[face, corner]` the edge that does not touch the corner, (f, 3).
    """

    faces: Int[np.ndarray, "f 3"]
    edges: Int[np.ndarray, "e 2"]
    opposite: Int[np.ndarray, "f 3"]


def triangles(faces: Shaped[Array | np.ndarray, "..."], count: int) -> Triangles:
    """The edges of a mesh of `count` vertices, which must be one manifold, with a boundary or not.

    **Arguments:**

    - `faces`: the vertices of each triangle, (f, 3), from 0.
    - `count`: of vertices.

    **Returns:** `Triangles`.

    **Raises:** `ValueError` for faces of another shape, vertices that are not there or in no face,
    a face with a vertex twice, faces of the same vertices, and a mesh that is not manifold or not
    connected; `TypeError` for faces that are not integers, or traced.
    """
    faces = _checked(faces, count)
    sides = np.sort(faces[:, [[1, 2], [2, 0], [0, 1]]], axis=2)
    edges, opposite, uses = np.unique(
        sides.reshape(-1, 2), axis=0, return_inverse=True, return_counts=True
    )
    if (uses > 2).any():
        raise ValueError(
            f"The mesh is not manifold: {uses.max()} faces share the edge {edges[uses.argmax()]}."
        )
    found = Triangles(faces, edges, opposite.reshape(faces.shape))
    ends = coo_array((np.ones(len(edges)), edges.T), (count, count))
    if (parts := connected_components(ends)[0]) > 1:
        raise ValueError(
            f"The mesh must be connected, got {parts} parts. Take one, or the largest, by "
            "scipy.sparse.csgraph.connected_components."
        )
    _check_fans(found, count)
    return found


def _checked(faces, count):
    if isinstance(faces, Tracer):
        raise TypeError("faces are sorted before anything is computed: they cannot be traced.")
    faces = np.asarray(faces)
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
        raise ValueError(f"faces must be triangles, (f, 3), got {faces.shape}.")
    if not np.issubdtype(faces.dtype, np.integer):
        raise TypeError(f"faces must be integers, got {faces.dtype}.")
    if faces.min() < 0 or faces.max() >= count:
        raise ValueError(
            f"faces must name vertices 0 to {count - 1}, got {faces.min()} to {faces.max()}."
        )
    twice = np.flatnonzero((faces == np.roll(faces, 1, axis=1)).any(1))
    if twice.size:
        raise ValueError(f"Face {twice[0]} has a vertex twice: {faces[twice[0]]}. Leave it out.")
    if len(np.unique(np.sort(faces, 1), axis=0)) < len(faces):
        raise ValueError("Several faces have the same vertices: leave repeated ones out.")
    alone = np.setdiff1d(np.arange(count), faces)
    if alone.size:
        raise ValueError(
            f"Vertex {alone[0]} is in no face ({alone.size} of {count} are in none). Leave them "
            "out and renumber the faces."
        )
    return faces


def _check_fans(found, count):
    """The faces around each vertex are one fan: corners that share an edge, linked."""
    faces, edges, opposite = found
    # Corners by edge: each side of a face has two ends, of which corners are the other two.
    corner = np.arange(faces.size).reshape(faces.shape)
    ends = np.stack([np.roll(corner, -1, axis=1), np.roll(corner, -2, axis=1)], axis=2)
    edge = np.repeat(opposite.ravel(), 2)
    key = edge * count + faces.ravel()[ends.ravel()]
    order = np.argsort(key, kind="stable")
    same = key[order[1:]] == key[order[:-1]]
    ends = ends.ravel()[order]
    links = ends[:-1][same], ends[1:][same]
    graph = coo_array((np.ones(len(links[0])), links), (faces.size, faces.size))
    fan = connected_components(graph)[1]
    fans = np.bincount(faces.ravel()[np.unique(fan, return_index=True)[1]], minlength=count)
    if (fans > 1).any():
        raise ValueError(
            f"The mesh is not manifold: it only touches itself at vertex {fans.argmax()}. Give "
            "each side a vertex of its own."
        )
