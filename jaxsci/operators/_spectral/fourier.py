"""Truncated coefficients of fields on product grids: analysis, synthesis, and their cost."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._fields.matrix_products import along_axis
from .axes import Axis

# Real and imaginary parts, or real coefficients alone.
Parts = tuple[Float[Array, "..."], ...]

# Time per operation of jnp.fft relative to a matrix product on a CPU: 5 to 10, measured on whole
# layers of 32² and 64² points with 32 channels and of 1024 points with 64. Only the choice of
# algorithm depends on it, never the result.
FFT_PENALTY = 8.0


def analysis(
    a: Float[Array, "*grid channels"], modes: Sequence[int], axes: Sequence[Axis]
) -> Parts:
    """Coefficients of a field by one matrix product along each axis.

        f_k = Πⱼ 1/Lⱼ Σₓ w(x) a(x) exp(-2πi k·x/L),   w: weights of the axes

    The last of the Fourier axes holds k = 0..m, every other one k = 0, 1..m, -1..-m: half of the
    spectrum, which is all of it for a real field. Other axes hold k = 0..m.

    **Returns:** real and imaginary part, or the coefficients alone where no axis is Fourier's.
    """
    for place, (axis, m) in enumerate(zip(axes, modes, strict=True)):
        a = along_axis(axis.analysis(a.shape[place], m), a, place)
    if not _wave_axes(axes):
        return (a,)
    *whole, half = _wave_axes(axes)
    cos, sin = _split(a, half, modes[half])
    real, imag = cos, -_pad_zero(sin, half)
    for axis in whole:
        (rc, rs), (ic, is_) = _split(real, axis, modes[axis]), _split(imag, axis, modes[axis])
        r0, rc = _first(rc, axis)
        i0, ic = _first(ic, axis)
        real = jnp.concatenate([r0, rc + is_, rc - is_], axis)
        imag = jnp.concatenate([i0, ic - rs, ic + rs], axis)
    return real, imag


def synthesis(
    parts: Parts, grid: Sequence[int], modes: Sequence[int], axes: Sequence[Axis]
) -> Float[Array, "*grid channels"]:
    """The real field with the coefficients of `analysis`, on any grid.

    For Fourier axes a(x) = Re Σ_k f_k exp(2πi k·x/L).
    """
    a = parts[0]
    if _wave_axes(axes):
        *whole, half = _wave_axes(axes)
        real, imag = parts
        for axis in whole:
            r0, rp, rm = _signs(real, axis, modes[axis])
            i0, ip, im = _signs(imag, axis, modes[axis])
            real = jnp.concatenate([r0, rp + rm, im - ip], axis)
            imag = jnp.concatenate([i0, ip + im, rp - rm], axis)
        r0, rp = _first(real, half)
        _, ip = _first(imag, half)
        # k < 0 of this axis is the complex conjugate of k > 0: hence the factor two.
        a = jnp.concatenate([r0, 2 * rp, -2 * ip], half)
    for place in reversed(range(len(modes))):
        a = along_axis(axes[place].functions(grid[place], modes[place]), a, place)
    return a


def _wave_axes(axes: Sequence[Axis]) -> list[int]:
    return [place for place, axis in enumerate(axes) if axis.waves]


def coefficient_shape(modes: Sequence[int], axes: Sequence[Axis]) -> tuple[int, ...]:
    """The shape of the coefficients of `analysis`, without channels."""
    whole = set(_wave_axes(axes)[:-1])
    return tuple(2 * m + 1 if place in whole else m + 1 for place, m in enumerate(modes))


def scattered_analysis(
    a: Float[Array, "points channels"],
    x: Float[Array, "points dim"],
    weights: Float[Array, " points"],
    modes: Sequence[int],
    periods: Sequence[float],
) -> Parts:
    """`analysis` of a function on scattered points with quadrature weights, for Fourier axes."""
    cos, sin = _waves(x, modes, periods)
    weighted = a * (weights / math.prod(periods)).astype(a.dtype)[:, None]
    shape = (*(2 * m + 1 for m in modes[:-1]), modes[-1] + 1, a.shape[-1])
    return (cos.T @ weighted).reshape(shape), (-sin.T @ weighted).reshape(shape)


def scattered_synthesis(
    parts: Parts,
    y: Float[Array, "points dim"],
    modes: Sequence[int],
    periods: Sequence[float],
) -> Float[Array, "points channels"]:
    """`synthesis` at scattered points, for Fourier axes."""
    real, imag = parts
    cos, sin = _waves(y, modes, periods)
    channels = real.shape[-1]
    # Half of the spectrum represents all of it: all but last wave number 0 count twice.
    twice = np.where(np.arange(modes[-1] + 1) > 0, 2.0, 1.0)[:, None].astype(real.dtype)
    twice = twice.reshape((1,) * (real.ndim - 2) + twice.shape)
    re, im = ((twice * part).reshape(-1, channels) for part in (real, imag))
    return cos @ re - sin @ im


def _waves(x, modes, periods):
    """cos and sin of 2π k·x/L, as (points, modes) in the order of `analysis`."""
    axes = [_wave_numbers(m) for m in modes[:-1]] + [np.arange(modes[-1] + 1)]
    k = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], -1)
    turns = 2 * np.pi / np.asarray(periods)[:, None] * k.T
    phase = x @ jnp.asarray(turns, x.dtype)
    return jnp.cos(phase), jnp.sin(phase)


def fft_analysis(a: Float[Array, "*grid channels"], modes: Sequence[int]) -> Parts:
    """`analysis` of periodic axes with points i/N, by a fast Fourier transform."""
    axes = tuple(range(len(modes)))
    f = jnp.fft.rfftn(a, axes=axes, norm="forward")
    for axis, m in enumerate(modes[:-1]):
        f = jnp.take(f, _wave_numbers(m) % a.shape[axis], axis=axis)
    f = jnp.take(f, np.arange(modes[-1] + 1), axis=axes[-1])
    return f.real, f.imag


def fft_synthesis(
    parts: Parts,
    grid: Sequence[int],
    modes: Sequence[int],
) -> Float[Array, "..."]:
    """`synthesis` on a grid of points i/N that holds every mode, by a fast Fourier transform."""
    real, imag = parts
    half = (*grid[:-1], grid[-1] // 2 + 1)
    places = [_wave_numbers(m) % n for m, n in zip(modes[:-1], grid[:-1], strict=True)]
    places.append(np.arange(modes[-1] + 1))
    f = jnp.zeros((*half, real.shape[-1]), jnp.result_type(real.dtype, jnp.complex64))
    f = f.at[np.ix_(*places)].set(real + 1j * imag)
    return jnp.fft.irfftn(f, s=tuple(grid), axes=tuple(range(len(grid))), norm="forward")


def prefer_fft(grid: Sequence[int], modes: Sequence[int]) -> bool:
    """Whether an FFT is expected to be faster than truncated products."""
    product, sizes = 0, list(grid)
    for axis, m in enumerate(modes):
        product += 2 * (2 * m + 1) * math.prod(sizes)
        sizes[axis] = 2 * m + 1
    fft = 2.5 * math.prod(grid) * math.log2(math.prod(grid))
    return product > FFT_PENALTY * fft


def _wave_numbers(m):
    return np.concatenate([np.arange(m + 1), -np.arange(1, m + 1)])


def _split(a, axis, m):
    """Cosine (0..m) and sine (1..m) coefficients."""
    return jnp.split(a, [m + 1], axis)


def _first(a, axis):
    return jnp.split(a, [1], axis)


def _signs(a, axis, m):
    """The coefficients of k = 0, k = 1..m and k = -1..-m."""
    return jnp.split(a, [1, m + 1], axis)


def _pad_zero(a, axis):
    """Sine coefficients from k = 0 on: sin(0) = 0."""
    return jnp.pad(a, [(1, 0) if i == axis else (0, 0) for i in range(a.ndim)])
