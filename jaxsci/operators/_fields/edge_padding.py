"""Fields continued past the ends of their axes, for convolutions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import jax.numpy as jnp
from jaxtyping import Array, Float

from .axis_points import Points, as_points, per_axis, without_repeated_ends
from .fields import as_lengths
from .periodicity import warn_unless_periodic
from .stencils import correlate, correlate_groups

Boundary = Literal["periodic", "zero", "reflect"]


@dataclass(frozen=True)
class Edge:
    """One axis of a domain: its length, its points, and how fields continue past its ends."""

    boundary: Boundary
    length: float
    points: Points


def as_edges(
    dim: int,
    boundary: Boundary | Sequence[Boundary],
    lengths: float | Sequence[float],
    points: Points | Sequence[Points],
    name: str,
) -> tuple[Edge, ...]:
    """The axes of a domain, with one option for all of them or one per axis.

    **Raises:** `ValueError` for unknown names, lengths that are not positive, and another number of
    values than axes.
    """
    kinds = per_axis(boundary, dim, name, "boundary")
    for kind in kinds:
        if kind not in get_args(Boundary):
            raise ValueError(f"boundary is {kind!r}; allowed are 'periodic', 'zero' and 'reflect'.")
    sizes, where = as_lengths(lengths, dim, name), as_points(points, dim, name)
    return tuple(Edge(k, float(l), p) for k, l, p in zip(kinds, sizes, where, strict=True))


def warn_of_edges(a: Float[Array, "*grid channels"], edges: Sequence[Edge], name: str) -> None:
    """Warn of a field that does not repeat along a periodic axis."""
    periodic = [axis for axis, edge in enumerate(edges) if edge.boundary == "periodic"]
    advice = "For other fields there are boundary='zero' and 'reflect'."
    where: list[Points] = [edge.points for edge in edges]
    warn_unless_periodic(a, periodic, f"{name}(boundary='periodic')", advice, 4, where)


def correlate_within(
    a: Float[Array, "*grid in_channels"],
    stencil: Float[Array, "*taps in_group out_channels"],
    edges: Sequence[Edge],
    groups: int = 1,
) -> Float[Array, "*grid out_channels"]:
    """Σ_o κ_o a(x + o) for an odd stencil, on a field continued past its ends."""
    twice = [x for x, e in enumerate(edges) if (e.boundary, e.points) == ("periodic", "ends")]
    a, widths = without_repeated_ends(a, twice), []
    for axis, edge in enumerate(edges):
        reach = stencil.shape[axis] // 2
        zero = edge.boundary == "zero"
        widths.append((reach, reach) if zero else (0, 0))
        if not zero:
            # Mirrored about an end that is a point, that point is not repeated.
            mirror = "reflect" if edge.points == "ends" else "symmetric"
            mode = "wrap" if edge.boundary == "periodic" else mirror
            pad = [(reach, reach) if x == axis else (0, 0) for x in range(a.ndim)]
            a = jnp.pad(a, pad, mode=mode)
    run = correlate if groups == 1 else partial(correlate_groups, groups=groups)
    b = run(a, stencil, tuple(widths))
    for axis in twice:
        b = jnp.concatenate([b, jnp.take(b, jnp.array([0]), axis)], axis)
    return b
