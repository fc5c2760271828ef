"""Elastic constants."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._structure.atoms import Atoms, moved, strained
from .._structure.graph import Graph
from .._structure.units import EV_PER_CUBIC_ANGSTROM_IN_GPA
from .properties import Properties

_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_COLUMNS = 12  # derivatives that are taken at once


def elastic_constants(
    f: Callable[..., Properties],
    params: PyTree,
    atoms: Atoms,
    graph: Graph,
    *,
    relaxed: bool = True,
) -> Float[Array, "6 6"]:
    """The elastic constants of a crystal, with its atoms free to follow the strain.

        C = (1/V) (E_εε - E_εR E_RR⁻¹ E_Rε)

    The second term is what the atoms relax by, from one linear system: nothing is relaxed step by
    step.

    **Arguments:**

    - `f`: `f(params, atoms, graph)`, of `properties`.
    - `params`: its parameters.
    - `atoms`: one cell, relaxed with its cell.
    - `graph`: its neighbours.
    - `relaxed`: with the second term; without it, atoms move with the strain alone.

    **Returns:** (6, 6), GPa, in the order xx, yy, zz, yz, xz, xy, for engineering strains
    (γ_yz = 2 ε_yz).

    **Raises:** `ValueError` for a molecule.

    **Notes:** derivatives are with respect to the symmetric strain of `properties`. If stress is
    left, definitions of elastic constants differ by its components.

    ```python
    jsci.atoms.elastic_constants(f, params, salt, graph).shape
    ```
    """
    if atoms.cell is None:
        raise ValueError("elastic_constants() needs a crystal: a molecule has no volume.")
    second = _second_derivatives(f, params, atoms, graph)
    strains, mixed, positions = second[:6, :6], second[:6, 6:], second[6:, 6:]
    if relaxed:
        strains = strains - mixed @ _solve(positions, mixed.T, atoms)
    return EV_PER_CUBIC_ANGSTROM_IN_GPA / atoms.volume * 0.5 * (strains + strains.T)


@eqx.filter_jit
def _second_derivatives(
    f: Callable[..., Properties], params: PyTree, atoms: Atoms, graph: Graph
) -> Array:
    """Of the energy, by the six strains and then the positions."""
    units = np.zeros((6, 3, 3))
    for k, (a, b) in enumerate(_VOIGT):
        units[k, a, b] += 0.5
        units[k, b, a] += 0.5
    units = jnp.asarray(units, atoms.positions.dtype)

    def gradient(x):
        strain = jnp.einsum("k,kab->ab", x[:6], units)
        shifted = moved(atoms, atoms.positions + x[6:].reshape(-1, 3))
        there = strained(shifted, strain)
        found = f(params, there, graph)
        assert found.stress is not None
        deformation = jnp.eye(3, dtype=x.dtype) + strain
        # The stress is a derivative at the deformed crystal: back to the strain of the first one.
        pull = jnp.linalg.solve(deformation, there.volume * found.stress)
        by_strain = jnp.einsum("kab,ab->k", units, 0.5 * (pull + pull.T))
        return jnp.concatenate([by_strain, -(found.forces @ deformation).ravel()])

    origin = jnp.zeros(6 + atoms.positions.size, atoms.positions.dtype)

    def column(index):
        return jax.jvp(gradient, (origin,), (jnp.zeros_like(origin).at[index].set(1.0),))[1]

    return jax.lax.map(column, jnp.arange(len(origin)), batch_size=_COLUMNS)


def _solve(matrix: Array, right: Array, atoms: Atoms) -> Array:
    """Displacements that do not move the whole, nor padding."""
    real = jnp.repeat(atoms.mask, 3).astype(matrix.dtype)
    whole = jnp.tile(jnp.eye(3, dtype=matrix.dtype), (len(atoms.numbers), 1)) * real[:, None]
    # The stiffness that the whole is given does not matter; a lone atom has none of its own.
    scale = (1.0 + jnp.max(jnp.abs(matrix))) / jnp.sum(atoms.mask)
    return jnp.linalg.solve(matrix + scale * whole @ whole.T + jnp.diag(1 - real), right)
