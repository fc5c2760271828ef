"""How grid and nuclei change the energy at a fixed density matrix, to second order."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._scf.hamiltonian import Operators, on_grid
from ..._scf.kohn_sham import Density, xc_energy
from ..._system.molecule import Molecule
from ..._xc import Functional
from ..nuclei import energy_of_nuclei, moved
from .block_slopes import OwnedBlocks, slopes_by_block


class GridSlopes(NamedTuple):
    """Derivatives of E_xc + E_nuc in the positions R of the nuclei and the density matrix P.

    - `gradient`, `hessian`: ∂E/∂R and ∂²E/∂R∂R.
    - `potential`: ∂²E/∂R∂P.
    """

    gradient: Float[Array, "atoms 3"]
    hessian: Float[Array, "atoms 3 atoms 3"]
    potential: Float[Array, "atoms 3 spins nao nao"]


def grid_slopes(
    molecule: Molecule,
    functional: Functional,
    params: Any,
    ops: Operators,
    density: Density,
    blocks: OwnedBlocks,
) -> GridSlopes:
    """The response of the points and weights to the nuclei included."""

    def nuclei(coordinates, _):
        return energy_of_nuclei(moved(molecule, coordinates), functional)

    def on_whole_grid(coordinates, density):
        there = moved(molecule, coordinates)
        at = dataclasses.replace(ops, quadrature=on_grid(there, there.grid, functional.level))
        return xc_energy(functional, params, at, density)

    found = differentiated(nuclei, molecule.coordinates, density)
    if not functional.on_grid:
        return found
    if functional.nonlocal_terms or functional.level == "laplacian":
        of_grid = differentiated(on_whole_grid, molecule.coordinates, density)
    else:
        of_grid = slopes_by_block(molecule, functional, params, density, blocks)
    return GridSlopes(*map(jnp.add, found, of_grid))


def differentiated(
    energy: Callable[[Array, Density], Array], x: Float[Array, "atoms 3"], density: Density
) -> GridSlopes:
    """Of any energy(R, P), one coordinate after the other."""

    def slopes(x):
        return jax.grad(energy, argnums=(0, 1))(x, density)

    (gradient, _), product = jax.linearize(slopes, x)
    second, potential = jax.lax.map(product, jnp.eye(x.size).reshape(-1, *x.shape))
    potential = 0.5 * (potential + potential.swapaxes(-1, -2))
    second = second.reshape(*x.shape, *x.shape)
    return GridSlopes(gradient, second, potential.reshape(*x.shape, *density.shape))
