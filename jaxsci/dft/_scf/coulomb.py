"""Coulomb and exact-exchange matrices from packed two-electron integrals."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._basis.long_range import LongRange
from .hamiltonian import Operators, packed, pair_index

# Auxiliary functions contracted at once in the exchange matrix: bounds memory at 8 n² times this.
_AUXILIARY_BLOCK = 32


def coulomb(ops: Operators, density: Float[Array, "nao nao"]) -> Float[Array, "nao nao"]:
    """J_ij = Σ_kl (ij|kl) P_kl for the total density matrix."""
    if ops.fit is not None:
        j_packed = (ops.fit @ packed(density)) @ ops.fit
    else:
        assert ops.repulsion is not None
        j_packed = ops.repulsion @ packed(density)
    return j_packed[pair_index(density.shape[0])]


def symmetric_exchange(
    integrals: Operators | LongRange,
    matrix: Float[Array, "pairs pairs"] | None,
    density: Float[Array, "nao nao"],
) -> Float[Array, "nao nao"]:
    """`exchange` of a symmetric density, by the matrix over pairs where there is one."""
    if matrix is None:
        return exchange(integrals, density)
    return (matrix @ packed(density))[pair_index(density.shape[0])]


def exchange(
    ops: Operators | LongRange, density: Float[Array, "nao nao"]
) -> Float[Array, "nao nao"]:
    """K_il = Σ_jk (ij|kl) P_jk of the integrals that are given; Kᵀ is that of Pᵀ."""
    if ops.fit is not None:
        return _fitted_exchange(ops.fit, density)
    assert ops.repulsion is not None
    repulsion, pairs = ops.repulsion, jnp.asarray(pair_index(density.shape[0]))

    def row(pairs_of_i):
        # (ij|kl) for one i, unpacked: n³ numbers at a time instead of n⁴
        block = repulsion[pairs_of_i][:, pairs]
        return jnp.einsum("jkl,jk->l", block, density)

    return jax.lax.map(row, pairs)


def _fitted_exchange(fit, density):
    n = density.shape[0]
    pairs = pair_index(n)
    padding = -fit.shape[0] % _AUXILIARY_BLOCK
    blocks = jnp.pad(fit, ((0, padding), (0, 0))).reshape(-1, _AUXILIARY_BLOCK, fit.shape[1])

    def add(total, block):
        unpacked = block[:, pairs]
        half = (unpacked.reshape(-1, n) @ density).reshape(-1, n, n)
        return total + jnp.einsum("pij,plj->il", half, unpacked), None

    return jax.lax.scan(add, jnp.zeros_like(density), blocks)[0]
