"""The slopes of ∫ e_xc in the nuclei and the density matrix, in one pass over the grid."""

from typing import Any

import jax
from jaxtyping import Array, Float

from .._basis.grid import Grid, points_and_weights
from .._basis.quadrature import block_size, rows_at, sum_of_blocks
from .._scf.kohn_sham import Density, block_energy
from .._system.molecule import Molecule
from .._xc import Functional


def xc_slopes(
    molecule: Molecule, functional: Functional, params: Any, density: Density
) -> tuple[Float[Array, ""], Float[Array, "atoms 3"], Density]:
    """E_xc, ∂E_xc/∂R and ∂E_xc/∂P, points, weights and basis functions moving with the nuclei.

    Each block of points is differentiated by itself: its numbers stay in the cache, those between
    all atoms for Becke's weights too.
    """
    basis, grid = molecule.basis, molecule.grid
    density = basis.to_rows(density)
    block = block_size(basis.rows, grid)
    padded = grid.filled_up(-grid.size % block)
    arrays = padded.displacement, padded.owner, padded.quadrature
    blocks = tuple(x.reshape(-1, block, *x.shape[1:]) for x in arrays)

    def energy(coordinates, density, block):
        displacement, owner, weights = block
        part = Grid(displacement, owner, weights, grid.size_adjustment)
        points, weights = points_and_weights(part, coordinates, molecule.atom_mask)
        at = basis.shells, basis.cartesian, coordinates, points, functional.level
        return block_energy(functional, params, rows_at(*at), weights, density)

    def slopes(block):
        return jax.value_and_grad(energy, argnums=(0, 1))(molecule.coordinates, density, block)

    value, (by_position, potential) = sum_of_blocks(slopes, blocks, padded.quadrature)
    potential = basis.from_rows(potential)
    return value, by_position, 0.5 * (potential + potential.transpose(0, 2, 1))
