"""The input of a functional of the whole density: the density everywhere, and the nuclei."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .features import Features


class MissingExtra(ValueError):
    """A functional needs an array that the molecule does not have."""

    def __init__(self, message: str, name: str):
        super().__init__(message)
        self.name = name


class MolecularDensity(eqx.Module):
    """The density of a molecule on its grid: the input of a `nonlocal_functional`.

    Hartree atomic units. Everything is differentiable. Points without density have weight zero;
    padded atoms have charge zero and a false mask.

    **Arguments:**

    - `features`: `Features` of shape (points,); ones where there is no density.
    - `points`: positions in Bohr, (points, 3).
    - `weights`: integration weights in Bohr³, (points,); ∫ f dr is `jnp.sum(weights * f)`.
    - `present`: true where there is density, (points,).
    - `owner`: the atom to whose own grid each point belongs, and with which it moves, (points,).
    - `atomic_weights`: the weights in Bohr³ of that atom's own grid, which covers all space; unlike
        `weights` also where there is no density, (points,).
    - `orbitals`: values of the basis functions χ at the points, (nao, points).
    - `density_matrix`: of α and β, (2, nao, nao), restricted or not.
    - `coordinates`: of the nuclei in Bohr, (atoms, 3).
    - `charges`: of the nuclei, less the electrons that a core potential replaces, (atoms,).
    - `atom_mask`: true for atoms, false for padding, (atoms,).
    - `extras`: the molecule's own arrays by name, from `Molecule.with_extras`.

    ```python
    electrons = lambda params, density: jnp.sum(density.weights * density.features.rho)
    functional = jsci.dft.nonlocal_functional(electrons, level="lda")
    ```
    """

    features: Features
    points: Float[Array, "points 3"]
    weights: Float[Array, " points"]
    present: Bool[Array, " points"]
    owner: Int[Array, " points"]
    atomic_weights: Float[Array, " points"]
    orbitals: Float[Array, "nao points"]
    density_matrix: Float[Array, "2 nao nao"]
    coordinates: Float[Array, "atoms 3"]
    charges: Float[Array, " atoms"]
    atom_mask: Bool[Array, " atoms"]
    extras: dict[str, Array]

    def extra(self, name: str, advice: str) -> Array:
        """An array of the molecule, or a `ValueError` that says how to add it."""
        if name not in self.extras:
            has = ", ".join(map(repr, sorted(self.extras))) or "no extras"
            raise MissingExtra(
                f"this functional needs the extra {name!r} of the molecule, which has {has}: "
                f"{advice}",
                name,
            )
        return self.extras[name]


def both_spins(density: Float[Array, "spins nao nao"]) -> Float[Array, "2 nao nao"]:
    """α and β density matrices, from both or from the total of a closed shell."""
    return jnp.concatenate([density / 2, density / 2]) if density.shape[0] == 1 else density
