"""The nuclei of a molecule: moved, their own energy, and whether its integrals are theirs."""

import equinox as eqx
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from .._basis.integrals import is_core_of
from .._basis.libcint import to_mole
from .._scf.hamiltonian import nuclear_repulsion
from .._system.molecule import Molecule
from .._xc import Functional


def moved(molecule: Molecule, coordinates: Float[Array, "atoms 3"]) -> Molecule:
    """With grid and basis functions elsewhere, and the integrals that it has."""
    return eqx.tree_at(lambda m: m.coordinates, molecule, coordinates)


def energy_of_nuclei(molecule: Molecule, functional: Functional) -> Float[Array, ""]:
    """Their repulsion, and what a functional adds for them."""
    return nuclear_repulsion(molecule) + functional.nuclear_energy(molecule)


def check_nuclei(molecule: Molecule, name: str) -> None:
    """Refuse a core Hamiltonian that is not that of the nuclei; under `vmap` it is not seen."""
    arrays = molecule.core_hamiltonian, molecule.coordinates, molecule.libcint.env
    if any(isinstance(x, Tracer) for x in arrays):
        return
    if np.iscomplexobj(molecule.coordinates):
        raise TypeError(f"{name}() needs real coordinates, got {molecule.coordinates.dtype}.")
    atoms = int(np.sum(molecule.atom_mask))
    mol = to_mole(molecule.libcint, np.asarray(molecule.coordinates), atoms)
    if not is_core_of(mol, molecule.core_hamiltonian):
        raise ValueError(
            f"{name}() makes integrals of the nuclei alone, and the molecule's core Hamiltonian is "
            "another (an electric field was added, or its coordinates were replaced): build the "
            "molecule with molecule()."
        )
