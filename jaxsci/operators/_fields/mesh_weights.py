"""Quadrature weights of scattered points, from the cells of a mesh or from the points alone."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Array, Float, Shaped
from scipy.spatial import KDTree

AnyArray = Array | np.ndarray

_PROBES = 64  # points per Voronoi cell by which its volume is counted
_AT_ONCE = 2**20


def cell_weights(
    points: Shaped[AnyArray, "..."], cells: Shaped[AnyArray, "..."]
) -> Float[np.ndarray, " n"]:
    """Quadrature weights of the vertices of a mesh: each cell gives its vertices equal parts.

        wⱼ = Σ_{cells c ∋ j} |c| / (number of vertices of c)

    On simplices Σⱼ wⱼ f(xⱼ) is the integral of the function that is f at the vertices and linear
    in between: exact for linear functions, of second order for smooth ones.

    **Arguments:**

    - `points`: the vertices `(n, dim)`.
    - `cells`: numbers of the vertices of each simplex, `(cells, k)`, k <= dim + 1: segments (2),
        triangles (3), also on a surface in space, or tetrahedra (4), in any orientation.

    **Returns:** the weights `(n,)`, in the unit of the points to the power k - 1; zero for points
    of no cell. Their sum is the volume of the mesh.

    **Raises:** `ValueError` for cells that are no simplices of these points or occur twice, and for
    points that are not finite; `TypeError` for points that are not real numbers.

    **Notes:** split quadrilaterals and hexahedra into simplices, as `data.read_mesh` does.

    ```python
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    w = jsci.operators.cell_weights(corners, np.array([[0, 1, 2], [0, 2, 3]]))  # sum 1
    ```
    """
    x, c = _points(points, "cell_weights"), np.asarray(cells)
    if c.ndim != 2 or c.dtype.kind not in "iu" or not 2 <= c.shape[1] <= x.shape[1] + 1:
        raise ValueError(
            "cell_weights() takes simplices of the points, integers (cells, k) with k from 2 to "
            f"{x.shape[1] + 1} in {x.shape[1]} dimensions; got shape {c.shape} of {c.dtype}."
        )
    if not c.size or c.min() < 0 or c.max() >= len(x):
        reach = f"vertices {c.min()} to {c.max()}" if c.size else "no cell"
        raise ValueError(f"cell_weights() got {len(x)} points and {reach}.")
    vertices = np.sort(c, 1)
    twice = (np.diff(vertices, axis=1) == 0).any(1)
    if twice.any():
        raise ValueError(f"cell_weights(): cell {c[twice][0]} has a vertex twice.")
    vertices = vertices[np.lexsort(vertices.T)]
    again = (np.diff(vertices, axis=0) == 0).all(1)
    if again.any():
        raise ValueError(
            f"cell_weights(): {again.sum()} cells occur again, such as {vertices[1:][again][0]}, "
            "and would count twice. Some formats list a cell once for each group that it is in."
        )
    sides = x[c[:, 1:]] - x[c[:, :1]]
    # Not by a Gram determinant, whose square root has half the digits: flat cells would be noise.
    volume = np.linalg.svd(sides, compute_uv=False).prod(-1) / math.factorial(c.shape[1] - 1)
    share = np.repeat(volume / c.shape[1], c.shape[1])
    return np.bincount(c.ravel(), share, len(x))


def point_weights(
    points: Shaped[AnyArray, "..."],
    inside: Callable[[Float[np.ndarray, "m dim"]], np.ndarray] | None = None,
    *,
    low: Sequence[float] | float = 0.0,
    high: Sequence[float] | float = 1.0,
) -> Float[np.ndarray, " n"]:
    """Quadrature weights of points without a mesh: the volumes of their Voronoi cells.

        wⱼ = |{x in the domain: no other point is nearer to x than xⱼ}|

    Counted on a fine uniform grid, some 64 of whose points lie in a cell.

    **Arguments:**

    - `points`: `(n, dim)`, in one to three dimensions.
    - `inside`: whether points `(m, dim)` are in the domain, as `m` truth values; by default all of
        the box is.
    - `low`, `high`: ends of a box that holds the domain, one number or one per axis.

    **Returns:** the weights `(n,)`, in the unit of volume. Their sum is that of the domain.

    **Raises:** `ValueError` for points that are not finite or lie outside the box, and a domain
    that is empty; `TypeError` for points that are not real numbers.

    **Notes:** of second order in the spacing for smooth functions where cells are round. Of points
    that coincide, one has the weight of all. With a mesh take `cell_weights`.

    ```python
    points = np.random.default_rng(0).random((50, 2))
    w = jsci.operators.point_weights(points)  # sum 1
    ```
    """
    x = _points(points, "point_weights")
    dim = x.shape[1]
    a, b = (np.broadcast_to(np.asarray(v, float), (dim,)) for v in (low, high))
    if not (dim <= 3 and np.isfinite([a, b]).all() and (b > a).all()):
        raise ValueError(
            f"point_weights() needs one to three dimensions and a box low < high; got {dim} and "
            f"{low!r} to {high!r}."
        )
    contains = (lambda z: np.ones(len(z), bool)) if inside is None else inside
    # The points of the boundary belong to the domain, whatever `inside` says of them.
    beyond = ((x < a - 1e-6 * (b - a)) | (x > b + 1e-6 * (b - a))).any(1)
    if beyond.any():
        raise ValueError(
            f"point_weights(): {beyond.sum()} points, such as {x[beyond][0]}, are outside the box "
            f"from {a} to {b}."
        )
    cell = (np.prod(b - a) / (_PROBES * len(x))) ** (1 / dim)
    counts = np.maximum(np.ceil((b - a) / cell), 8).astype(int)
    tree, weights = KDTree(x), np.zeros(len(x))
    for start in range(0, int(np.prod(counts)), _AT_ONCE):
        number = np.arange(start, min(start + _AT_ONCE, int(np.prod(counts))))
        z = a + (np.stack(np.unravel_index(number, counts), -1) + 0.5) / counts * (b - a)
        z = z[_truth(contains(z), len(z))]
        weights += np.bincount(tree.query(z)[1], minlength=len(x))
    if not weights.any():
        raise ValueError("point_weights(): no part of the box is inside the domain.")
    return weights * (np.prod(b - a) / np.prod(counts))


def _points(points, name: str) -> np.ndarray:
    if np.asarray(points).dtype.kind not in "fiu":
        raise TypeError(f"{name}() takes real points, got {np.asarray(points).dtype}.")
    x = np.asarray(points, float)
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise ValueError(f"{name}() takes finite points (n, dim); got shape {x.shape}.")
    return x


def _truth(values, count: int) -> np.ndarray:
    found = np.asarray(values)
    if found.shape != (count,) or found.dtype != bool:
        raise ValueError(
            f"inside(points) must return one truth value for each of {count} points; got shape "
            f"{found.shape} of {found.dtype}."
        )
    return found
