"""A molecule's grid in blocks of points, whose basis functions fit into the processor's cache.

Recomputing basis functions in each pass is cheaper than writing them to memory and reading them
back, so no array of size functions × points exists unless requested.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ...core import one_copy
from .functions import Basis, Rows, evaluate_rows, laplacian_rows
from .grid import Grid, points_and_weights

# Bytes of one component of the basis functions of a block: a fraction of the cache on a CPU, and
# enough to keep other devices busy.
_BLOCK_BYTES = {"cpu": 1 << 20}
_OTHER_BLOCK_BYTES = 1 << 27
# On a CPU several blocks of even a small molecule: those that are padding alone are left out.
_SMALLEST_BLOCK, _LARGEST_CPU_BLOCK = 128, 512
_CACHE_LINE = 8  # numbers
_MOST_SPLITS = 4  # of the coarse grid, so that both grids fill their blocks
_LARGEST_KEPT = 1 << 29  # bytes of basis functions that are kept rather than recomputed
_MOST_PAIRS = 1 << 24  # of atoms times atoms times points, in one pass of Becke weights


class Quadrature(eqx.Module):
    """Points and weights in blocks, and the basis from which to compute functions at them.

    - `points`, `weights`: in Bohr and Bohr³; the last block is padded with points of weight zero.
    - `owner`, `atomic_weights`: the atom of each point, and its weight in that atom's own grid; not
        in blocks, which few functionals need.
    - `basis`, `coordinates`: of the molecule.
    - `orbitals`: the basis functions in each block, if kept.
    - `level`: of the functional, which determines the derivatives needed.
    - `size`: number of points without padding.
    """

    points: Float[Array, "blocks block 3"]
    weights: Float[Array, "blocks block"]
    owner: Int[Array, " padded"]
    atomic_weights: Float[Array, " padded"]
    basis: Basis
    coordinates: Float[Array, "atoms 3"]
    orbitals: tuple[Float[Array, "blocks rows block"], ...] | None
    level: str = eqx.field(static=True)
    size: int = eqx.field(static=True)

    def kept(self) -> "Quadrature":
        """With the basis functions in memory, if they are small enough."""
        components = {"lda": 1, "laplacian": 5}.get(self.level, 4)
        numbers = components * self.basis.rows * self.weights.size
        if 8 * numbers > _LARGEST_KEPT:
            return self
        shapes = jax.eval_shape(self._rows, self.points[0])
        blocks = len(self.points)
        empty = tuple(jnp.zeros((blocks, *s.shape), s.dtype) for s in shapes)

        def fill(i, kept):
            rows = self._rows(self.points[i])
            return tuple(k.at[i].set(r) for k, r in zip(kept, rows, strict=True))

        # A loop of unknown length, so that its body is the same as that of other loops
        kept = jax.lax.fori_loop(0, jnp.asarray(blocks), fill, empty)
        return dataclasses.replace(self, orbitals=kept)

    def sum(self, f: Callable[..., Any], of_points: Any = ()) -> Any:
        """Σ over blocks of `f(rows, weights, *of_points)`, any pytree.

        Memory is that of one block, also in derivatives, which recompute each block. On a CPU,
        blocks of padding alone cost nothing.
        `of_points` is a return value of `each`.
        """

        def of_block(block):
            points, weights, rows, known = block
            return f(self._rows(points) if rows is None else rows, weights, *known)

        blocks = self.points, self.weights, self.orbitals, of_points
        return sum_of_blocks(of_block, blocks, self.weights)

    def each(self, f: Callable[[Rows, Array], Any]) -> Any:
        """`f(rows, weights)` of each block, on a leading axis."""

        @jax.checkpoint
        def of_block(block):
            points, weights, rows = block
            return f(self._rows(points) if rows is None else rows, weights)

        return jax.lax.map(of_block, (self.points, self.weights, self.orbitals))

    def map(self, f: Callable[[Rows], Any]) -> Any:
        """`f(rows)` for all points, which are the last axis of its return value."""

        def join(x):
            return jnp.moveaxis(x, 0, -2).reshape(*x.shape[1:-1], -1)[..., : self.size]

        return jax.tree.map(join, self.each(lambda rows, _: f(rows)))

    def flat(self) -> tuple[Float[Array, "points 3"], Float[Array, " points"]]:
        """All points and weights."""
        return self.points.reshape(-1, 3)[: self.size], self.weights.reshape(-1)[: self.size]

    def _rows(self, points) -> Rows:
        return rows_at(
            self.basis.shells, self.basis.cartesian, self.coordinates, points, self.level
        )


def sum_of_blocks(f: Callable[[Any], Any], blocks: Any, weights: Float[Array, "..."]) -> Any:
    """Σ of `f(block)` over the leading axis of `blocks`; weights of zero are padding."""
    first = jax.eval_shape(f, jax.tree.map(lambda x: x[0], blocks))
    zero = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), first)
    weights = weights.reshape(len(jax.tree.leaves(blocks)[0]), -1)

    @jax.checkpoint
    def unless_padding(arrays):
        block, weights = arrays
        return jax.lax.cond(jnp.any(weights != 0), f, lambda _: zero, block)

    # Other devices would wait for the condition.
    part = unless_padding if jax.default_backend() == "cpu" else jax.checkpoint(lambda a: f(a[0]))

    def add(total, arrays):
        return jax.tree.map(jnp.add, total, part(arrays)), None

    return jax.lax.scan(add, zero, (blocks, weights))[0]


@one_copy
def rows_at(shells, cartesian, coordinates, points, level) -> Rows:
    """Basis functions at points, and what derivatives of them a level needs."""
    at = shells, cartesian, coordinates, points
    rows = evaluate_rows(*at, gradient=level != "lda")
    return (*rows, laplacian_rows(*at)) if level == "laplacian" else rows


def quadrature(
    grid: Grid,
    basis: Basis,
    coordinates: Float[Array, "atoms 3"],
    atom_mask: Bool[Array, " atoms"],
    level: str,
    block: int,
) -> Quadrature:
    """A molecule's grid in blocks of this many points, for a functional of a given level."""
    size = grid.size
    grid = grid.filled_up(-grid.size % block)

    def in_blocks(x):
        return x.reshape(-1, block, *x.shape[1:])

    if coordinates.shape[0] ** 2 * grid.size <= _MOST_PAIRS:
        points, weights = map(in_blocks, points_and_weights(grid, coordinates, atom_mask))
    else:

        @jax.checkpoint
        def of_block(arrays):
            x, owner, weights = arrays
            part = Grid(x, owner, weights, grid.size_adjustment)
            return points_and_weights(part, coordinates, atom_mask)

        arrays = map(in_blocks, (grid.displacement, grid.owner, grid.quadrature))
        points, weights = jax.lax.map(of_block, tuple(arrays))
    return Quadrature(
        points, weights, grid.owner, grid.quadrature, basis, coordinates, None, level, size
    )


def block_size(rows: int, grid: Grid) -> int:
    """Points in a block, alike on both grids, so that one program serves them."""
    if grid.coarse is None:
        return _block_size(rows, grid.size)
    sizes = grid.size, grid.coarse.size
    splits = {_block_size(rows, -(-grid.coarse.size // n)) for n in range(1, _MOST_SPLITS + 1)}
    return min(sorted(splits), key=lambda b: sum(-(-size // b) * b / size for size in sizes))


def _block_size(rows: int, points: int) -> int:
    """Points in a block."""
    platform = jax.default_backend()
    most = max(_BLOCK_BYTES.get(platform, _OTHER_BLOCK_BYTES) // (8 * rows), _SMALLEST_BLOCK)
    if platform == "cpu":
        most = min(most, _LARGEST_CPU_BLOCK)
    even = -(-points // -(-points // most))
    # An odd number of cache lines: at a multiple of a large power of two, the rows of a block would
    # compete for the same few sets of the cache (measured: up to three times slower).
    lines = -(-even // _CACHE_LINE) | 1
    return min(_CACHE_LINE * lines, points)
