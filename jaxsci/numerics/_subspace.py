"""A subspace that grows by blocks of corrections until its lowest Ritz pairs are eigenpairs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ._davidson import orthonormal

_BLOCKS = 6  # blocks held before a restart, which keeps two
_NOISE = 1e-2  # in the initial vectors
_SMALLEST = 1e-2  # denominator of the preconditioner


class Ritz(NamedTuple):
    """What a subspace says of the lowest eigenpairs.

    - `values`, `vectors`: ascending Ritz values, infinite where the subspace has no more, and
        vectors of any kind with an axis of states first.
    - `sizes`: norms of their residuals.
    - `corrections`: a block of vectors to extend the subspace by.
    - `kept`: coefficients, in columns, of the vectors that a restart keeps.
    """

    values: Float[Array, " states"]
    vectors: Any
    sizes: Float[Array, " states"]
    corrections: Float[Array, "block n"]
    kept: Float[Array, "rows kept"]


class _Search(NamedTuple):
    """The rows from `count` on for one block have no images yet."""

    basis: Float[Array, "rows n"]
    images: Any
    count: Array
    found: Ritz
    steps: Array


def search(
    apply: Callable[[Float[Array, "block n"]], Any],
    ritz: Callable[[Float[Array, "rows n"], Any, Bool[Array, " rows"]], Ritz],
    starts: Float[Array, "block n"],
    *,
    wanted: int,
    tolerance: float,
    max_steps: int,
) -> tuple[Ritz, Array]:
    """Extend a subspace until the residuals of the `wanted` lowest states are within `tolerance`.

    `apply` gives the images of a block, arrays or a tuple of arrays of its shape, and `ritz` solves
    in the subspace. Rows of zeros hold no vector: shapes stay while a subspace is exhausted.
    Returns the last Ritz pairs and the number of blocks.
    """
    block, n = starts.shape
    rows = _BLOCKS * block

    def unfinished(s: _Search):
        return jnp.any(s.found.sizes[:wanted] > tolerance) & (s.steps < max_steps)

    def advance(s: _Search) -> _Search:
        new = jax.lax.dynamic_slice_in_dim(s.basis, s.count, block)
        images = jax.tree.map(
            lambda old, x: jax.lax.dynamic_update_slice_in_dim(old, x, s.count, 0),
            s.images,
            apply(new),
        )
        used = jnp.sum(s.basis**2, axis=1) > 0.5
        found, count = ritz(s.basis, images, used), s.count + block
        full, basis = count + block > rows, s.basis
        keep = _rows(jnp.where(used[:, None], found.kept, 0).T, rows)
        basis, images = jax.tree.map(lambda x: jnp.where(full, keep @ x, x), (basis, images))
        count = jnp.where(full, found.kept.shape[1], count)
        corrections = jnp.where(_unsolved(found, tolerance, block), found.corrections, 0)
        return _Search(_extended(basis, count, corrections), images, count, found, s.steps + 1)

    empty = jnp.zeros((rows, n), starts.dtype)
    images = jax.tree.map(lambda x: jnp.zeros((rows, n), x.dtype), jax.eval_shape(apply, starts))
    nothing = jax.tree.map(
        lambda x: jnp.full(x.shape, jnp.inf, x.dtype),
        jax.eval_shape(ritz, empty, images, jnp.zeros(rows, bool)),
    )
    zero = jnp.zeros((), int)
    begin = _Search(_extended(empty, zero, starts), images, zero, nothing, zero)
    end = jax.lax.while_loop(unfinished, advance, begin)
    return end.found, end.steps


def _unsolved(found: Ritz, tolerance: float, block: int) -> Bool[Array, "block 1"]:
    """Which corrections belong to states that are not solved: states lie one after the other."""
    return jnp.tile(found.sizes > tolerance, block // found.sizes.size)[:, None]


def _rows(vectors: Array, rows: int) -> Array:
    """Orthonormal rows of the span of some rows, the first of `rows` rows."""
    return _extended(jnp.zeros((rows, vectors.shape[1]), vectors.dtype), 0, vectors)


def _extended(basis: Array, first: Any, new: Array) -> Array:
    def add(i, basis):
        return basis.at[first + i].set(orthonormal(basis.at[first + i].set(0), new[i]))

    # What a restart leaves behind in later rows is no longer in use.
    basis = jnp.where((jnp.arange(len(basis)) < first)[:, None], basis, 0)
    return jax.lax.fori_loop(0, len(new), add, basis)


def initial_block(
    diagonal: Float[Array, " n"], inside: Bool[Array, " n"], block: int
) -> Float[Array, "block n"]:
    """The unit vectors of the smallest entries, mixed with noise from a fixed key.

    Without the noise, symmetry would exclude eigenvectors orthogonal to the initial vectors.
    """
    n = diagonal.size
    order = jnp.argsort(jnp.where(inside, diagonal, jnp.inf))[:block]
    noise = jax.random.normal(jax.random.key(0), (block, n), diagonal.dtype) / n**0.5
    unit = jnp.zeros((block, n), diagonal.dtype).at[: len(order)].set(jax.nn.one_hot(order, n))
    return _rows(jnp.where(inside[None], unit + _NOISE * noise, 0), block)


def bound(matrix: Array) -> Array:
    """More than any eigenvalue: the Ritz value of rows that hold no vector."""
    return 1 + jnp.max(jnp.sum(jnp.abs(matrix), axis=1))


def divided(residual: Array, difference: Array, inside: Array) -> Array:
    """The residual over a difference of diagonals that is kept away from zero."""
    step = jnp.where(jnp.abs(difference) < _SMALLEST, _SMALLEST, difference)
    return jnp.where(inside[None], residual / step, 0)
