"""Pairs of atoms: their distances, and how many neighbours each atom has."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import erf
from jaxtyping import Array, Bool, Float, Int

from . import tables

PerPair = Float[Array, "atoms atoms"]

# Steepness of the counting functions of D3 and of D4.
_D3_STEEPNESS, _D4_STEEPNESS = 16.0, 7.5
# Beyond this distance (Bohr) D3 counts no neighbours, as its counting function does not vanish.
_D3_RANGE = 40.0
# The largest coordination number in the charges of D4.
_MOST_NEIGHBOURS = 8.0


class Pairs(NamedTuple):
    """Atoms and their distances; ghosts and padding have element 0 and form no pairs.

    - `elements`: atomic numbers.
    - `real`: pairs of two different atoms.
    - `r2`: squared distances in Bohr²; 1 where there is no pair.
    """

    elements: Int[Array, " atoms"]
    real: Bool[Array, "atoms atoms"]
    r2: PerPair

    @property
    def r(self) -> PerPair:
        """Distances."""
        return jnp.sqrt(self.r2)

    def sum_of(self, of_element: Float[Array, " elements"]) -> PerPair:
        """A property of the one atom plus that of the other."""
        x = of_element[self.elements]
        return x[:, None] + x[None]

    def within(self, distance: float) -> Bool[Array, "atoms atoms"]:
        """The pairs that are not farther apart; a distance that is NaN is not left out."""
        return self.real & ~(self.r2 > distance**2)


def pairs_of(coordinates: Float[Array, "atoms 3"], elements: Int[Array, " atoms"]) -> Pairs:
    """The pairs of atoms at these positions (Bohr)."""
    atom = elements > 0
    real = atom[:, None] & atom[None] & ~jnp.eye(elements.size, dtype=bool)
    r2 = jnp.sum((coordinates[:, None] - coordinates[None]) ** 2, axis=-1)
    return Pairs(elements, real, jnp.where(real, r2, 1))


def d3_neighbours(pairs: Pairs) -> Float[Array, " atoms"]:
    """Coordination numbers of D3, CN_A = Σ_B 1/(1 + exp(-16 (R₀/R - 1)))."""
    radius = pairs.sum_of(jnp.asarray(tables.covalent_radii()))
    count = jax.nn.sigmoid(_D3_STEEPNESS * (radius / pairs.r - 1))
    return jnp.sum(jnp.where(pairs.within(_D3_RANGE), count, 0), axis=1)


def d4_neighbours(pairs: Pairs) -> tuple[Float[Array, " atoms"], Float[Array, " atoms"]]:
    """Coordination numbers of D4, weighted by electronegativity, and those of its charges.

    CN_A = Σ_B δ_AB ½ (1 + erf(-7.5 (R/R₀ - 1))),  δ = 4.10451 exp(-(|Δχ| + 19.08857)²/254.56)
    """
    radius = pairs.sum_of(jnp.asarray(tables.covalent_radii()))
    radius = jnp.where(pairs.real, radius, 1)
    count = 0.5 * (1 + erf(-_D4_STEEPNESS * (pairs.r / radius - 1)))
    count = jnp.where(pairs.real, count, 0)
    chi = jnp.asarray(tables.d4_table().electronegativity)[pairs.elements]
    polar = jnp.abs(chi[:, None] - chi[None]) + 19.08857
    weighted = 4.10451 * jnp.exp(-(polar**2) / (2 * 11.28174**2)) * count
    return jnp.sum(weighted, axis=1), _limited(jnp.sum(count, axis=1))


def _limited(cn: Float[Array, " atoms"]) -> Float[Array, " atoms"]:
    """ln(1 + e⁸) - ln(1 + e^(8 - CN)), which is CN at first and stays below 8."""
    return jnp.log1p(jnp.expm1(cn) / (1 + jnp.exp(cn - _MOST_NEIGHBOURS)))
