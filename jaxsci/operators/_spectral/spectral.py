"""Convolution with a band-limited kernel, by truncated Fourier coefficients."""

import math
from collections.abc import Sequence
from numbers import Real

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.fields import as_modes, check_field
from .._fields.points import check_in_box, check_points
from .factorised import CPTensor, Factorisation, TuckerTensor, factorised_normal
from .fourier import (
    analysis,
    fft_analysis,
    fft_synthesis,
    prefer_fft,
    scattered_analysis,
    scattered_synthesis,
    synthesis,
)


class SpectralConv(eqx.Module):
    """Fourier integral layer: multiplies the lowest Fourier coefficients by learned matrices.

        (K a)(x) = Re Σ_{|kⱼ| <= mⱼ} R_k a_k exp(2πi k·x/L),   a_k = L⁻ᵈ ∫ a(x) exp(-2πi k·x/L) dx

    Coefficients are those of the function, not of the grid, so one layer works on every uniform
    grid xᵢ = i/N of [0, 1)ᵈ, even or odd, and its output can be evaluated on another grid: exactly,
    without interpolation. The transform is a product with a real (2m+1, N) matrix along each axis,
    which is faster than `jnp.fft` on a CPU unless nearly all modes of a long axis are kept; that
    case is recognised from the shapes alone and uses the FFT.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `modes`: highest wave number kept, an integer per grid axis, one to three. Good values: 8 to
        24; the number of weights grows as their product.
    - `period`: length L of the periodic cell, in units of the domain. 1 for periodic fields. With L
        > 1 the field is taken as zero outside the domain, and L = 2 is a general convolution
        without wrap-around: "domain padding", free and independent of the grid. The coefficients
        are then second-order accurate in the spacing, not exact.
    - `factorisation`, `rank`: `None` for a full tensor of weights, or "tucker" or "cp" with about a
        share `rank` of its parameters, in (0, 1]. Good value: 0.1.
    - `key`: PRNG key of the weights.

    Called as `layer(a, out_grid=None)`: `a` is one sample `(*grid, in_channels)`, `out_grid` the
    numbers of points of the output grid (default: that of `a`). Returns `(*grid, out_channels)`.
    On scattered points the same layer is `layer.at_points(a, x, weights, y)`.

    **Raises:** `ValueError` for a grid of another dimension, other channels, or fewer than
    2m + 1 points on an axis of a periodic grid (mode m would be aliased).

    The weights are real: axis -2 holds the real and the imaginary part of R_k.

    **Source:** Li et al., "Fourier Neural Operator", ICLR 2021, eq. (4) and (5).

    ```python
    layer = jsci.operators.SpectralConv(1, 8, modes=(12, 12), key=jax.random.key(0))
    b = layer(jnp.ones((64, 64, 1)))
    fine = layer(jnp.ones((64, 64, 1)), out_grid=(101, 101))
    ```
    """

    weight: Float[Array, "*modes in_channels 2 out_channels"] | CPTensor | TuckerTensor
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    modes: tuple[int, ...] = eqx.field(static=True)
    period: float = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        modes: int | Sequence[int],
        period: float = 1.0,
        factorisation: Factorisation | None = None,
        rank: float = 0.1,
        key: PRNGKeyArray,
    ):
        self.modes = as_modes(modes, "SpectralConv")
        if not isinstance(period, Real):
            raise TypeError(f"SpectralConv: period is one number for all axes; got {period!r}.")
        if in_channels < 1 or out_channels < 1 or not 1 <= period < math.inf:
            raise ValueError(
                "SpectralConv needs in_channels >= 1, out_channels >= 1 and period >= 1 (the cell "
                f"holds the domain); got {in_channels}, {out_channels} and {period}."
            )
        self.in_channels, self.out_channels, self.period = in_channels, out_channels, float(period)
        shape = (*(2 * m + 1 for m in self.modes[:-1]), self.modes[-1] + 1)
        # Keeps the variance of each coefficient: E|b_k|² = E|a_k|².
        scale = 1 / math.sqrt(2 * in_channels)
        if factorisation is None:
            self.weight = scale * jax.random.normal(key, (*shape, in_channels, 2, out_channels))
        else:
            self.weight = factorised_normal(
                key,
                (*shape, in_channels, 2 * out_channels),
                factorisation=factorisation,
                rank=rank,
                scale=scale,
            )

    def __call__(
        self, a: Float[Array, "*grid in_channels"], out_grid: Sequence[int] | None = None
    ) -> Float[Array, "*out_grid out_channels"]:
        check_field(a, self.in_channels, len(self.modes), "SpectralConv")
        grid = a.shape[:-1]
        target = grid if out_grid is None else tuple(out_grid)
        self._check_grids(grid, target)
        if self.period == 1 and prefer_fft(grid, self.modes):
            real, imag = fft_analysis(a, self.modes)
        else:
            real, imag = analysis(a, self.modes, self.period)
        real, imag = self._multiply(real, imag)
        if self.period == 1 and prefer_fft(target, self.modes) and self._holds_modes(target):
            return fft_synthesis(real, imag, target, self.modes)
        return synthesis(real, imag, target, self.modes, self.period)

    def at_points(
        self,
        a: Float[Array, "points in_channels"],
        x: Float[Array, "..."],
        weights: Float[Array, "..."],
        y: Float[Array, "..."] | None = None,
    ) -> Float[Array, "queries out_channels"]:
        """The same layer for a function on scattered points.

            a_k ≈ L⁻ᵈ Σⱼ wⱼ a(xⱼ) exp(-2πi k·xⱼ/L)

        The coefficients are as accurate as the quadrature; on a uniform grid with equal weights
        they are those of `layer(a)`. Memory is points × modes.

        **Arguments:**

        - `a`, `x`, `weights`: the function `(points, in_channels)`, its points `(points, d)` in [0,
            1]ᵈ and their quadrature weights `(points,)`.
        - `y`: the points `(queries, d)` of the result; x by default.

        **Returns:** the field `(queries, out_channels)`.

        **Raises:** `ValueError` for fields, points or weights that do not fit together, or, outside
        jit, for points outside [0, 1]ᵈ.

        ```python
        layer = jsci.operators.SpectralConv(1, 8, modes=(4, 4), key=jax.random.key(0))
        b = layer.at_points(a, x, jnp.full(len(x), 1 / len(x)))  # a: (n, 1), x: (n, 2)
        ```
        """
        queries = check_points(a, x, weights, y, self.in_channels, len(self.modes), "SpectralConv")
        check_in_box(x, weights, y, "SpectralConv")
        real, imag = scattered_analysis(a, x, weights, self.modes, self.period)
        return scattered_synthesis(*self._multiply(real, imag), queries, self.modes, self.period)

    def _multiply(self, real, imag):
        """R_k a_k as one real product per mode: [re; im] [Re R | Im R]."""
        c, d = self.in_channels, self.out_channels
        weight = self.weight
        if isinstance(weight, CPTensor | TuckerTensor):
            weight = weight.dense()
        a = jnp.stack([real.reshape(-1, c), imag.reshape(-1, c)], 1)
        b = a @ weight.reshape(-1, c, 2 * d)
        shape = (*real.shape[:-1], d)
        return (
            (b[:, 0, :d] - b[:, 1, d:]).reshape(shape),
            (b[:, 0, d:] + b[:, 1, :d]).reshape(shape),
        )

    def _holds_modes(self, grid):
        # On a cell of length L an axis with n points per unit length resolves |k| < nL/2.
        return all(2 * m < n * self.period for n, m in zip(grid, self.modes, strict=True))

    def _check_grids(self, grid, target):
        if not self._holds_modes(grid):
            limits = tuple(math.ceil(n * self.period / 2) - 1 for n in grid)
            raise ValueError(
                f"modes={self.modes} are above the limit of this grid: {grid} points resolve wave "
                f"numbers up to {limits}. Use a finer grid or a layer with fewer modes."
            )
        if len(target) != len(grid) or any(n < 1 for n in target):
            raise ValueError(
                f"out_grid={target} must give a positive number of points for each of the "
                f"{len(grid)} grid axes."
            )
