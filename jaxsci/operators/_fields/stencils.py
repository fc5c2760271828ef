"""Correlation with a stencil, whose derivatives are fast on a CPU even inside loops."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .matrix_products import carry_batch


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def correlate(
    a: Float[Array, "*grid in_channels"],
    stencil: Float[Array, "*taps in_channels out_channels"],
    widths: Sequence[tuple[int, int]],
) -> Float[Array, "*reached out_channels"]:
    """b(x) = Σ_o a(x + o) κ_o on one sample, padded with `widths` zeros at the ends of each axis.

    XLA's CPU compiler maps a convolution to its fast kernel in one order of dimensions only. It
    reorders others, but not in the body of a loop, where the derivatives that JAX generates ran at
    a tenth of their speed. Here the derivative in the field has that order, and the one in the
    stencil is a matrix product.
    """
    return _convolve(a, stencil, widths, "IO")


@correlate.defjvp
def _correlate_jvp(widths, primals, tangents):
    (a, stencil), (da, dstencil) = primals, tangents
    # The transpose swaps the channels of the kernel; swapping them here restores the order.
    by_field = _convolve(da, stencil.swapaxes(-1, -2), widths, "OI")
    return correlate(a, stencil, widths), by_field + _as_product(a, dstencil, widths)


def _convolve(a, kernel, widths, channels):
    axes = "XYZ"[: a.ndim - 1]
    return jax.lax.conv_general_dilated(
        a[None],
        kernel,
        (1,) * (a.ndim - 1),
        widths,
        dimension_numbers=(f"N{axes}C", f"{axes}{channels}", f"N{axes}C"),
    )[0]


def _as_product(a, stencil, widths):
    """The same as one product: the taps of the last axis shift its result, the others shift `a`.

    Each side is copied once per tap of its own, where one side alone would be copied for all taps.
    """
    *taps, last = stencil.shape[:-2]
    padded = jnp.pad(a, [*widths, (0, 0)])
    sizes = [n + 1 - t for n, t in zip(padded.shape, taps, strict=False)]
    shifted = [
        padded[tuple(slice(o, o + n) for o, n in zip(offset, sizes, strict=True))]
        for offset in product(*map(range, taps))
    ]
    patches = jnp.concatenate(shifted, -1)
    # (*taps, last, in, out) to (*taps, in, last, out)
    weight = stencil.swapaxes(-2, -3).reshape(patches.shape[-1], -1)
    rows = patches.reshape(-1, patches.shape[-1]) @ carry_batch(weight, a)
    rows = rows.reshape(*patches.shape[:-1], -1)
    size = rows.shape[-2] + 1 - last
    parts = jnp.split(rows, last, -1)
    return sum(part[..., tap : tap + size, :] for tap, part in enumerate(parts))


def correlate_groups(
    a: Float[Array, "*grid in_channels"],
    stencil: Float[Array, "*taps in_group out_channels"],
    widths: Sequence[tuple[int, int]],
    *,
    groups: int,
) -> Float[Array, "*reached out_channels"]:
    """`correlate` within groups of neighbouring channels, as a sum of shifted products.

    With few channels in a group there is nothing to gain from a matrix product.
    """
    *taps, inner, outer = stencil.shape
    kernel = stencil.reshape(*taps, inner, groups, outer // groups).swapaxes(-3, -2)
    padded = jnp.pad(a, [*widths, (0, 0)])
    sizes = [n + 1 - t for n, t in zip(padded.shape, taps, strict=False)]
    total = jnp.zeros((math.prod(sizes), groups, outer // groups), a.dtype)
    for offset in product(*map(range, taps)):
        shifted = padded[tuple(slice(o, o + n) for o, n in zip(offset, sizes, strict=True))]
        shifted = shifted.reshape(-1, groups, inner, 1)
        total = total + jnp.sum(shifted * kernel[offset][None], 2)
    return total.reshape(*sizes, outer)
