"""Functions of symmetric matrices, with derivatives where eigenvalues are equal."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Values = Float[Array, " n"]


class MatrixFunction(eqx.Module):
    """U f(s) Uᵀ of a symmetric matrix U s Uᵀ.

        d f(S) = U (Q ∘ Uᵀ dS U) Uᵀ,   Q_ij = (f(s_i) - f(s_j))/(s_i - s_j),   Q_ii = f'(s_i)

    The derivative of U, which divides by differences of eigenvalues, does not appear: these vanish
    in symmetric molecules.

    - `value`: f.
    - `quotient`: Q of all pairs of eigenvalues, written without their differences.

    **Source:** Daleckii & Krein, Amer. Math. Soc. Transl. 47, 1 (1965).
    """

    value: Callable[[Values], Values] = eqx.field(static=True)
    quotient: Callable[[Float[Array, "n 1"], Values], Float[Array, "n n"]] = eqx.field(static=True)

    def __call__(self, matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
        return _of(self, matrix)


@eqx.filter_custom_jvp
def _of(function: MatrixFunction, matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    values, vectors = jnp.linalg.eigh(matrix)
    return (vectors * function.value(values)[None]) @ vectors.T


@_of.def_jvp
def _of_jvp(primals, tangents):
    function, matrix = primals
    found = _of(function, matrix)
    if tangents[1] is None:
        return found, None
    values, vectors = jnp.linalg.eigh(matrix)
    values, vectors = jax.lax.stop_gradient((values, vectors))
    quotient = function.quotient(values[:, None], values)
    turned = vectors.T @ tangents[1] @ vectors
    return found, vectors @ (quotient * turned) @ vectors.T


square_root = MatrixFunction(
    lambda s: jnp.sqrt(jnp.maximum(s, 0)), lambda s, t: 1 / (jnp.sqrt(s) + jnp.sqrt(t)[None])
)
