"""The dual of ANY elementwise function, by its Hermite series."""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._gaussian import NODES, WEIGHTS
from .angle import safe_sqrt


@lru_cache
def _projections(degree: int) -> np.ndarray:
    """Weights that turn values at the nodes into coefficients on normalised Hermite polynomials."""
    polynomials = [np.ones_like(NODES), NODES]
    for k in range(1, degree):
        polynomials.append(
            (NODES * polynomials[k] - np.sqrt(k) * polynomials[k - 1]) / np.sqrt(k + 1)
        )
    return np.stack(polynomials[: degree + 1]) * WEIGHTS


def coefficients(
    f: Callable, q: Float[Array, "*entries"], degree: int
) -> Float[Array, "terms *entries"]:
    """c_k = E f(√q z) h_k(z), k ≤ degree, and two more terms for the remainder of the series.

    The even and odd parts of the remainder have the norms E f_even² - Σ_even c_k² and so on
    (Parseval). Assigned to the next even and odd degree they make the series exact at correlations
    -1 and 1, and its error elsewhere at most their squares, whatever f is.
    """
    values = f(jnp.multiply.outer(safe_sqrt(q), jnp.asarray(NODES, q.dtype)))
    c = jnp.moveaxis(values @ jnp.asarray(_projections(degree), q.dtype).T, -1, 0)
    mirrored = values[..., ::-1]  # the nodes are symmetric about zero
    weights = jnp.asarray(WEIGHTS, q.dtype)
    parts = [((values + sign * mirrored) / 2) ** 2 @ weights for sign in (1, -1)]
    rests = [
        safe_sqrt(jnp.maximum(parts[k % 2] - jnp.sum(c[k % 2 :: 2] ** 2, axis=0), 0))
        for k in (degree + 1, degree + 2)
    ]
    return jnp.concatenate([c, jnp.stack(rests)])


def series(
    c1: Float[Array, "terms *#entries"],
    c2: Float[Array, "terms *#entries"],
    rho: Float[Array, "*#entries"],
) -> Float[Array, "*entries"]:
    """Σ_k c1_k c2_k ρᵏ by Horner's rule, so that no array of terms is formed for pairs."""

    def step(i, total):
        k = c1.shape[0] - 1 - i
        return total * rho + c1[k] * c2[k]

    return jax.lax.fori_loop(0, c1.shape[0], step, jnp.zeros_like(rho), unroll=8)
