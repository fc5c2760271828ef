"""Coulomb and exact-exchange matrices from packed two-electron integrals."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._basis.long_range import LongRange
from .hamiltonian import Operators, packed, pair_index

# Auxiliary functions contracted at once in the exchange matrix: bounds memory at 8 n² times this.
_AUXILIARY_BLOCK = 32
# Orbitals contracted at once.
_ORBITAL_BLOCK = 32
# Of a density matrix, relative to its largest entry: what rounding leaves of its other orbitals.
_ROUNDING = 1e-14


def coulomb(ops: Operators, density: Float[Array, "nao nao"]) -> Float[Array, "nao nao"]:
    """J_ij = Σ_kl (ij|kl) P_kl for the total density matrix."""
    if ops.fit is not None:
        return ((ops.fit @ packed(density)) @ ops.fit)[pair_index(density.shape[0])]
    assert ops.repulsion is not None
    return product(ops.repulsion, density)


def product(
    matrix: Float[Array, "pairs pairs"], density: Float[Array, "nao nao"]
) -> Float[Array, "nao nao"]:
    """A matrix over pairs i ≥ j times a symmetric density."""
    return (matrix @ packed(density))[pair_index(density.shape[0])]


def symmetric_exchange(
    integrals: Operators | LongRange, density: Float[Array, "nao nao"]
) -> Float[Array, "nao nao"]:
    """`exchange` of a symmetric density, which may be one of few orbitals."""
    if integrals.fit is not None:
        return _fitted_exchange_by_orbitals(integrals.fit, density)
    return exchange(integrals, density)


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
    def add(total, unpacked):
        half = (unpacked.reshape(-1, len(total)) @ density).reshape(unpacked.shape)
        return total + jnp.einsum("pij,plj->il", half, unpacked)

    return _sum_over_auxiliaries(add, fit, len(density))


@jax.custom_jvp
def _fitted_exchange_by_orbitals(fit, density):
    """`_fitted_exchange` of a density matrix P = Z Zᵀ of few orbitals.

        K = Σ_P (B_P Z) (B_P Z)ᵀ

    A matrix that is none, as a change of P, costs as much as before.
    """
    n = len(density)
    orbitals, count, rest = _orbitals(density)
    blocks = -(-count // _ORBITAL_BLOCK)
    orbitals = jnp.pad(orbitals, ((0, 0), (0, -n % _ORBITAL_BLOCK)))

    def add(total, unpacked):
        def add_orbitals(k, total):
            z = jax.lax.dynamic_slice_in_dim(orbitals, k * _ORBITAL_BLOCK, _ORBITAL_BLOCK, axis=1)
            half = (unpacked.reshape(-1, n) @ z).reshape(-1, n, _ORBITAL_BLOCK)
            half = half.transpose(1, 0, 2).reshape(n, -1)
            return total + half @ half.T

        return jax.lax.fori_loop(0, blocks, add_orbitals, total)

    return jax.lax.cond(
        rest,
        lambda: _fitted_exchange(fit, density),
        lambda: _sum_over_auxiliaries(add, fit, n),
    )


@_fitted_exchange_by_orbitals.defjvp
def _fitted_exchange_jvp(primals, tangents):
    value = _fitted_exchange_by_orbitals(*primals)
    return value, jax.jvp(_fitted_exchange, primals, tangents)[1]


def _sum_over_auxiliaries(add, fit, n: int):
    """The sum by `add(total, unpacked)` over blocks (auxiliary functions, n, n) of the fit."""
    pairs = pair_index(n)
    padding = -fit.shape[0] % _AUXILIARY_BLOCK
    blocks = jnp.pad(fit, ((0, padding), (0, 0))).reshape(-1, _AUXILIARY_BLOCK, fit.shape[1])

    def step(total, block):
        return add(total, block[:, pairs]), None

    return jax.lax.scan(step, jnp.zeros((n, n), fit.dtype), blocks)[0]


def _orbitals(density):
    """Z with P = Z Zᵀ, how many of its columns are not zero, and whether P is no such product.

    By Cholesky's decomposition with pivoting, one column for each orbital: a loop of products.
    """
    n, smallest = len(density), _ROUNDING * jnp.max(jnp.abs(density))

    def unfinished(state):
        count, _, diagonal = state
        return (count < n) & (jnp.max(diagonal) > smallest)

    def eliminate(state):
        count, z, diagonal = state
        pivot = jnp.argmax(diagonal)
        column = (density[:, pivot] - z @ z[pivot]) / jnp.sqrt(diagonal[pivot])
        return count + 1, z.at[:, count].set(column), (diagonal - column**2).at[pivot].set(0)

    start = jnp.asarray(0), jnp.zeros_like(density), jnp.diagonal(density)
    count, z, _ = jax.lax.while_loop(unfinished, eliminate, start)
    return z, count, jnp.max(jnp.abs(density - z @ z.T)) > n * smallest
