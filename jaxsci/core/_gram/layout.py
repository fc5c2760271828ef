"""Output axes of a tangent kernel: those averaged, those kept once, and those that appear twice."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


class OutputLayout(NamedTuple):
    """How the outputs of one example are laid out as one array (trace, diagonal, full).

    Every output is transposed to (traced axes, diagonal axes, the rest), its groups are merged,
    and all outputs are concatenated along the last axis.
    """

    tree: Any
    shapes: tuple[tuple[int, ...], ...]
    trace_axes: tuple[tuple[int, ...], ...]
    diagonal_axes: tuple[tuple[int, ...], ...]
    trace: int
    diagonal: int
    sizes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes (trace, diagonal, full) of the arranged outputs of one example."""
        return (self.trace, self.diagonal, sum(self.sizes))

    def arrange(self, outputs: PyTree[Array]) -> Float[Array, "trace diagonal full"]:
        """The outputs of one example as one array."""
        parts = []
        for y, traced, kept in zip(
            jax.tree.leaves(outputs), self.trace_axes, self.diagonal_axes, strict=True
        ):
            rest = tuple(i for i in range(jnp.ndim(y)) if i not in traced + kept)
            y = jnp.transpose(y, traced + kept + rest)
            parts.append(y.reshape(self.trace, self.diagonal, -1))
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)

    def blocks(self, kernel: Float[Array, "n m diagonal full full2"]) -> PyTree[Array]:
        """The kernel of the arranged outputs as blocks K[a][b] in the layout of `gram`."""
        kernel = kernel / self.trace if self.trace > 1 else kernel
        edges = (0, *itertools.accumulate(self.sizes))
        count = range(len(self.sizes))
        rows = [
            self.tree.unflatten(
                [
                    self._interleave(
                        kernel[..., edges[a] : edges[a + 1], edges[b] : edges[b + 1]], a, b
                    )
                    for b in count
                ]
            )
            for a in count
        ]
        return self.tree.unflatten(rows)

    def _interleave(self, block, a, b):
        """(n, m, diagonal, Qa, Qb) to (n, m, o₁, o₁', o₂, o₂', ...), diagonal axes once."""
        kept = [self.shapes[a][i] for i in self.diagonal_axes[a]]
        rest_a, rest_b = self._rest(a), self._rest(b)
        shape_a = [self.shapes[a][i] for i in rest_a]
        shape_b = [self.shapes[b][i] for i in rest_b]
        block = block.reshape(*block.shape[:2], *kept, *shape_a, *shape_b)
        start_a = 2 + len(kept)
        start_b = start_a + len(rest_a)
        # Sorted by the axis of the output they come from; the row's index before the column's.
        places = sorted(
            [(axis, 0, 2 + i) for i, axis in enumerate(self.diagonal_axes[a])]
            + [(axis, 0, start_a + i) for i, axis in enumerate(rest_a)]
            + [(axis, 1, start_b + i) for i, axis in enumerate(rest_b)]
        )
        return jnp.transpose(block, (0, 1, *(place for _, _, place in places)))

    def _rest(self, a):
        gone = self.trace_axes[a] + self.diagonal_axes[a]
        return [i for i in range(len(self.shapes[a])) if i not in gone]


def output_layout(
    outputs: PyTree[jax.ShapeDtypeStruct],
    trace_axes: int | Sequence[int],
    diagonal_axes: int | Sequence[int],
) -> OutputLayout:
    """Check the axes against the outputs of one example and lay them out."""
    leaves, tree = jax.tree.flatten(outputs)
    if not leaves:
        raise ValueError("The function returns no array: gram() needs at least one output.")
    for leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise TypeError(
                f"The function returns dtype {leaf.dtype}; tangent kernels need real "
                "floating-point outputs. Return real and imaginary parts as two outputs."
            )
    shapes = tuple(tuple(leaf.shape) for leaf in leaves)
    traced = tuple(_normalise("trace_axes", trace_axes, s) for s in shapes)
    kept = tuple(_normalise("diagonal_axes", diagonal_axes, s) for s in shapes)
    for s, t, d in zip(shapes, traced, kept, strict=True):
        if set(t) & set(d):
            raise ValueError(
                f"trace_axes={trace_axes} and diagonal_axes={diagonal_axes} name the same axis of "
                f"an output of shape {s}; an axis is either averaged or kept as a diagonal."
            )
    for name, axes in (("trace_axes", traced), ("diagonal_axes", kept)):
        sizes = {tuple(s[i] for i in a) for s, a in zip(shapes, axes, strict=True)}
        if len(sizes) > 1:
            raise ValueError(
                f"{name} select sizes {sorted(sizes)} in outputs of shapes {list(shapes)}: blocks "
                f"between outputs need equal sizes there. Call gram() for each output instead."
            )
    trace = math.prod(shapes[0][i] for i in traced[0])
    diagonal = math.prod(shapes[0][i] for i in kept[0])
    sizes = tuple(math.prod(s) // (trace * diagonal) for s in shapes)
    return OutputLayout(tree, shapes, traced, kept, trace, diagonal, sizes)


def _normalise(name, axes, shape):
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    for axis in axes:
        if not -len(shape) <= axis < len(shape):
            raise ValueError(
                f"{name}={axes} does not fit an output of shape {shape} for one example: axes "
                f"must lie in {-len(shape)}..{len(shape) - 1}, and the batch axis is not counted."
            )
    axes = tuple(axis % len(shape) for axis in axes)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}={axes} names an axis of an output of shape {shape} twice.")
    if any(shape[axis] == 0 for axis in axes):
        raise ValueError(f"{name}={axes} names an axis of size 0 of an output of shape {shape}.")
    return axes
