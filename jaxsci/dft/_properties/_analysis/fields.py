"""Density, orbitals and electrostatic potential at points in space."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._basis.functions import evaluate
from ..._basis.libcint import to_mole
from ..._scf.result import SCFResult
from ..._system.molecule import Molecule, check_one
from ..moments import total_density
from .populations import Density

# Points at once: bounds the memory at this times the number of basis functions.
_BLOCK = 4096
_POTENTIAL_BYTES = 1 << 28  # of ⟨i|1/r|j⟩ at several points


def density_at(
    molecule: Molecule, density_matrix: Density, points: Float[Array, "*points 3"]
) -> Float[Array, "*points"]:
    """The electron density at points in space.

        ρ(r) = Σ_ij P_ij χ_i(r) χ_j(r)

    **Arguments:**

    - `molecule`: one molecule.
    - `density_matrix`: P, of both spins together or of each, or the result of `scf`. That of α less
        that of β gives the spin density, and one of the `transition_densities` of `excitations` its
        transition density.
    - `points`: positions in Bohr, such as those of `cube`.

    **Returns:** ρ in Bohr⁻³, of the shape of the points.

    **Raises:** as `dipole`.

    ```python
    points = jsci.dft.cube(water, spacing=0.5)
    rho = jsci.dft.density_at(water, result, points)
    ```
    """
    total = total_density(molecule, density_matrix, "density_at", symmetric=False)
    return _at(points, lambda chi: jnp.sum(chi * (total @ chi), axis=0), molecule)


def orbitals_at(
    molecule: Molecule,
    orbitals: Float[Array, "nao *orbitals"],
    points: Float[Array, "*points 3"],
) -> Float[Array, "..."]:
    """Orbitals at points in space.

        φ_k(r) = Σ_i C_ik χ_i(r)

    **Arguments:**

    - `molecule`: one molecule.
    - `orbitals`: columns of coefficients, such as `result.orbitals[:, 3:5]`, or one column.
    - `points`: positions in Bohr, such as those of `cube`.

    **Returns:** φ in Bohr^(-3/2): the shape of the points, then an axis for the orbitals unless one
    column was given.

    **Raises:** `ValueError` for a batch, or coefficients of another number of basis functions;
    `TypeError` for the result of `scf`.

    ```python
    points = jsci.dft.cube(water, spacing=0.5)
    homo = jsci.dft.orbitals_at(water, result.orbitals[:, 4], points)
    ```
    """
    check_one(molecule, "orbitals_at(m, orbitals, points)")
    if isinstance(orbitals, SCFResult):
        raise TypeError(
            "orbitals_at() takes columns of coefficients, got the result of scf: which of its "
            "orbitals? result.orbitals[:, 4] is the fifth."
        )
    orbitals = jnp.asarray(orbitals)
    if orbitals.ndim not in (1, 2) or orbitals.shape[0] != molecule.size:
        raise ValueError(
            f"orbitals have shape {orbitals.shape}; allowed for this molecule are "
            f"({molecule.size},) and ({molecule.size}, k): one spin's result.orbitals, or columns."
        )
    return _at(points, lambda chi: chi.T @ orbitals, molecule)


def potential_at(
    molecule: Molecule, density_matrix: Density, points: Float[Array, "*points 3"]
) -> Float[Array, "*points"]:
    """The electrostatic potential of nuclei and electrons at points in space.

        V(r) = Σ_A Z_A/|r - R_A| - Σ_ij P_ij ∫ χ_i(r') χ_j(r')/|r - r'| dr'

    **Arguments:**

    - `molecule`: one molecule.
    - `density_matrix`: P, of both spins together or of each, or the result of `scf`.
    - `points`: positions in Bohr, such as those of `cube`; none at a nucleus.

    **Returns:** V in Hartree/e, of the shape of the points. It has no derivative.

    **Raises:** as `dipole`.

    ```python
    points = jsci.dft.cube(water, spacing=0.8)
    potential = jsci.dft.potential_at(water, result, points)
    ```
    """
    total = total_density(molecule, density_matrix, "potential_at")
    flat = jnp.asarray(points).reshape(-1, 3)
    difference = flat[:, None] - molecule.coordinates[None]
    distance = jnp.sqrt(jnp.sum(difference**2, axis=-1))
    charges = molecule.charges[None]
    nuclei = jnp.where(charges > 0, charges / distance, 0)
    electrons = jax.pure_callback(
        _electrons_potential,
        jax.ShapeDtypeStruct(flat.shape[:1], flat.dtype),
        molecule.libcint,
        molecule.coordinates,
        jnp.sum(molecule.atom_mask),
        total,
        flat,
        vmap_method="sequential",
    )
    return (jnp.sum(nuclei, axis=-1) - electrons).reshape(points.shape[:-1])


def _electrons_potential(tables, coordinates, atoms, density, points) -> np.ndarray:
    """Σ_ij P_ij ⟨i|1/|r - r'||j⟩ by libcint, some points at a time."""
    mol = to_mole(tables, np.asarray(coordinates), int(atoms))
    n, points = mol.nao_nr(), np.asarray(points)
    density = np.asarray(density)[:n, :n]
    block = max(1, _POTENTIAL_BYTES // (8 * n * n))
    parts = [
        np.einsum("gij,ij->g", mol.intor("int1e_grids", grids=points[i : i + block]), density)
        for i in range(0, len(points), block)
    ]
    return np.concatenate([np.zeros(0), *parts])


def _at(points: Array, f: Callable[[Array], Array], molecule: Molecule) -> Array:
    """`f(χ)` of the basis functions (functions, points) at all points, block by block."""
    points = jnp.asarray(points)
    flat = points.reshape(-1, 3)
    block = max(1, min(_BLOCK, len(flat)))
    filled = jnp.pad(flat, ((0, -len(flat) % block), (0, 0)))

    def of_block(x):
        chi = evaluate(molecule.basis, molecule.coordinates, x, gradient=False)[0]
        # Rows that pad a batch repeat other functions.
        return f(jnp.where(molecule.basis_mask[:, None], chi, 0))

    found = jax.lax.map(of_block, filled.reshape(-1, block, 3))
    found = found.reshape(-1, *found.shape[2:])[: len(flat)]
    return found.reshape(*points.shape[:-1], *found.shape[1:])
