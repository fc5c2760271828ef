"""The geometry that a molecule's pair potentials were made for, which may not be that of now."""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from .molecule import Molecule

# Among a molecule's extras: the positions of the nuclei for which its pair potentials were made.
MADE_AT = "positions_of_pair_potentials"


def are_made_at(
    made_at: Float[Array, "n 3"], coordinates: Float[Array, "atoms 3"], mask: Bool[Array, " atoms"]
) -> Bool[Array, ""]:
    """Whether pair potentials are those of this geometry, which is never changed by rounding."""
    if made_at.shape != coordinates.shape:
        raise ValueError(
            f"the molecule's pair potentials were made for {len(made_at)} atoms, and it has "
            f"{len(coordinates)}: call with_pair_potentials(molecule)."
        )
    return jnp.all((made_at == coordinates) | ~mask[:, None])


def check_pair_potentials(molecule: Molecule) -> None:
    """Refuse those of another geometry, where the geometry is known before the program runs."""
    made_at = molecule.extras.get(MADE_AT)
    if made_at is None or isinstance(made_at, Tracer) or isinstance(molecule.coordinates, Tracer):
        return
    if not bool(are_made_at(made_at, molecule.coordinates, molecule.atom_mask)):
        moved = np.abs(np.asarray(made_at - molecule.coordinates))[np.asarray(molecule.atom_mask)]
        raise ValueError(
            "the molecule's pair potentials are of another geometry, in which nuclei lie up to "
            f"{moved.max():.3g} Bohr from where they are now: call with_pair_potentials(molecule) "
            "again."
        )
