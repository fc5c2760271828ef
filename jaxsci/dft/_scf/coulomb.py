"""Coulomb and exact-exchange matrices from packed two-electron integrals."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._basis.long_range import LongRange
from .hamiltonian import Operators

# Auxiliary functions contracted at once in the exchange matrix: bounds memory at 8 n² times this.
_AUXILIARY_BLOCK = 32


def _pair_index(n: int) -> np.ndarray:
    """The position of (i, j) in the packed lower triangle."""
    i, j = np.indices((n, n))
    high, low = np.maximum(i, j), np.minimum(i, j)
    return high * (high + 1) // 2 + low


def coulomb(ops: Operators, density: Float[Array, "nao nao"]) -> Float[Array, "nao nao"]:
    """J_ij = Σ_kl (ij|kl) P_kl for the total density matrix."""
    n = density.shape[0]
    i, j = np.tril_indices(n)
    packed = density[i, j] * np.where(i == j, 1.0, 2.0)
    if ops.fit is not None:
        j_packed = (ops.fit @ packed) @ ops.fit
    else:
        assert ops.repulsion is not None
        j_packed = ops.repulsion @ packed
    return j_packed[_pair_index(n)]


def exchange(
    ops: Operators | LongRange, density: Float[Array, "nao nao"]
) -> Float[Array, "nao nao"]:
    """K_il = Σ_jk (ij|kl) P_jk of the integrals that are given; Kᵀ is that of Pᵀ."""
    if ops.fit is not None:
        return _fitted_exchange(ops.fit, density)
    assert ops.repulsion is not None
    repulsion, pairs = ops.repulsion, jnp.asarray(_pair_index(density.shape[0]))

    def row(pairs_of_i):
        # (ij|kl) for one i, unpacked: n³ numbers at a time instead of n⁴
        block = repulsion[pairs_of_i][:, pairs]
        return jnp.einsum("jkl,jk->l", block, density)

    return jax.lax.map(row, pairs)


def _fitted_exchange(fit, density):
    n = density.shape[0]
    pairs = _pair_index(n)
    padding = -fit.shape[0] % _AUXILIARY_BLOCK
    blocks = jnp.pad(fit, ((0, padding), (0, 0))).reshape(-1, _AUXILIARY_BLOCK, fit.shape[1])

    def add(total, block):
        unpacked = block[:, pairs]
        half = (unpacked.reshape(-1, n) @ density).reshape(-1, n, n)
        return total + jnp.einsum("pij,plj->il", half, unpacked), None

    return jax.lax.scan(add, jnp.zeros_like(density), blocks)[0]
