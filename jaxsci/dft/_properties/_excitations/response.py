"""The matrices A and B of linear response, as products with amplitudes of excitation."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..._scf.equations import Equations
from ..._scf.kohn_sham import Density, density_matrix, exact_exchange
from ..._scf.projector import occupied_orbitals, unoccupied

# Amplitudes x from occupied orbitals (columns) to empty ones (rows), of each spin that is excited
# independently: x = (1-Π) x Π in an orthonormal basis.
Amplitudes = Float[Array, "channels n n"]


class Orbitals(eqx.Module):
    """Orbitals that diagonalise the blocks of F among occupied and among empty orbitals.

    - `vectors`: in an orthonormal basis, in columns, occupied ones first.
    - `gaps`: ε_a - ε_i of empty a (rows) and occupied i (columns), Hartree.
    - `between`: which of these exist.
    """

    vectors: Float[Array, "channels n n"]
    gaps: Float[Array, "channels n n"]
    between: Bool[Array, "channels n n"]


def orbitals(equations: Equations, occupied: Density, size: Array) -> Orbitals:
    """Of the `size` orbitals that are not padding."""
    fock, empty = equations.fock(occupied), unoccupied(occupied)
    blocks = occupied @ fock @ occupied + empty @ fock @ empty
    apart = 4 * jnp.max(jnp.sum(jnp.abs(blocks), axis=-1))  # occupied orbitals stay lowest
    levels, vectors = jnp.linalg.eigh(blocks + apart * empty)
    n = fock.shape[-1]
    filled = jax.vmap(occupied_orbitals, (None, 0))(n, equations.ops.counts)
    levels = levels - jnp.where(filled, 0, apart)
    virtual = ~filled & (jnp.arange(n) < size)[None]
    between = virtual[:, :, None] & filled[:, None, :]
    return Orbitals(vectors, levels[:, :, None] - levels[:, None, :], between)


def response(
    equations: Equations, occupied: Density, triplet: bool
) -> Callable[[Amplitudes], tuple[Amplitudes, Amplitudes]]:
    """The map from amplitudes x to A x and B x.

        A x = (1-Π)(F x - x F + δF[x])Π,   B x = (1-Π) δF[xᵀ] Π

    δF is linear in a change D of the density matrix. Coulomb and functional see D + Dᵀ alone, so
    that one product serves both; the exact exchange of Dᵀ is the transpose of that of D. In
    triplets of a closed shell α and β change by opposite amounts.
    """
    occupied = jnp.concatenate([occupied] * 2) if triplet else occupied
    functional, ops = equations.functional, equations.ops
    local = dataclasses.replace(functional, exact_exchange=0.0, long_range_exchange=0.0)
    without_exchange = dataclasses.replace(equations, functional=local)
    fock, empty = equations.fock(occupied), unoccupied(occupied)
    local_response = without_exchange.response(occupied)
    exchange = functional.exact_exchange or functional.long_range_exchange

    def products(x: Amplitudes) -> tuple[Amplitudes, Amplitudes]:
        x = jnp.concatenate([x, -x]) if triplet else x
        a = b = local_response(0.5 * (x + x.transpose(0, 2, 1)))
        if exchange:
            k = ops.orthonormal.change(exact_exchange(functional, ops, density_matrix(ops, x)))
            a, b = a + k, b + k.transpose(0, 2, 1)
        a = a + fock @ x - x @ fock
        a, b = (empty @ y @ occupied for y in (a, b))
        return (a[:1], b[:1]) if triplet else (a, b)

    return products


def energies_at(
    equations: Equations,
    occupied: Density,
    z: Float[Array, "states channels n n"],
    w: Float[Array, "states channels n n"],
    triplet: bool,
) -> Float[Array, " states"]:
    """ω = (⟨z, (A+B) z⟩ + ⟨w, (A-B) w⟩)/(2 ⟨z, w⟩), stationary in z and w where they solve.

    The amplitudes follow the orbitals: at solutions, how they do does not matter. NaN where ω is
    imaginary, of which this is not the quotient.
    """
    products, empty = response(equations, occupied, triplet), unoccupied(occupied)

    def energy(z, w):
        z, w = (empty @ x @ occupied for x in (z, w))
        (az, bz), (aw, bw) = products(z), products(w)
        overlap = jnp.vdot(z, w)
        real = jnp.where(overlap > 0, 1.0, jnp.nan)
        return real * (jnp.vdot(z, az + bz) + jnp.vdot(w, aw - bw)) / (2 * overlap)

    return jax.lax.map(lambda pair: energy(*pair), (z, w))
