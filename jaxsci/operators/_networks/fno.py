"""The Fourier neural operator."""

from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.fields import as_modes, check_field, check_padding, grid_coordinates, mesh
from .._fields.periodicity import warn_unless_periodic
from .._fields.pointwise import Pointwise, apply_mlp, gelu, pointwise_mlp
from .._spectral.bases import Basis, BasisConv, basis_points
from .._spectral.factorised import Factorisation
from .._spectral.spectral import SpectralConv
from .._spectral.spherical_conv import SphereGrid, SphericalConv, refuse_poles, sphere_grid

OTHER_FIELDS = "For other fields: padding=0.25, or an FNO's basis=."


class FNO(eqx.Module):
    """Fourier neural operator: maps a function on the unit interval, square or cube to another.

        v₀ = P[a, x],   vₗ₊₁ = σ(Wₗvₗ + cₗ + Kₗvₗ),   u = Q v_depth

    with σ the exact GELU (absent in the last layer), K a spectral convolution, W pointwise, P
    affine, and Q a pointwise network with one hidden layer. The position enters as x, or as
    functions of it that are smooth in the basis (`position`). The parameters belong to functions,
    not to a grid: train on one grid and evaluate on any that resolves the modes. Grids agree to
    the decay of the fields' spectra; with padding, and in the sine basis, to second order in the
    spacing.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `width`: channels of the hidden layers. Good values: 20 to 64.
    - `modes`: highest wave number kept in each of one to three dimensions, such as 16 or (12, 12).
    - `depth`: number of Fourier layers. Good value: 4.
    - `padding`: for fields that are not periodic: by which fraction of the domain the periodic
        cell exceeds it, one number for all axes. Good values: 0 if periodic, else 0.25 to 1.
    - `basis`: "fourier" for periodic fields; "sine", "cosine" or "chebyshev" for fields that
        vanish, are flat, or are anything at the boundary, on `basis_points`; "sphere" for fields on
        a `sphere_grid`, with one number of modes, the degree. One basis for all axes.
    - `grid`: on the sphere, which latitudes: as in `SphericalConv`.
    - `factorisation`, `rank`: of the Fourier weights, as in `SpectralConv`.
    - `key`: PRNG key of the weights.

    Called as `model(a)`: `a` is one sample `(*grid, in_channels)` at the points xᵢ = i/N, or those
    of the basis, the output `(*grid, out_channels)` at the same points. Batch with `jax.vmap`.
    The points are not those of `linspace(0, 1, N)`, which has both ends: on these a model agrees
    with itself on other grids to first order in the spacing only.

    **Raises:** `ValueError` for a grid of another dimension or too coarse for the modes, for other
    channels, an unknown basis, padding or factorised weights of a basis other than Fourier's, and
    `grid` without the sphere; `TypeError` for padding or a basis for each axis. Without padding a
    Fourier basis warns of a field that does not repeat.

    Source: Li et al., "Fourier Neural Operator for Parametric Partial Differential Equations",
    ICLR 2021, eq. (2) to (5).

    ```python
    model = FNO(1, 1, width=32, modes=(12, 12), depth=4, padding=0.25, key=jax.random.key(0))
    u = model(a)                # a, u: (64, 64, 1)
    batch = jax.vmap(model)(many)
    ```
    """

    lift: Pointwise
    convolutions: list[SpectralConv | BasisConv | SphericalConv]
    skips: list[Pointwise]
    project: list[Pointwise]
    in_channels: int = eqx.field(static=True)
    modes: tuple[int, ...] = eqx.field(static=True)
    basis: Basis | Literal["fourier", "sphere"] = eqx.field(static=True)
    padded: bool = eqx.field(static=True)
    grid: SphereGrid | None = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        modes: int | Sequence[int],
        depth: int,
        padding: float = 0.0,
        basis: Basis | Literal["fourier", "sphere"] = "fourier",
        grid: SphereGrid | None = None,
        factorisation: Factorisation | None = None,
        rank: float = 0.1,
        key: PRNGKeyArray,
    ):
        self.modes = as_modes(modes, "FNO")
        check_padding(padding, "FNO")
        if not isinstance(basis, str):
            raise TypeError(f"FNO: basis is one name for all axes; got {basis!r}.")
        if min(in_channels, out_channels, width, depth) < 1:
            raise ValueError(
                "FNO needs in_channels, out_channels, width and depth >= 1; got "
                f"{in_channels}, {out_channels}, {width} and {depth}."
            )
        if basis != "fourier" and (padding or factorisation):
            raise ValueError(
                f"padding and factorised weights belong to basis='fourier', not {basis!r}."
            )
        if basis == "sphere" and len(self.modes) != 1:
            raise ValueError(f"on the sphere modes is the one degree kept, got {modes!r}.")
        if basis != "sphere" and grid is not None:
            raise ValueError(f"grid={grid!r} names latitudes: it belongs to basis='sphere'.")
        self.in_channels, self.basis, self.padded = in_channels, basis, padding > 0
        self.grid = grid
        keys = iter(jax.random.split(key, 2 * depth + 3))

        def convolution(key):
            if basis == "fourier":
                return SpectralConv(
                    width,
                    width,
                    modes=self.modes,
                    period=1 + padding,
                    factorisation=factorisation,
                    rank=rank,
                    key=key,
                )
            if basis == "sphere":
                return SphericalConv(width, width, degree=self.modes[0], grid=grid, key=key)
            return BasisConv(width, width, modes=self.modes, basis=basis, key=key)

        self.convolutions = [convolution(next(keys)) for _ in range(depth)]
        dim = 2 if basis == "sphere" else len(self.modes)
        coordinates = position((2,) * dim, self.padded, jnp.float32, basis).shape[-1]
        self.lift = Pointwise(in_channels + coordinates, width, key=next(keys))
        self.skips = [Pointwise(width, width, key=next(keys)) for _ in range(depth)]
        self.project = pointwise_mlp([width, 2 * width, out_channels], keys)

    def __call__(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        dim = 2 if self.basis == "sphere" else len(self.modes)
        check_field(a, self.in_channels, dim, "FNO")
        if self.basis == "sphere":
            refuse_poles(a, self.grid, "FNO")
        elif self.basis == "fourier" and not self.padded:
            warn_unless_periodic(a, range(dim), "FNO without padding", OTHER_FIELDS)
        x = position(a.shape[:-1], self.padded, a.dtype, self.basis, self.grid)
        v = self.lift(jnp.concatenate([a, x], -1))
        for layer, (convolution, skip) in enumerate(
            zip(self.convolutions, self.skips, strict=True)
        ):
            v = convolution(v) + skip(v)
            if layer < len(self.skips) - 1:
                v = gelu(v)
        return apply_mlp(self.project, v)


def position(
    grid: Sequence[int],
    padded: bool,
    dtype,
    basis: Basis | Literal["fourier", "sphere"] = "fourier",
    latitudes: SphereGrid | None = None,
) -> Float[Array, "*grid channels"]:
    """Where the points are, as functions that are smooth in the basis.

    x itself; for periodic fields cos 2πx and sin 2πx; for even ones cos πx; on the sphere the
    unit vector.
    """
    if basis == "sphere":
        theta, phi, _ = sphere_grid(*grid, grid=latitudes or "gauss")
        t, p = np.meshgrid(theta, phi, indexing="ij")
        unit = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], -1)
        return jnp.asarray(unit, dtype)
    if basis != "fourier":
        x = mesh([basis_points(basis, n) for n in grid])
        return jnp.asarray(np.cos(np.pi * x) if basis == "cosine" else x, dtype)
    x = grid_coordinates(grid, dtype)
    if padded:
        return x
    return jnp.concatenate([jnp.cos(2 * jnp.pi * x), jnp.sin(2 * jnp.pi * x)], -1)
