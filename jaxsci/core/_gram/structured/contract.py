"""Products of features: the arithmetic of J Jᵀ."""

import functools

import jax
import jax.numpy as jnp

from ..blocks import split

# XLA on CPU runs one long (n, p) (p, m) product at a fifth of its speed; pieces of this many
# columns restore it.
_PIECE = 8192
# Entries of an intermediate kernel between positions held at once, so that they stay in cache.
_HELD = 1_000_000


def contract_features(rows, columns):
    """The kernel (n, m, diagonal, full, full) between two batches of features."""
    (rows_u, factors_u), (rows_v, factors_v) = rows, columns
    parts = [direct_product(rows_u[k], rows_v[k]) for k in rows_u if k in rows_v]
    for key in factors_u:
        for one, u in factors_u[key].items():
            parts += [
                factor_product(u, v) if one == other else swapped_product(u, v, one)
                for other, v in factors_v.get(key, {}).items()
            ]
    if not parts:  # the functions depend on different leaves
        n, diagonal, full = _sizes(rows)
        m, _, other = _sizes(columns)
        dtype = jnp.result_type(*jax.tree.leaves((rows, columns)))
        return jnp.zeros((n, m, diagonal, full, other), dtype)
    return functools.reduce(jnp.add, parts)


def _sizes(features):
    rows, factors = features
    if rows:
        return next(iter(rows.values())).shape[:3]
    cotangent = next(iter(next(iter(factors.values())).values()))
    cotangent = max(cotangent, key=lambda a: a.ndim)
    return cotangent.shape[0], cotangent.shape[2], cotangent.shape[3]


def direct_product(u, v):
    """Products of Jacobian rows (n, diagonal, full, entries)."""
    n, diagonal, full, size = u.shape
    m, _, other, _ = v.shape
    if diagonal == 1:
        product = long_product(u.reshape(n * full, size), v.reshape(m * other, size))
        return product.reshape(n, full, m, other).transpose(0, 2, 1, 3)[:, :, None]
    u, v = (jnp.moveaxis(j, 1, 0).reshape(diagonal, -1, size) for j in (u, v))
    product = jax.vmap(long_product)(u, v).reshape(diagonal, n, full, m, other)
    return product.transpose(1, 3, 0, 2, 4)


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


def factor_product(u, v):
    """Σₜₛ (aₜ · a'ₛ)(∂ₜ · ∂'ₛ), where both cotangents are on the same side."""
    (a, d), (a2, d2) = (sorted(f, key=lambda z: z.ndim) for f in (u, v))
    n, batch, t, _ = a.shape
    m, _, s, _ = a2.shape
    _, _, diagonal, full = d.shape[:4]
    if batch * t * s == 1:
        return _single_position(a, d, a2, d2)
    at_once = max(1, _HELD // (m * batch * t * s * diagonal * full * d2.shape[3]))
    columns = _positions_first(a2, d2)
    if at_once >= n:
        return _many_positions(_positions_first(a, d), columns)
    rows, _ = split((a, d), -(-n // -(-n // at_once)))
    kernel = jax.lax.map(lambda z: _many_positions(_positions_first(*z), columns), rows)
    return kernel.reshape(-1, *kernel.shape[2:])[:n]


def _positions_first(a, d):
    """Activations (b, t, n, l) and cotangents (b, diagonal, full, t, n, trace · f).

    Examples come last in their products, so that what follows runs along memory.
    """
    d = jnp.transpose(d, (4, 2, 3, 5, 0, 1, 6))
    return jnp.transpose(a, (1, 2, 0, 3)), d.reshape(*d.shape[:5], -1)


def _many_positions(rows, columns):
    (a, d), (a2, d2) = rows, columns
    (batch, t, n, _), (_, s, m, _) = a.shape, a2.shape
    _, diagonal, full, other = *d.shape[:3], d2.shape[2]
    between = _batched_product(a.reshape(batch, t * n, -1), a2.reshape(batch, s * m, -1))
    d = d.reshape(batch * diagonal, full * t * n, -1)
    d2 = d2.reshape(batch * diagonal, other * s * m, -1)
    outputs = _batched_product(d, d2)
    between = between.reshape(batch, 1, 1, t, n, 1, s, m)
    outputs = outputs.reshape(batch, diagonal, full, t, n, other, s, m)
    return jnp.transpose((between * outputs).sum((0, 3, 6)), (2, 4, 0, 1, 3))


def _batched_product(u, v):
    """u vᵀ of (b, n, p) and (b, m, p); XLA on CPU copies transposed operands that have a batch."""
    return (u[0] @ v[0].T)[None] if len(u) == 1 else u @ jnp.swapaxes(v, 1, 2)


def _single_position(a, d, a2, d2):
    n, m = a.shape[0], a2.shape[0]
    between = long_product(a.reshape(n, -1), a2.reshape(m, -1))
    trace, diagonal, full = d.shape[1:4]
    d, d2 = (
        jnp.transpose(z, (0, 2, 3, 1, 4, 5, 6)).reshape(z.shape[0], diagonal, z.shape[3], -1)
        for z in (d, d2)
    )
    return between[:, :, None, None, None] * direct_product(d, d2)


def swapped_product(u, v, side):
    """Σₜₛ (aₜ · ∂'ₛ)(∂ₜ · a'ₛ): one use of W, the other of Wᵀ."""
    if side == "left":
        u, v = u[::-1], v[::-1]
    a, d = u
    d2, a2 = v

    def row(example):
        a, d = example
        first = jnp.einsum("btl,mrdkbsl->rdbmtks", a, d2)
        second = jnp.einsum("rdqbtf,mbsf->rdbmqts", d, a2)
        return jnp.einsum("rdbmtks,rdbmqts->mdqk", first, second)

    return jax.lax.map(row, (a, d))
