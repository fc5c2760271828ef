"""An orthonormal basis of the basis functions, without directions that rounding would spoil."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jaxtyping import Array, Float, Int

# Below this eigenvalue of the overlap a direction is left out: the threshold of PySCF.
NEARLY_DEPENDENT = 1e-6
# Orbital energy (Hartree) of what is no function, in a padded batch or in a nearly dependent basis:
# above every occupied orbital, so never occupied, and small enough that diagonalisation loses no
# digits.
UNUSED_ORBITAL_ENERGY = 1e3


class Orthonormal(eqx.Module):
    """X with Xᵀ S X = 1, or the projector Q on the directions that are kept.

    - `x`: X.
    - `raised`: 10³ (1 - Q) in Hartree, which keeps the directions left out empty; `None` if all
        are kept.
    """

    x: Float[Array, "nao nao"]
    raised: Float[Array, "nao nao"] | None

    def change(self, matrix: Float[Array, "*spins nao nao"]) -> Float[Array, "*spins nao nao"]:
        """Xᵀ M X of a change of a Fock matrix."""
        return self.x.T @ matrix @ self.x

    def fock(self, matrix: Float[Array, "*spins nao nao"]) -> Float[Array, "*spins nao nao"]:
        """Xᵀ F X of a Fock matrix, in which the directions left out lie high."""
        inner = self.change(matrix)
        if self.raised is None:
            return inner
        return inner + self.raised.reshape((1,) * (inner.ndim - 2) + self.raised.shape)


def orthonormal(overlap: Float[Array, "nao nao"], dependent: bool) -> Orthonormal:
    """X = L⁻ᵀ with S = L Lᵀ; for a nearly dependent basis X = Q S^(-1/2).

    Cholesky rather than S^(-1/2): its derivative does not divide by differences of eigenvalues,
    which vanish in symmetric molecules.
    """
    if dependent:
        x, dropped = _cut(overlap)
        return Orthonormal(x, UNUSED_ORBITAL_ENERGY * dropped)
    lower = jnp.linalg.cholesky(overlap)
    identity = jnp.eye(overlap.shape[0], dtype=overlap.dtype)
    return Orthonormal(jsl.solve_triangular(lower, identity, lower=True).T, None)


def kept_directions(overlap: Float[Array, "nao nao"]) -> Int[Array, ""]:
    """The number of directions of a nearly dependent basis that are not left out."""
    return jnp.sum(jnp.linalg.eigvalsh(jax.lax.stop_gradient(overlap)) > NEARLY_DEPENDENT)


def to_orthonormal(
    density: Float[Array, "*spins nao nao"], overlap: Float[Array, "nao nao"], dependent: bool
) -> Float[Array, "*spins nao nao"]:
    """Xᵀ S P S X, the density matrix P in the orthonormal basis."""
    if dependent:
        seen = _cut(overlap)[0] @ overlap
        return seen @ density @ seen.T
    lower = jnp.linalg.cholesky(overlap)
    return lower.T @ density @ lower


@jax.custom_jvp
def _cut(overlap):
    """Q S^(-1/2) and 1 - Q, with Q the projector on eigenvalues above the threshold."""
    return _functions(*jnp.linalg.eigh(overlap))


@_cut.defjvp
def _cut_jvp(primals, tangents):
    """Daleckii and Krein's formula: the divided differences of f(s) in the basis of eigenvectors.

    For s^(-1/2) they are written without differences, which vanish in symmetric molecules.
    """
    s, u = jnp.linalg.eigh(primals[0])
    kept = s > NEARLY_DEPENDENT
    both = kept[:, None] & kept[None]
    root = jnp.sqrt(jnp.where(kept, s, 1))
    mixed = kept[:, None] ^ kept[None]
    across = jnp.where(mixed, 1 / jnp.where(mixed, jnp.abs(s[:, None] - s[None]), 1), 0)
    of_both = -1 / (root[:, None] * root[None] * (root[:, None] + root[None]))
    of_one = across / jnp.where(kept[:, None], root[:, None], root[None])
    inner = u.T @ tangents[0] @ u
    x = u @ (jnp.where(both, of_both, of_one) * inner) @ u.T
    return _functions(s, u), (x, -u @ (across * inner) @ u.T)


def _functions(s, u):
    kept = s > NEARLY_DEPENDENT
    inverse_root = jnp.where(kept, 1 / jnp.sqrt(jnp.where(kept, s, 1)), 0)
    return (u * inverse_root[None]) @ u.T, (u * ~kept[None]) @ u.T
