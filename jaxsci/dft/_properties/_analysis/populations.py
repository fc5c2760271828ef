"""Charges, spins and bonds by the basis functions that belong to each atom."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._basis.matrix_functions import square_root
from ..._scf.result import SCFResult, density_of
from ..._system.molecule import Molecule
from ..._xc.density import both_spins
from ..moments import total_density

Density = Float[Array, "*spin nao nao"] | SCFResult


def loewdin_charges(molecule: Molecule, density_matrix: Density) -> Float[Array, " atoms"]:
    """Löwdin charges of the atoms: populations of symmetrically orthogonalised basis functions.

        q_A = Z_A - Σ_{i on A} (S^½ P S^½)_ii

    **Arguments:**

    - `molecule`: one molecule.
    - `density_matrix`: P, of both spins together or of each, or the result of `scf`.

    **Returns:** charges in units of e, which add up to the molecule's; zero for atoms that pad a
    batch.

    **Raises:** as `dipole`.

    **Notes:** they depend less on the basis than Mulliken's, and change as a molecule turns if its
    basis functions are Cartesian.

    **Source:** Löwdin, J. Chem. Phys. 18, 365 (1950).

    ```python
    jsci.dft.loewdin_charges(water, result)
    ```
    """
    total = total_density(molecule, density_matrix, "loewdin_charges")
    root = square_root(molecule.overlap)
    return molecule.charges - _by_atom(molecule, jnp.sum((root @ total) * root, axis=1))


def spin_populations(molecule: Molecule, density_matrix: Density) -> Float[Array, " atoms"]:
    """Mulliken spin populations of the atoms: their α electrons less their β electrons.

        s_A = Σ_{i on A} ((P_α - P_β) S)_ii

    **Arguments:**

    - `molecule`: one molecule.
    - `density_matrix`: P of α and β, or the result of `scf`; of both spins together it has none.

    **Returns:** spins in units of ħ/2, which add up to N_α - N_β.

    **Raises:** as `dipole`.

    **Source:** Mulliken, J. Chem. Phys. 23, 1833 (1955).

    ```python
    jsci.dft.spin_populations(h, jsci.dft.scf(h, pbe))
    ```
    """
    a, b = _spins(molecule, density_matrix, "spin_populations")
    return _by_atom(molecule, jnp.sum((a - b) * molecule.overlap, axis=1))


def mayer_bond_orders(molecule: Molecule, density_matrix: Density) -> Float[Array, "atoms atoms"]:
    """Mayer's bond orders between all atoms.

        B_AB = 2 Σ_σ Σ_{i on A, j on B} (P_σ S)_ij (P_σ S)_ji

    **Arguments:**

    - `molecule`: one molecule.
    - `density_matrix`: P, of both spins together or of each, or the result of `scf`.

    **Returns:** a symmetric matrix; about 1, 2 and 3 for single, double and triple bonds, zero on
    the diagonal.

    **Raises:** as `dipole`.

    **Notes:** they mean little in diffuse basis sets.

    **Source:** Mayer, Chem. Phys. Lett. 97, 270 (1983); Int. J. Quantum Chem. 29, 477 (1986) for
    open shells.

    ```python
    jsci.dft.mayer_bond_orders(water, result)[0, 1]  # of the first O-H bond
    ```
    """
    spins = _spins(molecule, density_matrix, "mayer_bond_orders") @ molecule.overlap
    return _bonds(molecule, 2 * jnp.sum(spins * spins.transpose(0, 2, 1), axis=0))


def wiberg_bond_orders(molecule: Molecule, density_matrix: Density) -> Float[Array, "atoms atoms"]:
    """Wiberg's bond orders between all atoms, in Löwdin's orthogonal functions.

        W_AB = 2 Σ_σ Σ_{i on A, j on B} (S^½ P_σ S^½)_ij²

    **Arguments:**

    - `molecule`: one molecule.
    - `density_matrix`: P, of both spins together or of each, or the result of `scf`.

    **Returns:** a symmetric matrix; about 1, 2 and 3 for single, double and triple bonds, zero on
    the diagonal.

    **Raises:** as `dipole`.

    **Source:** Wiberg, Tetrahedron 24, 1083 (1968).

    ```python
    jsci.dft.wiberg_bond_orders(water, result)[0, 1]  # of the first O-H bond
    ```
    """
    root = square_root(molecule.overlap)
    spins = root @ _spins(molecule, density_matrix, "wiberg_bond_orders") @ root
    return _bonds(molecule, 2 * jnp.sum(spins**2, axis=0))


def _spins(molecule: Molecule, density_matrix: Density, name: str) -> Float[Array, "2 nao nao"]:
    total = total_density(molecule, density_matrix, name)
    density = density_of(density_matrix)
    return both_spins(total[None]) if density.ndim == 2 else density


def _by_atom(molecule: Molecule, of_functions: Array) -> Array:
    """Summed over the functions of each atom, along the first axis."""
    count = molecule.charges.shape[0]
    return jax.ops.segment_sum(of_functions, molecule.basis.atom, num_segments=count)


def _bonds(molecule: Molecule, of_pairs: Array) -> Float[Array, "atoms atoms"]:
    summed = _by_atom(molecule, _by_atom(molecule, of_pairs).T)
    return jnp.where(jnp.eye(len(summed), dtype=bool), 0, summed)
