"""Meshes from files, by the package meshio: points, their quadrature weights and fields."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._fields.mesh_weights import cell_weights
from ._files.container import needed

# Splittings of each cell into simplices, all that are equally good: none is preferred.
_SPLITTINGS = {
    "line": [[(0, 1)]],
    "triangle": [[(0, 1, 2)]],
    "quad": [[(0, 1, 2), (0, 2, 3)], [(0, 1, 3), (1, 2, 3)]],
    "tetra": [[(0, 1, 2, 3)]],
    "hexahedron": [
        [(0, 1, 3, 4), (1, 2, 3, 6), (1, 4, 5, 6), (3, 4, 6, 7), (1, 3, 4, 6)],
        [(0, 1, 2, 5), (0, 2, 3, 7), (0, 4, 5, 7), (2, 5, 6, 7), (0, 2, 5, 7)],
    ],
}


class Mesh(NamedTuple):
    """What an operator on points needs of a mesh; `read_mesh` makes it.

    - `points`: `(n, dim)`.
    - `weights`: quadrature weights `(n,)`, whose sum is the volume of the mesh.
    - `fields`: fields at the points, `(n, channels)` each, by their names in the file.
    """

    points: Float[np.ndarray, "n dim"]
    weights: Float[np.ndarray, " n"]
    fields: dict[str, Float[np.ndarray, "n channels"]]


def read_mesh(path: str | Path) -> Mesh:
    """Read a mesh of VTK, Gmsh, Abaqus, Exodus, STL or another format that meshio knows.

    The weights are those of `cell_weights`, of the cells of highest dimension: the boundary's own
    do not count. An axis along which all coordinates are equal, as z of a plane mesh, is left out.

    **Arguments:**

    - `path`: of the file.

    **Returns:** a `Mesh`.

    **Raises:** `ImportError` without meshio (the extra `files`); `ValueError` for a file that it
    cannot read or cells of another kind than lines, triangles, quadrilaterals, tetrahedra and
    hexahedra with vertices at their corners alone.

    ```python
    try:
        mesh = jsci.operators.data.read_mesh("pipe.msh")
    except (ImportError, ValueError) as error:
        print(error)  # without meshio, or without the file
    ```
    """
    meshio = needed("meshio", Path(path))
    try:
        mesh = meshio.read(path)
    except (Exception, SystemExit) as error:  # meshio exits where no reader succeeds
        raise ValueError(f"{path} cannot be read by meshio ({error}).") from error
    points = np.asarray(mesh.points, float)
    varies = np.ptp(points, axis=0) > 0 if len(points) else np.zeros(points.shape[1], bool)
    points = points[:, varies]
    weights = _weights(points, [(block.type, block.data, block.dim) for block in mesh.cells], path)
    fields = {name: np.asarray(v).reshape(len(points), -1) for name, v in mesh.point_data.items()}
    return Mesh(points, weights, fields)


def _weights(points, blocks, path):
    highest = max((dim for *_, dim in blocks), default=0)
    kept = [(kind, cells) for kind, cells, dim in blocks if dim == highest]
    unknown = sorted({kind for kind, _ in kept} - set(_SPLITTINGS))
    if unknown or not kept:
        raise ValueError(
            f"{path} has cells of {unknown or 'no kind'}; read_mesh() knows {list(_SPLITTINGS)}. "
            "Convert them, such as second-order elements to linear ones, or make weights by "
            "point_weights()."
        )
    total = np.zeros(len(points))
    for kind, cells in kept:
        ways = _SPLITTINGS[kind]
        for way in ways:
            simplices = np.asarray(cells)[:, np.array(way)].reshape(-1, len(way[0]))
            total += cell_weights(points, simplices) / len(ways)
    return total
