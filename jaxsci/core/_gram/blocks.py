"""A kernel from features of single examples: whole, in blocks, or sharded over a mesh.

`features(x)` describes one example, `contract(rows, columns)` turns two batches of features into
the kernel block (n, m, diagonal, full, full). Nothing here knows what the features are.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from .._run.vmap import automatic, fill_up

# Features of all examples are kept up to this many bytes; above it, each block recomputes them.
_KEPT = 2 * 2**30
# A triangle saves work only while its products stay large, with at least this many rows. Up to four
# strips are unrolled; more blocks are looped over, which keeps temporaries in cache.
_ROWS_OF_STRIP, _MAX_STRIPS = 128, 4
_ROWS_OF_BLOCK, _MAX_BLOCKS = 200, 8


def kernel_blocks(
    features: Callable,
    contract: Callable,
    x1,
    x2=None,
    *,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
):
    """The kernel (n, m, diagonal, full, full) between `x1` and `x2`, or of `x1` with itself."""
    if mesh is not None:
        return _over_mesh(features, contract, x1, x2, batch_size, mesh)
    if batch_size is None or batch_size >= max(leading_size(x1), leading_size(x2, x1)):
        rows = jax.vmap(features)(x1)
        return triangle(contract, rows) if x2 is None else contract(rows, jax.vmap(features)(x2))
    if x2 is None:
        return _chunked_triangle(features, contract, x1, batch_size)
    return _chunked(features, contract, x1, x2, batch_size)


def leading_size(x, default=None) -> int:
    return jax.tree.leaves(default if x is None else x)[0].shape[0]


def triangle(contract: Callable, rows):
    """The kernel of one batch with itself: the lower triangle, mirrored."""
    n = leading_size(rows)
    full = jax.eval_shape(contract, rows, rows).shape[-1]
    blocks = min(_MAX_BLOCKS, n, n * full // _ROWS_OF_BLOCK)
    if blocks > _MAX_STRIPS:
        return _triangle_of_blocks(contract, rows, -(-n // blocks))
    strips = min(_MAX_STRIPS, n, n * full // _ROWS_OF_STRIP)
    return _triangle_of_strips(contract, rows, strips) if strips > 1 else contract(rows, rows)


def _triangle_of_strips(contract, rows, count):
    n = leading_size(rows)
    edges = np.linspace(0, n, count + 1).astype(int)
    lower = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        block = contract(take(rows, start, stop), take(rows, 0, stop))
        padding = [(0, 0), (0, n - stop)] + [(0, 0)] * (block.ndim - 2)
        lower.append(jnp.pad(block, padding))
    lower = jnp.concatenate(lower)
    block_of = np.searchsorted(edges[1:], np.arange(n), side="right")
    above = block_of[:, None] < block_of[None, :]
    return jnp.where(above[:, :, None, None, None], mirror(lower), lower)


def _triangle_of_blocks(contract, rows, size):
    n = leading_size(rows)
    starts = np.minimum(np.arange(0, n, size), n - size)  # the last block overlaps the one before
    pairs = jnp.asarray(starts[np.stack(np.tril_indices(len(starts)), 1)])

    def at(start):
        return jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, start, size), rows)

    def block(i, j):
        return contract(at(i), at(j))

    def add(k, kernel):
        i, j = pairs[k]
        part = block(i, j)
        kernel = jax.lax.dynamic_update_slice(kernel, part, (i, j, 0, 0, 0))
        return jax.lax.dynamic_update_slice(kernel, mirror(part), (j, i, 0, 0, 0))

    shape = jax.eval_shape(block, 0, 0)
    kernel = jnp.zeros((n, n, *shape.shape[2:]), shape.dtype)
    return jax.lax.fori_loop(0, len(pairs), add, kernel)


def mirror(kernel):
    """K(x', x) from K(x, x')."""
    return jnp.transpose(kernel, (1, 0, 2, 4, 3))


def take(tree, start, stop):
    return jax.tree.map(lambda a: a[start:stop], tree)


def split(x, batch_size):
    """Blocks (blocks, batch_size, ...); the last one is filled with copies of the last example."""
    n = leading_size(x)
    padding = -n % batch_size

    def blocks(a):
        if padding:
            a = jnp.concatenate([a, jnp.broadcast_to(a[-1:], (padding, *a.shape[1:]))])
        return a.reshape(a.shape[0] // batch_size, batch_size, *a.shape[1:])

    return jax.tree.map(blocks, x), n


def _join(blocks, n, m):
    """(rows, columns, b, b, ...) blocks to one (n, m, ...) kernel."""
    blocks = jnp.swapaxes(blocks, 1, 2)
    rows, b, columns, c = blocks.shape[:4]
    return blocks.reshape(rows * b, columns * c, *blocks.shape[4:])[:n, :m]


def described(features, blocks):
    """The features of blocks of examples, and a function that reads those of one block.

    Computed once and kept if they fit; otherwise the examples are kept in their place.
    """
    describe = jax.vmap(features)
    if fits(jax.eval_shape(jax.vmap(describe), blocks)):
        return jax.lax.map(describe, blocks), lambda block: block
    return blocks, describe


def fits(features) -> bool:
    """Whether features of these shapes may be kept."""
    return sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(features)) <= _KEPT


def _chunked(features, contract, x1, x2, batch_size):
    x1, n = split(x1, min(batch_size, leading_size(x1)))
    x2, m = split(x2, min(batch_size, leading_size(x2)))
    columns, describe = described(features, x2)

    def row_of_blocks(x):
        rows = jax.vmap(features)(x)
        return jax.lax.map(lambda y: contract(rows, describe(y)), columns)

    return _join(jax.lax.map(row_of_blocks, x1), n, m)


def _chunked_triangle(features, contract, x, batch_size):
    """Row i of the triangle has i + 1 blocks; together with row b - 1 - i it always has b + 1."""
    x, n = split(x, batch_size)
    count = leading_size(x)
    half = (count + 1) // 2
    blocks, describe = described(features, x)

    def block(index):
        return describe(jax.tree.map(lambda a: a[index], blocks))

    def pair_of_rows(i):
        pair = jax.tree.map(lambda a, b: jnp.stack([a, b]), block(i), block(count - 1 - i))

        def one(step):
            second = step > i
            rows = jax.tree.map(lambda a: a[second.astype(int)], pair)
            column = jnp.where(second, step - i - 1, step)
            return contract(rows, block(column))

        return jax.lax.map(one, jnp.arange(count + 1))

    folded = jax.lax.map(pair_of_rows, jnp.arange(half))
    row, column = np.indices((count, count))
    high, low = np.maximum(row, column), np.minimum(row, column)
    first = high < half
    at = np.where(first, high, count - 1 - high)
    blocks = folded[at, np.where(first, low, low + at + 1)]
    above = (row < column).reshape(count, count, *[1] * (blocks.ndim - 2))
    return _join(jnp.where(above, mirror_blocks(blocks), blocks), n, n)


def mirror_blocks(blocks):
    return jnp.transpose(blocks, (0, 1, 3, 2, 4, 6, 5))


def lower_blocks(features, contract, batches):
    """Kernel blocks [i][j], j <= i, between batches described by functions of their own."""
    rows = [jax.vmap(f)(x) for f, x in zip(features, batches, strict=True)]
    return [
        [contract(row, column) for column in rows[:i]] + [triangle(contract, row)]
        for i, row in enumerate(rows)
    ]


def lower_blocks_over_mesh(features, contract, batches, mesh: Mesh):
    """The same over a mesh: each device computes its share of the rows and holds the result."""

    def share(batches, columns):
        columns = [jax.vmap(f)(x) for f, x in zip(features, columns, strict=True)]
        rows = [jax.vmap(f)(x) for f, x in zip(features, batches, strict=True)]
        blocks = [[contract(row, c) for c in columns[: i + 1]] for i, row in enumerate(rows)]
        return jax.lax.all_gather(blocks, mesh.axis_names, tiled=True)

    blocks = _sharded(share, mesh, PartitionSpec())([fill_up(x, mesh) for x in batches], batches)
    sizes = [leading_size(x) for x in batches]
    return [[block[:n] for block in row] for n, row in zip(sizes, blocks, strict=True)]


def _over_mesh(features, contract, x1, x2, batch_size, mesh):
    """Each device computes the rows of its share of `x1` against all of `x2`."""

    def share(rows, columns):
        return kernel_blocks(features, contract, rows, columns, batch_size=batch_size)

    sharded = _sharded(share, mesh, PartitionSpec(mesh.axis_names))
    return sharded(fill_up(x1, mesh), x1 if x2 is None else x2)[: leading_size(x1)]


def _sharded(share, mesh, out_specs):
    """Call `share(rows, columns)` with the rows of each device and all columns."""
    mesh = automatic(mesh)
    in_specs = (PartitionSpec(mesh.axis_names), PartitionSpec())
    return jax.shard_map(share, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
