"""The tangent kernel by matrix-free products: column by column, K e = J (Jᵀ e)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def contract_products(f: Callable, params, shape: tuple[int, int, int]) -> Callable:
    """The contraction when examples serve as their own features.

    `f(params, x)` returns (trace, diagonal, full), of sizes `shape`. One backward pass gives the
    row Jᵀ e of an output of the column's example, and forward passes through all rows' examples
    contract it.
    """
    trace, diagonal, full = shape

    def column(rows, y):
        outputs, pullback = jax.vjp(lambda p: f(p, y), params)

        def entry(index):
            r, d, q = index
            (direction,) = pullback(jnp.zeros_like(outputs).at[r, d, q].set(1))
            pushed = jax.vmap(lambda x: jax.jvp(lambda p: f(p, x), (params,), (direction,))[1])
            return pushed(rows)[:, r, d]

        index = jnp.indices(shape).reshape(3, -1).T
        entries = jax.lax.map(entry, index).reshape(trace, diagonal, full, -1, full)
        return jnp.transpose(entries.sum(0), (2, 0, 3, 1))

    def contract(rows, columns):
        return jnp.moveaxis(jax.lax.map(lambda y: column(rows, y), columns), 0, 1)

    return contract
