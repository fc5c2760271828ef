"""Whether the integrals of a molecule are those of its nuclei, as derivatives take for granted."""

import numpy as np
from jax.core import Tracer

from .._basis.integrals import is_core_of
from .._basis.libcint import to_mole
from .._system.molecule import Molecule


def check_nuclei(molecule: Molecule, name: str) -> None:
    """Refuse a core Hamiltonian that is not that of the nuclei; under `vmap` it is not seen."""
    arrays = molecule.core_hamiltonian, molecule.coordinates, molecule.libcint.env
    if any(isinstance(x, Tracer) for x in arrays):
        return
    atoms = int(np.sum(molecule.atom_mask))
    mol = to_mole(molecule.libcint, np.asarray(molecule.coordinates), atoms)
    if not is_core_of(mol, molecule.core_hamiltonian):
        raise ValueError(
            f"{name}() makes integrals of the nuclei alone, and the molecule's core Hamiltonian is "
            "another (an electric field was added, or its coordinates were replaced): build the "
            "molecule with molecule()."
        )
