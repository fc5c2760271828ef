"""The dispersion of ωB97X-D, whose C₆ are those of the elements, whatever surrounds them."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._system.molecule import Molecule, check_one
from .dispersion import check_elements
from .pairs import pairs_of

# J/mol nm⁶ in Hartree Bohr⁶, and Å in Bohr, as in the programs that have this energy.
_C6_UNIT, _RADIUS_UNIT = 17.34525495, 1.88972612457
_STEEPNESS = 6.0
# C₆ in J/mol nm⁶ and van der Waals radii in Å, from hydrogen to xenon.
_C6 = (
    *(0.14, 0.08, 1.61, 1.61, 3.13, 1.75, 1.23, 0.70, 0.75, 0.63),
    *(5.71, 5.71, 10.79, 9.23, 7.84, 5.57, 5.07, 4.61),
    *(*12 * (10.80,), 16.99, 17.10, 16.37, 12.64, 12.47, 12.01),
    *(*12 * (24.67,), 37.32, 38.71, 38.44, 31.74, 31.50, 29.99),
)
_RADIUS = (
    *(1.001, 1.012, 0.825, 1.408, 1.485, 1.452, 1.397, 1.342, 1.287, 1.243),
    *(1.144, 1.364, 1.639, 1.716, 1.705, 1.683, 1.639, 1.595),
    *(1.485, 1.474, *10 * (1.562,), 1.650, 1.727, 1.760, 1.771, 1.749, 1.727),
    *(1.628, 1.606, *10 * (1.639,), 1.672, 1.804, 1.881, 1.892, 1.892, 1.881),
)


def chai_head_gordon(molecule: Molecule) -> Float[Array, ""]:
    """The dispersion energy of ωB97X-D in Hartree; ghosts and padding do not contribute.

        E = -Σ_{A<B} √(C_A C_B)/R⁶ / [1 + 6 ((R_A + R_B)/R)¹²]

    **Source:** Chai & Head-Gordon, Phys. Chem. Chem. Phys. 10, 6615 (2008), equations 4 and 5;
    C₆ and radii of Grimme, J. Comput. Chem. 27, 1787 (2006), table 1.
    """
    check_one(molecule, 'xc("wb97x-d").nuclear_energy(m)')
    return of_atoms(molecule.coordinates, molecule.libcint.elements)


def of_atoms(
    coordinates: Float[Array, "atoms 3"], elements: Int[Array, " atoms"]
) -> Float[Array, ""]:
    """The energy of atoms at positions in Bohr; NaN under `jit` for an element beyond xenon."""
    last = len(_C6)
    check_elements(elements, 'jsci.dft.xc("wb97x-d")', last, "Xe")
    known = elements <= last
    pairs = pairs_of(coordinates, jnp.where(known, elements, 0))
    c6 = jnp.asarray(_C6_UNIT * np.array((0.0, *_C6)))[pairs.elements]
    radius = pairs.sum_of(jnp.asarray(_RADIUS_UNIT * np.array((0.0, *_RADIUS))))
    sixth = pairs.r2**-3
    damping = 1 / (1 + _STEEPNESS * radius**12 * sixth**2)
    attraction = jnp.sqrt(c6[:, None] * c6[None]) * sixth * damping
    energy = -0.5 * jnp.sum(jnp.where(pairs.real, attraction, 0))
    return jnp.where(jnp.all(known), energy, jnp.nan)
