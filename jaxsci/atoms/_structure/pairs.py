"""Pairs of atoms within a cutoff, exact for any cell: on the host, by vesin or SciPy."""

import itertools

import numpy as np
from scipy.spatial import KDTree

from .atoms import heights

# Lists are searched a little beyond the cutoff and then cut here, by one rule for both libraries.
_SLACK = 1e-6


def pairs(
    positions: np.ndarray, cell: np.ndarray | None, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`i`, `j` and `shift` of all ordered pairs closer than the cutoff, sorted by these."""
    if len(positions) == 0:
        return np.zeros(0, int), np.zeros(0, int), np.zeros((0, 3), int)
    positions = np.asarray(positions, float)
    try:
        import vesin
    except ImportError:
        vesin = None
    search = _by_tree if vesin is None else _by_vesin
    i, j, shift = search(positions, cell, cutoff + _SLACK)
    vectors = positions[j] - positions[i]
    if cell is not None:
        vectors = vectors + shift @ cell
    kept = np.sum(vectors**2, axis=1) < cutoff**2
    i, j, shift = i[kept], j[kept], shift[kept]
    order = np.lexsort((*shift.T[::-1], j, i))
    return i[order], j[order], shift[order]


def _by_vesin(positions, cell, cutoff):
    from vesin import NeighborList

    box, periodic = (np.zeros((3, 3)), False) if cell is None else (cell, True)
    search = NeighborList(cutoff=cutoff, full_list=True)
    i, j, shift = search.compute(positions, box, periodic, "ijS")
    return i.astype(int), j.astype(int), shift.astype(int)


def _by_tree(positions, cell, cutoff):
    """A tree of all images that may be near the cell, asked for those near its atoms."""
    if cell is None:
        home, image, offset = positions, np.zeros((1, 3), int), np.zeros_like(positions, int)
    else:
        fraction = positions @ np.linalg.inv(cell)
        offset = np.floor(fraction).astype(int)
        home = positions - offset @ cell
        reach = np.ceil(cutoff / heights(cell)).astype(int)
        image = np.array(list(itertools.product(*(range(-r, r + 1) for r in reach))))
    shifts = image if cell is None else image @ cell
    everywhere = (home[None] + shifts[:, None]).reshape(-1, 3)
    near = KDTree(home).sparse_distance_matrix(KDTree(everywhere), cutoff, output_type="ndarray")
    i, (which, j) = near["i"], np.divmod(near["j"], len(positions))
    shift = image[which]
    other = (i != j) | shift.any(axis=1)
    i, j, shift = i[other], j[other], shift[other]
    return i, j, shift + offset[i] - offset[j]
