"""Charges that reproduce the electrostatic potential around a molecule."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._basis.units import BOHR_IN_ANGSTROM
from ..._system.molecule import Molecule
from ..moments import total_density
from .fields import potential_at
from .populations import Density

# Ångström: between points, and from the nearest nucleus to the farthest of them.
_SPACING, _REACH = 0.3, 2.8


def chelpg_charges(molecule: Molecule, density_matrix: Density) -> Float[Array, " atoms"]:
    """CHELPG charges of the atoms: those whose potential is nearest to the molecule's around it.

        min_q Σ_g (V(r_g) - Σ_A q_A/|r_g - R_A|)²,   Σ_A q_A = the molecule's charge

    The points r_g have a distance of 0.3 Å from each other, lie within 2.8 Å of a nucleus, and
    outside the van der Waals radius (Bondi's) of every atom.

    **Arguments:**

    - `molecule`: one molecule.
    - `density_matrix`: P, of both spins together or of each, or the result of `scf`.

    **Returns:** charges in units of e; zero for ghosts and for atoms that pad a batch.

    **Raises:** as `dipole`; it runs outside of `jit`, as the number of points depends on the shape
    of the molecule.

    **Notes:** charges of atoms inside of large molecules are poorly determined. Those of water
    depend on its orientation by about 0.01, as the points do.

    **Source:** Breneman & Wiberg, J. Comput. Chem. 11, 361 (1990).

    ```python
    jsci.dft.chelpg_charges(water, result)
    ```
    """
    total_density(molecule, density_matrix, "chelpg_charges")
    atom = np.asarray(molecule.atom_mask & (molecule.charges > 0))
    places = np.asarray(molecule.coordinates)[atom]
    points = _points(places, np.asarray(molecule.libcint.elements)[atom])
    potential = np.asarray(potential_at(molecule, density_matrix, jnp.asarray(points)))
    inverse = 1 / np.linalg.norm(points[:, None] - places, axis=-1)
    total = float(jnp.sum(molecule.charges) - jnp.sum(molecule.electrons))
    found = np.zeros(len(atom))
    found[atom] = _constrained(inverse, potential, total)
    return jnp.asarray(found)


def _points(places: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Those of a cubic lattice that are near the molecule and outside of its atoms, in Bohr."""
    from pyscf.data import radii

    spacing, reach = _SPACING / BOHR_IN_ANGSTROM, _REACH / BOHR_IN_ANGSTROM
    low, high = places.min(axis=0) - reach, places.max(axis=0) + reach
    axes = [np.arange(a, b + spacing, spacing) for a, b in zip(low, high, strict=True)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.stack([np.linalg.norm(lattice - x, axis=-1) for x in places], axis=1)
    outside = (distance > radii.VDW[numbers]).all(axis=1)
    return lattice[outside & (distance.min(axis=1) <= reach)]


def _constrained(inverse: np.ndarray, potential: np.ndarray, total: float) -> np.ndarray:
    """The least-squares charges with a given sum, by a Lagrange multiplier."""
    n = inverse.shape[1]
    matrix = np.ones((n + 1, n + 1))
    matrix[:n, :n], matrix[n, n] = inverse.T @ inverse, 0
    right = np.append(inverse.T @ potential, total)
    return np.linalg.lstsq(matrix, right, rcond=None)[0][:n]
