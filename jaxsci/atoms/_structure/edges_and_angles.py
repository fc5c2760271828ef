"""What follows from a list of edges: reverse edges and angles, in NumPy or in JAX."""

from types import ModuleType
from typing import Any


def reverse_edges(xp: ModuleType, i: Any, j: Any, shift: Any) -> Any:
    """The edge (j, i, -S) of each edge (i, j, S).

    Sorting the edges by their own keys and by those of their reverses pairs them up. An edge that
    is padding has to be its own reverse: i = j and S = 0.
    """
    own = xp.lexsort((*shift.T[::-1], j, i))
    other = xp.lexsort((*-shift.T[::-1], i, j))
    if xp.__name__ == "numpy":
        reverse = xp.empty_like(own)
        reverse[other] = own
        return reverse
    return xp.zeros_like(own).at[other].set(own)


def angle_pairs(xp: ModuleType, i: Any, near: Any, atoms: int, size: int) -> tuple[Any, Any, Any]:
    """Ordered pairs of different edges of one atom, of those that are near; sorted by the first.

    `i` is sorted and `size` is the room for pairs. Returns first, second, and the true number.
    """
    place = xp.cumsum(near) - near  # of an edge among the near ones
    degree = _add_at(xp, xp.zeros(atoms, int), i, near)
    begin = xp.cumsum(degree) - degree  # of an atom's edges among the near ones
    edges = _add_at(xp, xp.zeros(len(i) + 1, int), xp.where(near, place, len(i)), xp.arange(len(i)))
    others = xp.where(near, degree[i] - 1, 0)  # how many angles an edge is the first of
    total = xp.sum(others)
    ends = xp.cumsum(others)
    k = xp.arange(size)
    first = xp.clip(xp.searchsorted(ends, k, side="right"), 0, max(len(i) - 1, 0))
    if len(i) == 0:
        return k * 0, k * 0, total
    rank = k - (ends - others)[first]
    own = (place - begin[i])[first]
    rank = xp.where(rank >= own, rank + 1, rank)  # an edge makes no angle with itself
    second = edges[xp.clip(begin[i[first]] + rank, 0, len(i))]
    real = k < total
    return xp.where(real, first, 0), xp.where(real, second, 0), total


def _add_at(xp: ModuleType, zeros: Any, where: Any, values: Any) -> Any:
    if xp.__name__ == "numpy":
        xp.add.at(zeros, where, values)
        return zeros
    return zeros.at[where].add(values.astype(zeros.dtype))
