"""Truncated real Fourier coefficients on any uniform grid: analysis, synthesis, and their cost."""

import math
from collections.abc import Sequence
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._fields.fields import as_lengths, check_floating, check_real_and_filled
from .._fields.periodicity import warn_unless_periodic
from .._fields.products import along_axis

# Time per operation of jnp.fft relative to a matrix product on a CPU: 5 to 10, measured on whole
# layers of 32² and 64² points with 32 channels and of 1024 points with 64. Only the choice of
# algorithm depends on it, never the result.
FFT_PENALTY = 8.0


@lru_cache(maxsize=256)
def fourier_matrix(n: int, modes: int, period: float) -> Float[np.ndarray, "rows n"]:
    """Rows cos(2πkx/L), k = 0..m, then sin(2πkx/L), k = 1..m, at the points x = i/n."""
    phase = 2 * np.pi / period * np.outer(np.arange(modes + 1), np.arange(n) / n)
    return np.concatenate([np.cos(phase), np.sin(phase[1:])])


def quadrature(n: int, period: float) -> Float[np.ndarray, " n"]:
    """Weights of ∫₀¹ f dx at the points x = i/n.

    Equal weights where f is periodic on the unit interval, which is exact for its resolved modes.
    Otherwise (period > 1) the trapezoidal rule, with f(1) extrapolated linearly: second order.
    """
    weights = np.full(n, 1 / n)
    if period > 1 and n > 2:
        weights[[0, n - 2, n - 1]] *= 0.5, 0.5, 2.0
    return weights


