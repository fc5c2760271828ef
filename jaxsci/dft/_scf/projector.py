"""Projectors on the occupied orbitals, with a derivative that allows degenerate orbitals."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


@jax.custom_jvp
def occupied_projector(fock: Float[Array, "n n"], count: Int[Array, ""]) -> Float[Array, "n n"]:
    """Π = Σ_{i occupied} u_i u_iᵀ over the `count` lowest eigenvectors of a symmetric matrix.

        dΠ = Σ_{i occ, a virt} (u_aᵀ dF u_i) / (ε_i - ε_a) (u_a u_iᵀ + u_i u_aᵀ)

    Only differences between occupied and virtual eigenvalues appear: differentiating the
    eigenvectors themselves would divide by differences that vanish with symmetry, and give
    finite, wrong derivatives. Without a gap the derivative does not exist.
    """
    _, vectors = jnp.linalg.eigh(fock)
    occupied = occupied_orbitals(fock.shape[0], count).astype(fock.dtype)
    return (vectors * occupied[None]) @ vectors.T


@occupied_projector.defjvp
def _occupied_projector_jvp(primals, tangents):
    fock, count = primals
    d_fock, _ = tangents
    values, vectors = jnp.linalg.eigh(fock)
    occupied = occupied_orbitals(fock.shape[0], count)
    between = occupied[:, None] & ~occupied[None]
    gap = jnp.where(between, values[:, None] - values[None], -1)
    response = jnp.where(between, (vectors.T @ d_fock @ vectors) / gap, 0)
    change = vectors @ response @ vectors.T
    return occupied_projector(fock, count), change + change.T


def occupied_orbitals(n: int, count: Int[Array, ""]):
    """Which of n orbitals in ascending order are occupied (aufbau)."""
    return jnp.arange(n) < count


def projectors(
    fock: Float[Array, "spins n n"], counts: Int[Array, " spins"]
) -> Float[Array, "spins n n"]:
    """The occupied projector of each spin channel, from Fock matrices in an orthonormal basis."""
    return jax.vmap(occupied_projector)(fock, counts)


def unoccupied(occupied: Float[Array, "spins n n"]) -> Float[Array, "spins n n"]:
    """1 - Π."""
    return jnp.eye(occupied.shape[-1], dtype=occupied.dtype)[None] - occupied
