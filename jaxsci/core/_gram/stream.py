"""A kernel computed block by block from the host, with a progress bar, for runs of minutes."""

import functools
from collections.abc import Callable

import jax
import numpy as np
from tqdm import tqdm

from .blocks import fits, leading_size, split


def streamed(describe: Callable, contract: Callable, x1, x2=None, *, batch_size: int) -> np.ndarray:
    """The kernel (n, m, diagonal, full, full) in host memory.

    `describe(block)` gives the features of a batch of examples, `contract(rows, columns)` the block
    of the kernel between two of them. Without `x2` only the lower triangle is computed.
    """
    sides = [split(x, min(batch_size, leading_size(x))) for x in (x1, x2) if x is not None]
    (rows, n), (columns, m) = sides[0], sides[-1]
    kept = fits([jax.eval_shape(jax.vmap(describe), blocks) for blocks, _ in sides])

    @functools.lru_cache(maxsize=None if kept else 2)
    def features(side, index):
        return describe(jax.tree.map(lambda a: a[index], sides[side][0]))

    pairs = [
        (i, j)
        for i in range(leading_size(rows))
        for j in range(i + 1 if x2 is None else leading_size(columns))
    ]
    kernel = np.empty(0)
    for i, j in tqdm(pairs, desc="kernel", unit="block", delay=2.0):
        block = np.asarray(contract(features(0, i), features(len(sides) - 1, j)))
        if not kernel.size:
            kernel = np.empty((n, m, *block.shape[2:]), block.dtype)
        _write(kernel, block, i, j)
        if x2 is None and i > j:
            _write(kernel, block.transpose(1, 0, 2, 4, 3), j, i)
    return kernel


def _write(kernel, block, i, j):
    """Write a block in its place, without the padding of the last ones."""
    height, width = block.shape[:2]
    place = kernel[i * height : (i + 1) * height, j * width : (j + 1) * width]
    place[...] = block[: place.shape[0], : place.shape[1]]
