"""Values on a box of points, and the cube files that viewers of molecules read."""

import os
import pathlib

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._system.molecule import Molecule, check_one

# A box of points that are not evenly spaced differs by more than the rounding of their positions.
_UNEVEN = 1e-6


def cube(
    molecule: Molecule, *, spacing: float = 0.25, margin: float = 4.0
) -> Float[Array, "x y z 3"]:
    """Evenly spaced points in a box around a molecule.

    **Arguments:**

    - `molecule`: one molecule.
    - `spacing`: distance of neighbouring points in Bohr, at most.
    - `margin`: from the outermost nuclei to the faces of the box, in Bohr.

    **Returns:** positions in Bohr, for `density_at`, `orbitals_at`, `potential_at`, `write_cube`.

    **Raises:** `ValueError` for a batch, or lengths that are not positive.

    **Good values:** `spacing=0.25` for pictures; a margin of 6 for diffuse orbitals.

    ```python
    points = jsci.dft.cube(water, spacing=0.5, margin=3.0)
    ```
    """
    check_one(molecule, "cube(m)")
    if not (spacing > 0 and margin > 0):
        raise ValueError(f"spacing and margin are positive (Bohr), got {spacing} and {margin}.")
    atoms = np.asarray(molecule.coordinates)[np.asarray(molecule.atom_mask)]
    low, high = atoms.min(axis=0) - margin, atoms.max(axis=0) + margin
    axes = [
        np.linspace(a, b, int(np.ceil((b - a) / spacing)) + 1)
        for a, b in zip(low, high, strict=True)
    ]
    return jnp.asarray(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))


def write_cube(
    path: str | os.PathLike,
    molecule: Molecule,
    points: Float[Array, "x y z 3"],
    values: Float[Array, "x y z"],
    *,
    comment: str = "",
) -> None:
    """Write values on a box of points to a Gaussian cube file.

    **Arguments:**

    - `path`: of the file, which is replaced.
    - `molecule`: whose atoms are written too.
    - `points`: evenly spaced positions in Bohr, as of `cube`.
    - `values`: one at each point, as of `density_at`.
    - `comment`: the second line of the file.

    **Raises:** `ValueError` for a batch, for values of another shape, or for points that are not
    evenly spaced.

    ```python
    points = jsci.dft.cube(water, spacing=0.5)
    density = jsci.dft.density_at(water, result, points)
    jsci.dft.write_cube("density.cube", water, points, density)
    ```
    """
    check_one(molecule, "write_cube(path, m, points, values)")
    grid, on_grid = np.asarray(points), np.asarray(values)
    if grid.ndim != 4 or grid.shape[-1] != 3 or on_grid.shape != grid.shape[:-1]:
        raise ValueError(
            f"points of shape {grid.shape} and values of shape {on_grid.shape}: expected (x, y, z, "
            "3) and (x, y, z), as of cube() and density_at()."
        )
    steps = _steps(grid)
    real = np.asarray(molecule.atom_mask)
    numbers, charges, places = (
        np.asarray(x)[real]
        for x in (molecule.libcint.elements, molecule.charges, molecule.coordinates)
    )
    lines = ["jaxsci", comment.replace("\n", " "), _row(len(numbers), *grid[0, 0, 0])]
    lines += [_row(n, *step) for n, step in zip(on_grid.shape, steps, strict=True)]
    lines += [_row(z, q, *x) for z, q, x in zip(numbers, charges, places, strict=True)]
    for row in on_grid.reshape(-1, on_grid.shape[2]):
        texts = [f"{x:13.5E}" for x in row]
        lines += ["".join(texts[i : i + 6]) for i in range(0, len(texts), 6)]
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def _steps(grid: np.ndarray) -> np.ndarray:
    """From each point to the next along the three axes."""
    counts = np.maximum(np.array(grid.shape[:3]) - 1, 1)
    last = [grid[-1, 0, 0], grid[0, -1, 0], grid[0, 0, -1]]
    steps = (np.array(last) - grid[0, 0, 0]) / counts[:, None]
    even = grid[0, 0, 0] + np.moveaxis(np.indices(grid.shape[:3]), 0, -1) @ steps
    if abs(grid - even).max() > _UNEVEN:
        raise ValueError("the points are not evenly spaced along three axes, as those of cube().")
    return steps


def _row(count: int, *numbers: float) -> str:
    return f"{int(count):5d}" + "".join(f"{x:12.6f}" for x in numbers)
