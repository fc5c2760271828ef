"""Two-electron integrals as matrices over pairs of basis functions."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def pair_index(n: int) -> np.ndarray:
    """The position of (i, j) in the packed lower triangle."""
    i, j = np.indices((n, n))
    high, low = np.maximum(i, j), np.minimum(i, j)
    return high * (high + 1) // 2 + low


def packed(density: Float[Array, "n n"]) -> Float[Array, " pairs"]:
    """A symmetric matrix over pairs i ≥ j, which stand for (j, i) too."""
    i, j = np.tril_indices(len(density))
    return density[i, j] * np.where(i == j, 1.0, 2.0)


def exchange_matrix(repulsion: Float[Array, "pairs pairs"]) -> Float[Array, "pairs pairs"]:
    """X with K_il = Σ_{j≥k} X_(il),(jk) P_jk (2 - δ_jk) for symmetric P.

        X_(il),(jk) = ½ [(ij|kl) + (ik|jl)]

    Making it costs as much as one K from the integrals; each further K is a product of a matrix and
    a vector.

    **Source:** Raffenetti, Chem. Phys. Lett. 20, 335 (1973).
    """
    pairs = len(repulsion)
    n = int(np.sqrt(2 * pairs))
    first, second = np.tril_indices(n)
    index = jnp.asarray(pair_index(n))

    def row(il):
        i, l = index[il[0]], index[il[1]]
        straight = repulsion[i[first], l[second]]
        return 0.5 * (straight + repulsion[i[second], l[first]])

    return jax.lax.map(row, (jnp.asarray(first), jnp.asarray(second)), batch_size=n)
