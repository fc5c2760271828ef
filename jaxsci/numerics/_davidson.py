"""The lowest eigenpair of a symmetric operator with a large diagonal."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

_STARTS = 6  # initial vectors, and those kept on a restart
_SUBSPACE = 30  # vectors held before a restart
_SMALLEST = 1e-2  # denominator of the preconditioner
_UNUSED = 1e12  # Ritz value of rows that hold no vector


class _Search(NamedTuple):
    basis: Float[Array, "subspace n"]
    images: Float[Array, "subspace n"]
    count: Array
    value: Array
    vector: Float[Array, " n"]
    residual: Float[Array, " n"]
    products: Array


def lowest_eigenpair(
    operator: Callable[[Array], Array],
    diagonal: Float[Array, "*shape"],
    support: Bool[Array, "*shape"],
    *,
    tolerance: float,
    max_steps: int,
) -> tuple[Float[Array, ""], Float[Array, "*shape"], Bool[Array, ""]]:
    """The lowest eigenpair of a symmetric operator with a large diagonal, by Davidson's method.

        A x = λ x,   corrections (A x - λ x) / (diagonal - λ)

    The search starts at the smallest entries of the diagonal, mixed with noise from a fixed key:
    otherwise symmetry would exclude eigenvectors orthogonal to the initial vectors.

    **Arguments:**

    - `operator`: A, a symmetric linear map of arrays of shape `*shape` that preserves vectors which
        vanish outside `support`.
    - `diagonal`: an approximation of the diagonal of A.
    - `support`: the entries in which vectors may differ from zero.
    - `tolerance`: largest norm of A x - λ x, in the unit of A.
    - `max_steps`: most products with A.

    **Returns:** λ, the unit eigenvector x, and whether |A x - λ x| <= tolerance. λ is infinite if
    the support is empty.

    **Notes:** a vector at a time takes half the products with A that `lowest_eigenpairs` takes for
    one eigenpair, whose blocks have two more states.

    **Source:** Davidson, J. Comput. Phys. 17, 87 (1975).

    ```python
    from jaxsci.numerics import lowest_eigenpair

    d, v = jnp.arange(1.0, 41.0), jnp.full(40, 0.1)
    value, vector, converged = lowest_eigenpair(
        lambda x: d * x + v * (v @ x), d, d > 0, tolerance=1e-8, max_steps=100
    )
    ```
    """
    shape, n = diagonal.shape, diagonal.size
    flat = jnp.where(support, diagonal, jnp.inf).ravel()
    inside = support.ravel()

    def apply(x):
        return operator(x.reshape(shape)).ravel()

    def ritz(basis, images, products, count):
        used = jnp.sum(basis**2, axis=1) > 0.5
        projected = basis @ images.T + jnp.diag(jnp.where(used, 0, _UNUSED))
        values, vectors = jnp.linalg.eigh(0.5 * (projected + projected.T))
        # Restarts keep the lowest Ritz vectors and drop the other rows.
        whole = count == _SUBSPACE
        keep = jnp.where(jnp.arange(_SUBSPACE) < _STARTS, 1.0, 0.0)[:, None]
        keep = keep * (values < 0.5 * _UNUSED)[:, None]
        vector = vectors[:, 0] @ basis
        residual = vectors[:, 0] @ images - values[0] * vector
        basis, images = (jnp.where(whole, keep * (vectors.T @ x), x) for x in (basis, images))
        count = jnp.where(whole, _STARTS, count)
        return _Search(basis, images, count, values[0], vector, residual, products)

    def small(s):
        return jnp.linalg.norm(s.residual) <= tolerance

    def unfinished(s):
        return ~small(s) & (s.products < max_steps)

    def extend(s):
        step = flat - s.value
        step = jnp.where(jnp.abs(step) < _SMALLEST, _SMALLEST, step)
        new = orthonormal(s.basis, jnp.where(inside, s.residual / step, 0))
        basis, images = (x.at[s.count].set(y) for x, y in ((s.basis, new), (s.images, apply(new))))
        return ritz(basis, images, s.products + 1, s.count + 1)

    basis = jnp.zeros((_SUBSPACE, n), diagonal.dtype)
    noise = jax.random.normal(jax.random.key(0), (_STARTS, n), diagonal.dtype) / n**0.5
    order = jnp.argsort(flat)
    for i in range(min(_STARTS, n)):
        start = 0.1 * noise[i] + jax.nn.one_hot(order[i], n, dtype=diagonal.dtype)
        basis = basis.at[i].set(orthonormal(basis, jnp.where(inside, start, 0)))
    images = jnp.zeros_like(basis).at[:_STARTS].set(jax.lax.map(apply, basis[:_STARTS]))
    search = jax.lax.while_loop(
        unfinished, extend, ritz(basis, images, jnp.array(_STARTS), jnp.array(_STARTS))
    )
    any_inside = jnp.any(inside)
    value = jnp.where(any_inside, search.value, jnp.inf)
    return value, search.vector.reshape(shape), ~any_inside | small(search)


def orthonormal(basis, x):
    """The unit vector of the part of x orthogonal to the basis, or zero if there is none."""
    size = jnp.linalg.norm(x)
    x = x / jnp.where(size > 0, size, 1)
    for _ in range(2):
        x = x - (basis @ x) @ basis
    left = jnp.linalg.norm(x)
    x = jnp.where(left > 1e-10, x / jnp.where(left > 1e-10, left, 1), 0)
    # A third time, since normalising a small remainder amplifies its rounding.
    return x - (basis @ x) @ basis
