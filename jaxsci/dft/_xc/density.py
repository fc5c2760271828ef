"""What a functional of the whole molecule sees: its density everywhere, and its nuclei."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .features import Features


class MolecularDensity(eqx.Module):
    """The density of a molecule on its grid; what the terms of `nonlocal_functional` are given.

    Hartree atomic units. All is differentiable; points without density have no weight, padded
    atoms no charge and a false mask.

    - `features`: at every point; where there is no density, ones.
    - `points`, `weights`: of the grid, in Bohr and Bohr³; ∫ f dr is `jnp.sum(weights * f)`.
    - `orbitals`: values of the basis functions χ at the points.
    - `density_matrix`: of α and of β, restricted or not.
    - `coordinates`, `charges`, `atom_mask`: of the nuclei.
    - `extras`: the molecule's own arrays, from `Molecule.with_extras`.
    """

    features: Features
    points: Float[Array, "points 3"]
    weights: Float[Array, " points"]
    orbitals: Float[Array, "nao points"]
    density_matrix: Float[Array, "2 nao nao"]
    coordinates: Float[Array, "atoms 3"]
    charges: Float[Array, " atoms"]
    atom_mask: Bool[Array, " atoms"]
    extras: dict[str, Array]

    def extra(self, name: str, advice: str) -> Array:
        """An array of the molecule, or a `ValueError` that names it and says how to add it."""
        if name not in self.extras:
            raise ValueError(
                f"this functional needs {name!r} of the molecule, which has "
                f"{', '.join(map(repr, sorted(self.extras))) or 'no extras'}: {advice}"
            )
        return self.extras[name]


def both_spins(density: Float[Array, "spins nao nao"]) -> Float[Array, "2 nao nao"]:
    """α and β density matrices from those of either, or from the total of equal ones."""
    return jnp.concatenate([density / 2, density / 2]) if density.shape[0] == 1 else density
