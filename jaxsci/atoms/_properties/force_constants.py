"""Second derivatives of the energy between the atoms of a crystal."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .._structure.atoms import Atoms, moved, require_atoms
from .._structure.graph import Graph
from .._structure.neighbours import Reaching, neighbours
from .properties import Properties
from .supercell import nearest_images, repeated

_COLUMNS = 12  # derivatives that are taken at once


class ForceConstants(eqx.Module):
    """What `force_constants` returns.

    - `atoms`: the cell.
    - `values`: (atoms, cells, atoms, 3, 3), eV/Å²: between an atom of the first cell and one of
        each cell of the supercell.
    - `cells`: (cells, 3), the lattice vectors of these cells in whole numbers.
    - `pairs`: (images, 3), atom, cell, atom of every nearest image.
    - `lattice`: (images, 3), the lattice vector of the image.
    - `weights`: (images,), one, shared where several images are equally near.
    """

    atoms: Atoms
    values: Float[Array, "n cells n 3 3"]
    cells: Int[Array, "cells 3"]
    pairs: Int[Array, "images 3"]
    lattice: Int[Array, "images 3"]
    weights: Float[Array, "images"]


def force_constants(
    f: Callable[..., Properties],
    params: PyTree,
    atoms: Atoms,
    cutoff: float | Reaching,
    *,
    angle_cutoff: float | None = None,
    supercell: tuple[int, int, int] = (2, 2, 2),
    displacement: float | None = None,
) -> ForceConstants:
    """The force constants of a crystal: second derivatives of the energy in a supercell.

        Φ_ij = d²E / dR_i dR_j

    **Arguments:**

    - `f`: `f(params, atoms, graph)`, of `properties`.
    - `params`: its parameters.
    - `atoms`: one cell, relaxed: see `relax`.
    - `cutoff`, `angle_cutoff`: of the potential, Å, or the potential itself, as in `neighbours`.
    - `supercell`: repeats along each lattice vector.
    - `displacement`: Å, of central differences of the forces; `None` takes exact derivatives.

    **Returns:** `ForceConstants`, for `phonons`.

    **Raises:** `ValueError` for a molecule, fewer than one repeat, or a displacement that is not
    positive.

    **Notes:** exact derivatives are those of the function as it is. A potential with a cusp, such
    as CHGNet at straight angles, has others than one sees at a displacement of 0.01 Å.

    **Good values:** a supercell that is at least twice as wide as the potential reaches.

    ```python
    constants = jsci.atoms.force_constants(f, params, salt, 6.0, supercell=(1, 1, 1))
    ```
    """
    require_atoms(atoms, "force_constants")
    if atoms.cell is None:
        raise ValueError("force_constants() needs a crystal; a molecule has no lattice.")
    if min(supercell) < 1 or len(supercell) != 3:
        raise ValueError(f"supercell must have three repeats of at least 1, got {supercell}.")
    if displacement is not None and not displacement > 0:
        raise ValueError(f"displacement must be positive, in Å, got {displacement!r}.")
    big, cells = repeated(atoms, supercell)
    graph = neighbours(big, cutoff, angle_cutoff=angle_cutoff)
    values = -_slopes(f, params, big, graph, len(atoms.numbers), displacement)
    n = len(atoms.numbers)
    values = values.reshape(n, 3, len(cells), n, 3).transpose(0, 2, 3, 1, 4)
    rows = nearest_images(atoms, big, cells, supercell)
    pairs = np.array([row[:3] for row in rows], np.int32)
    lattice = np.array([row[3] for row in rows], np.int32)
    weights = np.array([row[4] for row in rows])
    return ForceConstants(
        atoms, values, jnp.asarray(cells, jnp.int32), jnp.asarray(pairs), jnp.asarray(lattice),
        jnp.asarray(weights, values.dtype),
    )  # fmt: skip


@eqx.filter_jit
def _slopes(
    f: Callable[..., Properties], params: PyTree, atoms: Atoms, graph: Graph, count: int, h: Any
) -> Array:
    """(3 count, atoms, 3): how the forces change with each coordinate of the first atoms."""

    def forces(positions):
        return f(params, moved(atoms, positions), graph).forces

    def column(index):
        direction = jnp.zeros(atoms.positions.size, atoms.positions.dtype).at[index].set(1.0)
        direction = direction.reshape(atoms.positions.shape)
        if h is None:
            return jax.jvp(forces, (atoms.positions,), (direction,))[1]
        ahead, behind = (forces(atoms.positions + s * h * direction) for s in (1, -1))
        return (ahead - behind) / (2 * h)

    return jax.lax.map(column, jnp.arange(3 * count), batch_size=_COLUMNS)
