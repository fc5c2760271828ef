"""Networks as they are usually written, which ours are compared with."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def fft_fno(params, a):
    """The same network as it is usually written: rfft2, complex weights, zero-filled irfft2."""

    gelu = partial(jax.nn.gelu, approximate=False)

    def affine(layer, v):
        return v @ layer.weight + layer.bias

    def convolve(layer, v):
        *rows, m_last = layer.modes
        axes = tuple(range(1, v.ndim - 1))
        places = [np.r_[0 : m + 1, -1 : -m - 1 : -1] for m in rows] + [np.arange(m_last + 1)]
        kept = (slice(None), *np.ix_(*places))
        weight = layer.weight[..., 0, :] + 1j * layer.weight[..., 1, :]
        spectrum = jnp.fft.rfftn(v, axes=axes)
        low = jnp.einsum("b...i,...io->b...o", spectrum[kept], weight)
        full = jnp.zeros((*spectrum.shape[:-1], low.shape[-1]), spectrum.dtype)
        return jnp.fft.irfftn(full.at[kept].set(low), s=v.shape[1:-1], axes=axes)

    x = np.stack(np.meshgrid(*[np.arange(n) / n for n in a.shape[1:-1]], indexing="ij"), -1)
    position = np.concatenate([np.cos(2 * np.pi * x), np.sin(2 * np.pi * x)], -1)
    position = jnp.broadcast_to(jnp.asarray(position, a.dtype), (a.shape[0], *position.shape))
    v = affine(params.lift, jnp.concatenate([a, position], -1))
    for layer, (convolution, skip) in enumerate(
        zip(params.convolutions, params.skips, strict=True)
    ):
        v = convolve(convolution, v) + affine(skip, v)
        v = gelu(v) if layer < len(params.skips) - 1 else v
    return affine(params.project[1], gelu(affine(params.project[0], v)))


def plain_mgno(params, a):
    """The same network as it is usually written: strided and transposed convolutions."""

    def convolve(v, stencil, **options):
        options = {"window_strides": (1, 1), "padding": "SAME"} | options
        return jax.lax.conv_general_dilated(
            v, stencil, dimension_numbers=("NXYC", "XYIO", "NXYC"), **options
        )

    def cycle(f, levels):
        level = levels[0]
        u = convolve(f, level.before[0])
        if level.restrict is not None:
            residual = f - convolve(u, level.operator)
            down = dict(window_strides=(2, 2), padding=[(0, 1)] * 2)
            coarse = cycle(convolve(residual, level.restrict, **down), levels[1:])
            # The transpose of a convolution of stride two: its mirror image, on spread points.
            up = dict(padding=[(2, 1)] * 2, lhs_dilation=(2, 2))
            u = u + convolve(coarse, level.prolong[::-1, ::-1], **up)
        return u

    v = a
    for layer, skip in zip(params.cycles, params.skips, strict=True):
        v = cycle(v, layer.levels) + v @ skip.weight + skip.bias
        v = jax.nn.gelu(v, approximate=False)
    return v @ params.project.weight + params.project.bias
