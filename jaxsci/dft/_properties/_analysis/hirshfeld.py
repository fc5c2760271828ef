"""Charges by shares of the density at each point."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._scf.hamiltonian import on_grid
from ..._system.guess import atomic_density_of
from ..._system.molecule import Molecule
from ..._xc.features import DENSITY_CUTOFF
from ..moments import total_density
from .populations import Density


def hirshfeld_charges(molecule: Molecule, density_matrix: Density) -> Float[Array, " atoms"]:
    """Hirshfeld charges of the atoms: each has the share of the density of a free atom.

        q_A = Z_A - ∫ ρ(r) ρ°_A(r) / Σ_B ρ°_B(r) dr

    ρ°_A is the spherical density of the neutral atom, with fractional occupations by Hartree-Fock,
    in the basis functions of the molecule.

    **Arguments:**

    - `molecule`: one molecule.
    - `density_matrix`: P, of both spins together or of each, or the result of `scf`.

    **Returns:** charges in units of e, which add up to the molecule's within the error of the grid;
    zero for ghosts and for atoms that pad a batch.

    **Raises:** as `dipole`; `ValueError` for GTH pseudopotentials.

    **Notes:** they depend little on the basis, and are small.

    **Source:** Hirshfeld, Theor. Chim. Acta 44, 129 (1977).

    ```python
    jsci.dft.hirshfeld_charges(water, result)
    ```
    """
    total = total_density(molecule, density_matrix, "hirshfeld_charges")
    molecule.libcint.check_cores("hirshfeld_charges")
    free = atomic_density_of(
        molecule.libcint, molecule.coordinates, molecule.atom_mask, molecule.size
    )
    grid = on_grid(molecule, molecule.grid, "lda")
    rows = molecule.basis.to_rows(jnp.stack([total, free]))
    atom_of_row = molecule.basis.atom[molecule.basis.function]
    count = molecule.charges.shape[0]

    def of_block(orbitals, weights):
        chi = orbitals[0]
        density = jnp.sum(chi * (rows[0] @ chi), axis=0)
        of_atoms = jax.ops.segment_sum(chi * (rows[1] @ chi), atom_of_row, num_segments=count)
        of_atoms = jnp.maximum(of_atoms, 0)  # rounding far away
        all_atoms = jnp.sum(of_atoms, axis=0)
        share = of_atoms / jnp.where(all_atoms > DENSITY_CUTOFF, all_atoms, jnp.inf)[None]
        return share @ (weights * density)

    return molecule.charges - grid.sum(of_block)
