"""Products of features: the arithmetic of J Jᵀ."""

import jax
import jax.numpy as jnp

# XLA on CPU runs one long (n, p) (p, m) product at a fifth of its speed; pieces of this many
# columns restore it.
_PIECE = 8192


def direct_product(u, v):
    """Σ over trace and leaf entries of two Jacobians (n, trace, diagonal, full, size)."""
    n, trace, diagonal, full, size = u.shape
    m, other = v.shape[0], v.shape[3]

    def rows(j, count, outputs):
        j = jnp.transpose(j, (2, 0, 3, 1, 4)) if trace * diagonal > 1 else j
        return j.reshape(diagonal, count * outputs, trace * size)

    product = jax.vmap(long_product)(rows(u, n, full), rows(v, m, other))
    return jnp.transpose(product.reshape(diagonal, n, full, m, other), (1, 3, 0, 2, 4))


def long_product(u, v):
    """u vᵀ of (n, p) and (m, p), in pieces of columns that keep the product at full speed."""
    size = u.shape[1]
    pieces = size // _PIECE
    if pieces < 2:
        return u @ v.T

    def add(i, total):
        a, b = (jax.lax.dynamic_slice_in_dim(z, i * _PIECE, _PIECE, axis=1) for z in (u, v))
        return total + a @ b.T

    zero = jnp.zeros((u.shape[0], v.shape[0]), jnp.result_type(u, v))
    total = jax.lax.fori_loop(0, pieces, add, zero)
    return total + u[:, pieces * _PIECE :] @ v[:, pieces * _PIECE :].T
