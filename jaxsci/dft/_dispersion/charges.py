"""Charges of the atoms from the equilibration of their electronegativities."""

import math

import jax.numpy as jnp
from jax.scipy.special import erf
from jaxtyping import Array, Float

from .pairs import Pairs
from .tables import charge_table


def equilibrated_charges(
    pairs: Pairs, cn: Float[Array, " atoms"], total: Float[Array, ""]
) -> Float[Array, " atoms"]:
    """The charges that minimise Σ_A χ_A q_A + ½ Σ_AB q_A J_AB q_B, and add up to the total.

        χ_A = χ⁰_A - κ_A √CN_A,  J_AB = erf(R/√(a_A² + a_B²))/R,  J_AA = η_A + √(2/π)/a_A

    **Source:** Caldeweyher et al., J. Chem. Phys. 150, 154122 (2019), equations 9 to 14.
    """
    chi, kcn, eta, rad = (jnp.asarray(x)[pairs.elements] for x in charge_table())
    atom = pairs.elements > 0
    rad = jnp.where(atom, rad, 1)
    width = jnp.sqrt(rad[:, None] ** 2 + rad[None] ** 2)
    coulomb = jnp.where(pairs.real, erf(pairs.r / width) / pairs.r, 0)
    # Atoms that are none have a hardness of one, no electronegativity and no charge.
    hardness = jnp.where(atom, eta + math.sqrt(2 / math.pi) / rad, 1)
    ones = jnp.where(atom, 1.0, 0)
    # The root is kept from the pole of its derivative, at an atom without neighbours.
    attraction = jnp.where(atom, kcn * cn / jnp.sqrt(cn + 1e-14) - chi, 0)
    matrix = jnp.block(
        [[coulomb + jnp.diag(hardness), ones[:, None]], [ones[None], jnp.zeros((1, 1))]]
    )
    return jnp.linalg.solve(matrix, jnp.append(attraction, total))[:-1]