def analysis(
    a: Float[Array, "*grid channels"], modes: Sequence[int], period: float = 1.0
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Fourier coefficients of a field, real and imaginary part, by matrix products.

        f_k = L⁻ᵈ Σₓ w(x) a(x) exp(-2πi k·x/L),   w: `quadrature` weights

    The last axis holds k = 0..m, every other axis k = 0, 1..m, -1..-m: half of the spectrum,
    which is all of it for a real field.
    """
    grid = a.shape[:-1]
    for axis, (n, m) in enumerate(zip(grid, modes, strict=True)):
        a = along_axis(fourier_matrix(n, m, period) * quadrature(n, period) / period, a, axis)
    last = len(grid) - 1
    cos, sin = _split(a, last, modes[last])
    real, imag = cos, -_pad_zero(sin, last)
    for axis, m in enumerate(modes[:-1]):
        (rc, rs), (ic, is_) = _split(real, axis, m), _split(imag, axis, m)
        r0, rc = _first(rc, axis)
        i0, ic = _first(ic, axis)
        real = jnp.concatenate([r0, rc + is_, rc - is_], axis)
        imag = jnp.concatenate([i0, ic - rs, ic + rs], axis)
    return real, imag


def synthesis(
    real: Float[Array, "*modes channels"],
    imag: Float[Array, "*modes channels"],
    grid: Sequence[int],
    modes: Sequence[int],
    period: float = 1.0,
) -> Float[Array, "..."]:
    """The real field with the given coefficients, on any grid: a(x) = Re Σ_k f_k exp(2πi k·x/L)."""
    for axis, m in enumerate(modes[:-1]):
        r0, rp, rm = _signs(real, axis, m)
        i0, ip, im = _signs(imag, axis, m)
        real = jnp.concatenate([r0, rp + rm, im - ip], axis)
        imag = jnp.concatenate([i0, ip + im, rp - rm], axis)
    last = len(modes) - 1
    r0, rp = _first(real, last)
    _, ip = _first(imag, last)
    # k < 0 of the last axis is the complex conjugate of k > 0: hence the factor two.
    a = jnp.concatenate([r0, 2 * rp, -2 * ip], last)
    for axis in reversed(range(len(modes))):
        a = along_axis(fourier_matrix(grid[axis], modes[axis], period).T, a, axis)
    return a


def scattered_analysis(
    a: Float[Array, "points channels"],
    x: Float[Array, "points dim"],
    weights: Float[Array, " points"],
    modes: Sequence[int],
    period: float = 1.0,
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """`analysis` of a function on scattered points with quadrature weights."""
    cos, sin = _waves(x, modes, period)
    weighted = a * (weights / period ** len(modes))[:, None]
    shape = (*(2 * m + 1 for m in modes[:-1]), modes[-1] + 1, a.shape[-1])
    return (cos.T @ weighted).reshape(shape), (-sin.T @ weighted).reshape(shape)


def scattered_synthesis(
    real: Float[Array, "*modes channels"],
    imag: Float[Array, "*modes channels"],
    y: Float[Array, "points dim"],
    modes: Sequence[int],
    period: float = 1.0,
) -> Float[Array, "points channels"]:
    """`synthesis` at scattered points."""
    cos, sin = _waves(y, modes, period)
    channels = real.shape[-1]
    # Half of the spectrum represents all of it: all but last wave number 0 count twice.
    twice = np.where(np.arange(modes[-1] + 1) > 0, 2.0, 1.0)[:, None].astype(real.dtype)
    twice = twice.reshape((1,) * (real.ndim - 2) + twice.shape)
    re, im = ((twice * part).reshape(-1, channels) for part in (real, imag))
    return cos @ re - sin @ im


def _waves(x, modes, period):
    """cos and sin of 2π k·x/L, as (points, modes) in the order of `analysis`."""
    axes = [_wave_numbers(m) for m in modes[:-1]] + [np.arange(modes[-1] + 1)]
    k = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], -1)
    phase = x @ jnp.asarray(2 * np.pi / period * k.T, x.dtype)
    return jnp.cos(phase), jnp.sin(phase)


def fft_analysis(
    a: Float[Array, "*grid channels"], modes: Sequence[int]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """`analysis` for period 1, by a fast Fourier transform."""
    axes = tuple(range(len(modes)))
    f = jnp.fft.rfftn(a, axes=axes, norm="forward")
    for axis, m in enumerate(modes[:-1]):
        f = jnp.take(f, _wave_numbers(m) % a.shape[axis], axis=axis)
    f = jnp.take(f, np.arange(modes[-1] + 1), axis=axes[-1])
    return f.real, f.imag


def fft_synthesis(
    real: Float[Array, "*modes channels"],
    imag: Float[Array, "*modes channels"],
    grid: Sequence[int],
    modes: Sequence[int],
) -> Float[Array, "..."]:
    """`synthesis` for period 1 on a grid that holds every mode, by a fast Fourier transform."""
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


def resample(
    a: Float[Array, "*grid channels"], out_grid: Sequence[int]
) -> Float[Array, "*out_grid channels"]:
    """Trigonometric interpolation of a periodic field to another uniform grid.

        b(x) = Σ_{|kⱼ| < Nⱼ/2} a_k exp(2πi k·x)

    **Arguments:**

    - `a`: one sample `(*grid, channels)` at the points xᵢ = i/N of [0, 1)ᵈ.
    - `out_grid`: number of points along each axis of the result; modes that it cannot represent are
        dropped, so that coarsening does not alias.

    **Returns:** the field on the new grid; exact if `a` is band-limited below both grids' limits.

    **Raises:** `ValueError` if `out_grid` has another number of axes or no points, `TypeError` for
    integers.

    **Notes:** warns of a field that is not periodic, whose interpolant oscillates at the ends.

    ```python
    fine = jsci.operators.resample(a, (128,))  # a: (64, 1), fine: (128, 1)
    ```
    """
    grid = a.shape[:-1]
    if len(out_grid) != len(grid) or min(out_grid) < 1:
        raise ValueError(
            f"resample() needs one number of points for each of the {len(grid)} grid axes of a "
            f"field of shape {a.shape}; got out_grid={tuple(out_grid)}."
        )
    check_floating(a, "resample()")
    advice = "Other fields: jnp.interp, or a spline of SciPy's."
    warn_unless_periodic(a, range(len(grid)), "resample()", advice)
    return interpolate(a, out_grid)


def interpolate(
    a: Float[Array, "*grid channels"], out_grid: Sequence[int]
) -> Float[Array, "*out_grid channels"]:
    """`resample` without its checks."""
    for axis, (n, target) in enumerate(zip(a.shape[:-1], out_grid, strict=True)):
        m = (min(n, target) - 1) // 2
        weight = np.r_[1.0, np.full(m, 2.0), np.full(m, 2.0)][:, None] / n
        # sum over k of cos(k(x - y)), as (points of the new grid, points of the old one)
        kernel = fourier_matrix(target, m, 1.0).T @ (weight * fourier_matrix(n, m, 1.0))
        a = along_axis(kernel, a, axis)
    return a


def spectral_derivative(
    a: Float[Array, "*grid channels"],
    axis: int = 0,
    *,
    order: int = 1,
    lengths: float | Sequence[float] = 1.0,
) -> Float[Array, "*grid channels"]:
    """Derivative of a periodic field along one axis: of its trigonometric interpolant, exactly.

        ∂ⁿa(x) = Σ_{|k| < N/2} (2πi k/L)ⁿ a_k exp(2πi k x/L)

    Use it for the equation loss of an operator (PINO) on a grid: a residual of the output field,
    such as u u_x - ν u_xx. If the output is a function of coordinates, as for `DeepONet`, use
    `jsci.derivative`.

    **Arguments:**

    - `a`: one sample `(*grid, channels)` at the points xᵢ = i L/N, i < N, without the end L, where
        the field repeats.
    - `axis`: the grid axis.
    - `order`: n >= 0.
    - `lengths`: L, one for all axes or one per axis.

    **Returns:** the derivative on the same grid.

    **Raises:** `ValueError` for an axis outside the grid, a negative order, or lengths that are not
    positive; `TypeError` for integers.

    **Notes:** warns of a field that is not periodic, whose derivative is wrong by the jump at the
    ends times N.

    ```python
    u_xx = jsci.operators.spectral_derivative(u, 0, order=2, lengths=2 * jnp.pi)  # u: (64, 1)
    ```
    """
    if not 0 <= axis < a.ndim - 1 or order < 0:
        raise ValueError(
            f"spectral_derivative() takes an axis from 0 to {a.ndim - 2} of this field's grid and "
            f"order >= 0; got axis={axis} and order={order}."
        )
    check_real_and_filled(a, "spectral_derivative()")
    check_floating(a, "spectral_derivative()")
    length = as_lengths(lengths, a.ndim - 1, "spectral_derivative()")[axis]
    warn_unless_periodic(a, [axis], "spectral_derivative()", "Other fields: jnp.gradient.")
    return along_axis(_derivative_matrix(a.shape[axis], order) / length**order, a, axis)


@lru_cache(maxsize=256)
def _derivative_matrix(n: int, order: int) -> Float[np.ndarray, "n n"]:
    """Differentiation on n equispaced points of [0, 1), with the modes below n/2."""
    m = (n - 1) // 2
    k = np.arange(-m, m + 1)
    waves = np.exp(2j * np.pi * np.outer(np.arange(n) / n, k))
    return ((waves * (2j * np.pi * k) ** order) @ waves.conj().T / n).real
