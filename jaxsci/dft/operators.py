"""What the energy of a density needs of a molecule, made once before the iterations."""

import equinox as eqx
import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jaxtyping import Array, Bool, Float

from . import basis, grid
from .long_range import LongRange
from .molecule import Molecule


class Operators(eqx.Module):
    """A molecule's integrals, with its basis functions and weights on the grid.

    **Arguments:**

    - `orthogonaliser`: X with Xᵀ S X = 1.
    - `core_hamiltonian`, `repulsion`, `fit`, `long_range`: as in `Molecule`.
    - `orbitals`: values of the basis functions at the points, and with gradient-dependent
        functionals their x, y, z derivatives; then, of level "laplacian", their Laplacians.
    - `weights`: of the points, in Bohr³.
    - `nuclear_repulsion`: in Hartree.
    - `points`, `coordinates`, `charges`, `atom_mask`, `extras`: for functionals that are not local.
    """

    orthogonaliser: Float[Array, "nao nao"]
    core_hamiltonian: Float[Array, "nao nao"]
    repulsion: Float[Array, "pairs pairs"] | None
    fit: Float[Array, "auxiliary pairs"] | None
    long_range: LongRange | None
    orbitals: Float[Array, "components nao points"]
    weights: Float[Array, " points"]
    nuclear_repulsion: Float[Array, ""]
    points: Float[Array, "points 3"]
    coordinates: Float[Array, "atoms 3"]
    charges: Float[Array, " atoms"]
    atom_mask: Bool[Array, " atoms"]
    extras: dict[str, Array]


def operators(molecule: Molecule, level: str) -> Operators:
    """The operators of a molecule for a functional of this level, one of `features.LEVELS`."""
    points, weights = grid.points_and_weights(
        molecule.grid, molecule.coordinates, molecule.atom_mask
    )
    orbitals = basis.evaluate(molecule.basis, molecule.coordinates, points, gradient=level != "lda")
    if level == "laplacian":
        second = basis.laplacians(molecule.basis, molecule.coordinates, points)
        orbitals = jnp.concatenate([orbitals, second[None]])
    return Operators(
        orthogonaliser=orthogonaliser(molecule.overlap),
        core_hamiltonian=molecule.core_hamiltonian,
        repulsion=molecule.repulsion,
        fit=molecule.fit,
        long_range=molecule.long_range,
        orbitals=orbitals,
        weights=weights,
        nuclear_repulsion=nuclear_repulsion(molecule),
        points=points,
        coordinates=molecule.coordinates,
        charges=molecule.charges,
        atom_mask=molecule.atom_mask,
        extras=molecule.extras,
    )


def orthogonaliser(overlap: Float[Array, "nao nao"]) -> Float[Array, "nao nao"]:
    """X = L⁻ᵀ with S = L Lᵀ, so that Xᵀ S X = 1.

    Cholesky rather than S^(-1/2): its derivative does not divide by differences of eigenvalues,
    which vanish in symmetric molecules.
    """
    lower = jnp.linalg.cholesky(overlap)
    identity = jnp.eye(overlap.shape[0], dtype=overlap.dtype)
    return jsl.solve_triangular(lower, identity, lower=True).T


def nuclear_repulsion(molecule: Molecule) -> Float[Array, ""]:
    """Σ_{A<B} Z_A Z_B / |R_A - R_B| in Hartree."""
    n = molecule.charges.shape[0]
    off = ~jnp.eye(n, dtype=bool)
    difference = molecule.coordinates[:, None] - molecule.coordinates[None]
    distance2 = jnp.where(off, jnp.sum(difference**2, axis=-1), 1)
    charges = molecule.charges[:, None] * molecule.charges[None]
    return 0.5 * jnp.sum(jnp.where(off, charges / jnp.sqrt(distance2), 0))
