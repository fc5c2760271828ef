"""The Fourier neural operator."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._bases.basis import Basis
from .._bases.names import BasisName, as_basis
from .._fields.axis_points import Points
from .._fields.fields import as_modes, check_field
from .._fields.pointwise import Pointwise, apply_mlp, gelu, pointwise_mlp
from .._layers.film import FiLM, check_conditions, films, modulated
from .._spectral.axes import AxisBasis
from .._spectral.factorised import Factorisation
from .._spectral.spherical_conv import SphereGrid


class FNO(eqx.Module):
    """Fourier neural operator: maps a function on the unit interval, square or cube to another.

        v₀ = P[a, x],   vₗ₊₁ = σ(Wₗvₗ + cₗ + Kₗvₗ),   u = Q v_depth

    with σ the exact GELU (absent in the last layer), K a spectral convolution, W pointwise, P
    affine, and Q a pointwise network with one hidden layer. The position enters as x, or as
    functions of it that are smooth in the basis (`position`). The parameters belong to functions,
    not to a grid: train on one grid and evaluate on any that resolves the modes. Results on
    different grids agree to the decay of the fields' spectra; with padding, and in the sine basis,
    to second order in the spacing.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `width`: channels of the hidden layers. Good values: 20 to 64.
    - `modes`: highest wave number kept along each of one to three axes, such as 16 or (12, 12).
    - `depth`: number of Fourier layers. Good value: 4.
    - `padding`: of the basis "fourier", as in `FourierBasis`, for fields that are not periodic: one
        for all axes or one per axis.
    - `basis`: "fourier" for periodic fields; "sine", "cosine" or "chebyshev" for fields that
        vanish, have zero slope, or are arbitrary at the boundary, on `basis_points`; or one of
        these names per axis, such as ("fourier", "chebyshev") for a channel. "sphere" for fields on
        a `sphere_grid`, with one number of modes, the degree. Or an object with options:
        `FourierBasis`, `SineBasis`, `CosineBasis`, `ChebyshevBasis`, `ProductBasis`, `SphereBasis`,
        or another `Basis`.
    - `points`: where the points are along each axis, as in `basis_points`: "left" (i/N), "ends"
        (i/(N - 1), as `linspace(0, 1, N)` has) or "cells" ((i + 1/2)/N), one for all axes or one
        per axis. By default those of the basis: "left" for "fourier" and "sine", "cells" for the
        others.
    - `grid`: the latitudes of the basis "sphere", as in `SphereBasis`.
    - `factorisation`, `rank`: of the weights of the basis "fourier", as in `FourierBasis`.
    - `conditions`: number of scalars, such as a time or a viscosity, on which the operator depends
        by `FiLM` in each layer.
    - `key`: PRNG key of the weights.

    Called as `model(a)`, or `model(a, c)` with conditions `(conditions,)`: `a` is one sample
    `(*grid, in_channels)`, the output `(*grid, out_channels)` at the same points. Batch with
    `jax.vmap`. With `points` that are not those of the fields, results on different grids agree
    only to first order in the spacing.

    **Raises:** `ValueError` for a grid of another dimension or too coarse for the modes, for other
    channels, an unknown basis or points, another number of options than axes, and options beside an
    object or for a basis that does not have them; `TypeError` for options of another type.

    **Notes:** without padding a Fourier axis warns of a field that is not periodic along it.

    **Source:** Li et al., "Fourier Neural Operator for Parametric Partial Differential Equations",
    ICLR 2021, eq. (2) to (5).

    ```python
    model = jsci.operators.FNO(1, 1, width=32, modes=16, depth=4, padding=0.25, key=key)
    u = model(a)  # a, u: (64, 1)
    us = jax.vmap(model)(batch)
    ```
    """

    lift: Pointwise
    convolutions: list[Callable[..., Any]]
    skips: list[Pointwise]
    project: list[Pointwise]
    in_channels: int = eqx.field(static=True)
    films: list[FiLM]
    modes: tuple[int, ...] = eqx.field(static=True)
    basis: Basis = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        modes: int | Sequence[int],
        depth: int,
        padding: float | Sequence[float] = 0.0,
        basis: Basis | BasisName | Sequence[AxisBasis] = "fourier",
        points: Points | Sequence[Points] | None = None,
        grid: SphereGrid | None = None,
        factorisation: Factorisation | None = None,
        rank: float = 0.1,
        conditions: int = 0,
        key: PRNGKeyArray,
    ):
        self.modes = as_modes(modes, "FNO")
        if min(in_channels, out_channels, width, depth) < 1:
            raise ValueError(
                "FNO needs in_channels, out_channels, width and depth >= 1; got "
                f"{in_channels}, {out_channels}, {width} and {depth}."
            )
        self.in_channels = in_channels
        self.basis = as_basis(
            basis,
            padding=padding,
            points=points,
            factorisation=factorisation,
            rank=rank,
            grid=grid,
        )
        dim = self.basis.dim(self.modes)
        keys = iter(jax.random.split(key, 2 * depth + 3))
        self.convolutions = [
            self.basis.conv(width, width, modes=self.modes, key=next(keys)) for _ in range(depth)
        ]
        coordinates = self.basis.position((2,) * dim, jnp.float32).shape[-1]
        self.lift = Pointwise(in_channels + coordinates, width, key=next(keys))
        self.skips = [Pointwise(width, width, key=next(keys)) for _ in range(depth)]
        self.project = pointwise_mlp([width, 2 * width, out_channels], keys)
        self.films = films([width] * depth, conditions, key, "FNO")

    def __call__(
        self, a: Float[Array, "*grid in_channels"], c: Float[Array, "..."] | None = None
    ) -> Float[Array, "*grid out_channels"]:
        name = type(self).__name__
        check_field(a, self.in_channels, self.basis.dim(self.modes), name)
        self.basis.check(a, name)
        check_conditions(self.films, c, name)
        x = self.basis.position(a.shape[:-1], a.dtype)
        v = self.lift(jnp.concatenate([a, x], -1))
        for layer in range(len(self.skips)):
            v = modulated(self.films, layer, self._layer(layer, v), c)
            if layer < len(self.skips) - 1:
                v = gelu(v)
        return apply_mlp(self.project, v)

    def _layer(self, layer, v):
        return self.convolutions[layer](v) + self.skips[layer](v)
