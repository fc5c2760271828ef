"""Convolution with a band-limited kernel, by truncated Fourier coefficients."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ...core import warn_deprecated
from .._fields.axis_points import Points
from .._fields.fields import as_modes, check_field
from .._fields.points import check_in_box, check_points
from .axes import Axis, AxisBasis, as_axes, check_grids
from .factorised import CPTensor, Factorisation, TuckerTensor, factorised_normal
from .fourier import (
    analysis,
    coefficient_shape,
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

    Along an axis with boundaries the functions are those of another basis,

    | basis | φ_k(x), k = 0..m | fields |
    |---|---|---|
    | "fourier" | exp(2πi kx/L) | periodic, or any with padding |
    | "sine" | sin π(k + 1)x | zero at the boundary |
    | "cosine" | cos πkx | zero slope at the boundary |
    | "chebyshev" | T_k(1 - 2x) | any smooth field |

    and the products of one function per axis are multiplied. Coefficients are those of the
    function, not of the grid, so one layer works on every grid of its points, even or odd, and its
    output can be evaluated on another grid: exactly, without interpolation. The transform is a
    product with a real matrix along each axis, which is faster than `jnp.fft` on a CPU unless
    nearly all modes of a long axis are kept; that case is recognised from the shapes alone and uses
    the FFT.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `modes`: highest k kept, an integer per grid axis, one to three. Good values: 8 to 24; the
        number of weights grows as their product.
    - `basis`: the basis, one for all axes or one per axis.
    - `padding`: L - 1, by which the periodic cell of the basis "fourier" exceeds the domain, one
        for all axes or one per axis. 0 for periodic fields. With padding the field is taken as zero
        outside the domain, and 1 is a general convolution without wrap-around. The coefficients are
        then second-order accurate in the spacing, not exact.
    - `points`: where the points are along each axis, as in `basis_points`: "left" (i/N), "ends"
        (i/(N - 1)) or "cells" ((i + 1/2)/N), one for all axes or one per axis. By default those of
        the basis: "left" for "fourier" and "sine", "cells" for the others.
    - `factorisation`, `rank`: `None` for a full tensor of weights, or "tucker" or "cp" with about a
        share `rank` of its parameters, in (0, 1]. Good value: 0.1.
    - `key`: PRNG key of the weights.
    - `period`: deprecated; 1 + `padding`.

    Called as `layer(a, out_grid=None)`: `a` is one sample `(*grid, in_channels)`, `out_grid` the
    numbers of points of the output grid (default: that of `a`). Returns `(*grid, out_channels)`.
    On scattered points the same layer is `layer.at_points(a, x, weights, y)`.

    **Raises:** `ValueError` for a grid of another dimension or too coarse for the modes (a periodic
    axis needs 2m + 1 points), other channels, another number of options than axes, an unknown
    basis, padding beside another basis than "fourier", and points that do not suit the basis;
    `TypeError` for a padding that is not a number.

    The weights are real: where an axis is Fourier's, axis -2 holds the real and the imaginary part
    of R_k.

    **Source:** Li et al., "Fourier Neural Operator", ICLR 2021, eq. (4) and (5).

    ```python
    layer = jsci.operators.SpectralConv(1, 8, modes=(12, 12), key=jax.random.key(0))
    b = layer(jnp.ones((64, 64, 1)))
    fine = layer(jnp.ones((64, 64, 1)), out_grid=(101, 101))
    ```
    """

    weight: Float[Array, "*modes in_channels out_channels"] | CPTensor | TuckerTensor
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    modes: tuple[int, ...] = eqx.field(static=True)
    axes: tuple[Axis, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        modes: int | Sequence[int],
        basis: AxisBasis | Sequence[AxisBasis] = "fourier",
        padding: float | Sequence[float] = 0.0,
        points: Points | Sequence[Points] | None = None,
        factorisation: Factorisation | None = None,
        rank: float = 0.1,
        key: PRNGKeyArray,
        period: float | None = None,
    ):
        name = type(self).__name__
        self.modes = as_modes(modes, name)
        if period is not None:
            warn_deprecated("SpectralConv(period=)", instead="SpectralConv(padding=)", since="0.2")
            padding = period - 1
        self.axes = as_axes(len(self.modes), basis=basis, padding=padding, points=points, name=name)
        if in_channels < 1 or out_channels < 1:
            raise ValueError(
                f"{name} needs in_channels >= 1 and out_channels >= 1; got {in_channels} and "
                f"{out_channels}."
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        shape = (*coefficient_shape(self.modes, self.axes), in_channels)
        numbers = self._numbers()
        # Keeps the variance of each coefficient: E|b_k|² = E|a_k|².
        scale = 1 / math.sqrt(numbers * in_channels)
        if factorisation is None:
            columns = (2, out_channels) if numbers == 2 else (out_channels,)
            self.weight = scale * jax.random.normal(key, (*shape, *columns))
        else:
            self.weight = factorised_normal(
                key,
                (*shape, numbers * out_channels),
                factorisation=factorisation,
                rank=rank,
                scale=scale,
            )

    def __call__(
        self, a: Float[Array, "*grid in_channels"], out_grid: Sequence[int] | None = None
    ) -> Float[Array, "*out_grid out_channels"]:
        check_field(a, self.in_channels, len(self.modes), type(self).__name__)
        grid = a.shape[:-1]
        target = grid if out_grid is None else tuple(out_grid)
        check_grids(self.axes, self.modes, grid, target)
        parts = (fft_analysis if self._fft(grid) else self._analysis)(a, self.modes)
        parts = self._multiply(*parts)
        if self._fft(target):
            return fft_synthesis(parts, target, self.modes)
        return synthesis(parts, target, self.modes, self.axes)

    def _analysis(self, a, modes):
        return analysis(a, modes, self.axes)

    def _fft(self, grid):
        """Whether the transform on a grid is an FFT."""
        suitable = all(axis.periodic and axis.points == "left" for axis in self.axes)
        holds = all(
            m <= axis.highest(n) for axis, n, m in zip(self.axes, grid, self.modes, strict=True)
        )
        return suitable and holds and prefer_fft(grid, self.modes)

    def _numbers(self):
        """How many real numbers an entry of R_k is."""
        return 2 if any(axis.waves for axis in self.axes) else 1

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

        **Raises:** `ValueError` for fields, points or weights that do not fit together, an axis of
        another basis than "fourier", or, outside jit, for points outside [0, 1]ᵈ.

        ```python
        layer = jsci.operators.SpectralConv(1, 8, modes=(4, 4), key=jax.random.key(0))
        b = layer.at_points(a, x, jnp.full(len(x), 1 / len(x)))  # a: (n, 1), x: (n, 2)
        ```
        """
        queries = check_points(a, x, weights, y, self.in_channels, len(self.modes), "SpectralConv")
        check_in_box(x, weights, y, "SpectralConv")
        if not all(axis.waves for axis in self.axes):
            raise ValueError(
                "On scattered points only coefficients of the basis 'fourier' are integrals; got "
                f"{tuple(axis.basis for axis in self.axes)}. Take padding instead."
            )
        periods = [axis.period for axis in self.axes]
        parts = scattered_analysis(a, x, weights, self.modes, periods)
        return scattered_synthesis(self._multiply(*parts), queries, self.modes, periods)

    def _multiply(self, real, imag=None):
        """R_k a_k as one real product per mode: [re; im] [Re R | Im R], or a R for real a and R."""
        c, d = self.in_channels, self.out_channels
        weight = self.weight
        if isinstance(weight, CPTensor | TuckerTensor):
            weight = weight.dense()
        if imag is None:
            b = real.reshape(-1, 1, c) @ weight.reshape(-1, c, d)
            return (b.reshape(*real.shape[:-1], d),)
        a = jnp.stack([real.reshape(-1, c), imag.reshape(-1, c)], 1)
        b = a @ weight.reshape(-1, c, 2 * d)
        shape = (*real.shape[:-1], d)
        return (
            (b[:, 0, :d] - b[:, 1, d:]).reshape(shape),
            (b[:, 0, d:] + b[:, 1, :d]).reshape(shape),
        )
