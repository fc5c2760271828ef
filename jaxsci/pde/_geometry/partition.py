"""Smooth partitions of unity: pieces of a box, with windows that fade over their neighbours."""

import itertools
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# The window falls from 0.98 to 0.02 within this share of the narrower of two neighbours, about.
_FADE = 0.3

Breaks = Sequence[int | Sequence[float]]


class Windows(eqx.Module):
    """Windows that sum to one, products of one per axis: `windows(x)` for one point.

        w_i(x) = Π_a S((x_a - l_ia) / δ_ia) - S((x_a - u_ia) / δ_ia)

    S is a smooth step (an error function), l and u are the sides of piece i, infinitely far where
    it ends at the wall of the box, and δ is a share of the narrower of the pieces on both sides.
    """

    sides: tuple[Float[Array, " _"], ...]
    widths: tuple[Float[Array, " _"], ...]

    def __call__(self, x: Float[Array, " dim"]) -> Float[Array, " pieces"]:
        found = jnp.ones(1, x.dtype)
        for a, (sides, widths) in enumerate(zip(self.sides, self.widths, strict=True)):
            steps = (1 + jax.scipy.special.erf((x[a] - sides) / widths)) / 2
            steps = jnp.concatenate([jnp.ones(1, x.dtype), steps, jnp.zeros(1, x.dtype)])
            found = jnp.outer(found, steps[:-1] - steps[1:]).ravel()
        return found


def partition(
    lower: Float[np.ndarray, " dim"], upper: Float[np.ndarray, " dim"], breaks: Breaks
) -> tuple[Windows, Float[np.ndarray, "pieces dim"], Float[np.ndarray, "pieces dim"]]:
    """The windows of the pieces of a box, and the lower and upper corners of these."""
    edges = edges_of(lower, upper, breaks)
    widths = [_FADE * np.minimum(np.diff(e)[:-1], np.diff(e)[1:]) for e in edges]
    starts, ends = (
        np.array(list(itertools.product(*(e[part] for e in edges))))
        for part in (slice(None, -1), slice(1, None))
    )
    windows = Windows(tuple(jnp.asarray(e[1:-1]) for e in edges), tuple(map(jnp.asarray, widths)))
    return windows, starts, ends


def edges_of(
    lower: Float[np.ndarray, " dim"], upper: Float[np.ndarray, " dim"], breaks: Breaks
) -> list[Float[np.ndarray, " edges"]]:
    """The sides of all pieces along each coordinate."""
    if np.isscalar(breaks) or len(breaks) != len(lower):
        raise ValueError(
            f"breaks must have one entry for each of {len(lower)} coordinates, a number of pieces "
            f"or the places between them, got {breaks!r}."
        )
    return [_edges(*axis) for axis in zip(lower, upper, breaks, strict=True)]


def _edges(low: float, high: float, breaks: int | Sequence[float]) -> Float[np.ndarray, " edges"]:
    if isinstance(breaks, int | np.integer):
        if breaks < 1:
            raise ValueError(f"breaks counts pieces, at least 1 per coordinate, got {breaks}.")
        return np.linspace(low, high, breaks + 1)
    if np.ndim(breaks) != 1:
        raise ValueError(
            "breaks has for each coordinate a number of pieces or a list of the places between "
            f"them, such as [[0.1, 0.3], 1], got {breaks!r} for one."
        )
    edges = np.array([low, *breaks, high], float)
    if not np.all(np.diff(edges) > 0):
        raise ValueError(
            f"breaks must ascend within the domain, between {low:g} and {high:g}, got "
            f"{list(breaks)}."
        )
    return edges
