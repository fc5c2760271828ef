"""Sums over windows of positions, for kernels with one or two sets of position axes."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Padding = Literal["same", "valid", "circular"]


def per_axis(window: Sequence[int], strides: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """The strides along each of the position axes of a window that fits them."""
    strides = (strides,) * len(window) if isinstance(strides, int) else tuple(strides)
    if len(window) != rank or len(strides) != rank:
        raise ValueError(
            f"A window {tuple(window)} with strides {strides} does not fit inputs of {rank} "
            "position axes: inputs are (*positions, channels)."
        )
    return strides


def padded(
    k: Float[Array, "..."],
    axes: Iterable[int],
    window: Sequence[int],
    strides: Sequence[int],
    padding: Padding,
) -> Float[Array, "..."]:
    """Pad the given axes with zeros ("same") or wrapped values ("circular"), in XLA's layout."""
    if padding not in get_args(Padding):
        raise ValueError(f'padding must be "same", "valid" or "circular", got {padding!r}.')
    if padding == "valid":
        return k
    widths = [(0, 0)] * k.ndim
    for axis, size, stride in zip(axes, window, strides, strict=True):
        steps = -(-k.shape[axis] // stride)
        total = max((steps - 1) * stride + size - k.shape[axis], 0)
        widths[axis] = (total // 2, total - total // 2)
    return jnp.pad(k, widths, mode="constant" if padding == "same" else "wrap")


def paired_window_mean(
    k: Float[Array, "..."], window: Sequence[int], strides: Sequence[int], padding: Padding
) -> Float[Array, "..."]:
    """Σ_δ K(s + δ, s' + δ) / |window|: both sets of positions move together, if there are two.

    Axis after axis, since a window is a product of intervals.
    """
    rank = len(window)
    for axis, (size, stride) in enumerate(zip(window, strides, strict=True)):
        axes = range(axis, k.ndim, rank)
        count = len(axes)
        k = padded(k, axes, (size,) * count, (stride,) * count, padding)
        k = _window_sum(k, axes, size, stride) / size
    return k


def crossed_window_sum(
    k: Float[Array, "..."], window: Sequence[int], strides: Sequence[int]
) -> Float[Array, "..."]:
    """Σ_δδ' K(s + δ, s' + δ'): each set of positions moves on its own."""
    rank = len(window)
    for axis in range(k.ndim):
        k = _window_sum(k, (axis,), window[axis % rank], strides[axis % rank])
    return k


def _window_sum(k: Array, axes: Iterable[int], size: int, stride: int) -> Array:
    """The sum of whole windows along axes that move together.

    The barrier keeps the compiler from recomputing the input for each shift.
    """
    k = jax.lax.optimization_barrier(k)
    return reduce(jnp.add, [_strided(k, axes, shift, size, stride) for shift in range(size)])


def _strided(k: Array, axes: Iterable[int], shift: int, size: int, stride: int) -> Array:
    """Every `stride`-th entry from `shift` on, as many as whole windows fit."""
    for axis in axes:
        if k.shape[axis] < size:
            raise ValueError(f"A window of {size} is larger than the {k.shape[axis]} positions.")
        steps = (k.shape[axis] - size) // stride
        k = jax.lax.slice_in_dim(k, shift, shift + steps * stride + 1, stride, axis)
    return k
