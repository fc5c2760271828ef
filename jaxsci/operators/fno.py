"""The Fourier neural operator."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .factorised import Factorisation
from .products import Pointwise, as_modes, check_field, gelu, grid_coordinates
from .spectral import SpectralConv


class FNO(eqx.Module):
    """Fourier neural operator: maps a function on the unit interval, square or cube to another.

        v₀ = P[a, x],   vₗ₊₁ = σ(Wₗvₗ + cₗ + Kₗvₗ),   u = Q v_depth

    with σ the exact GELU (absent in the last layer), K a `SpectralConv`, W pointwise, P affine,
    and Q a pointwise network with one hidden layer. The position enters as x, or as
    cos 2πx and sin 2πx where fields are periodic. The parameters belong to functions, not to a
    grid: train on one grid and evaluate on any that resolves the modes. Grids agree to the decay
    of the fields' spectra, or with padding to second order in the spacing.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `width`: channels of the hidden layers. Good values: 20 to 64.
    - `modes`: highest wave number kept in each of one to three dimensions, such as 16 or (12, 12).
    - `depth`: number of Fourier layers. Good value: 4.
    - `padding`: for fields that are not periodic: by which fraction of the domain the periodic
        cell exceeds it. Good values: 0 if periodic, else 0.25 to 1.
    - `factorisation`, `rank`: of the spectral weights, as in `SpectralConv`.
    - `key`: PRNG key of the weights.

    Called as `model(a)`: `a` is one sample `(*grid, in_channels)` at the points xᵢ = i/N, the
    output `(*grid, out_channels)` at the same points. Batch with `jax.vmap`.

    **Raises:** `ValueError` for a grid of another dimension or too coarse for the modes, and for
    other channels.

    Source: Li et al., "Fourier Neural Operator for Parametric Partial Differential Equations",
    ICLR 2021, eq. (2) to (5).

    ```python
    model = FNO(1, 1, width=32, modes=(12, 12), depth=4, padding=0.25, key=jax.random.key(0))
    u = model(a)                # a, u: (64, 64, 1)
    batch = jax.vmap(model)(many)
    ```
    """

    lift: Pointwise
    convolutions: list[SpectralConv]
    skips: list[Pointwise]
    project: list[Pointwise]
    in_channels: int = eqx.field(static=True)
    modes: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        modes: int | Sequence[int],
        depth: int,
        padding: float = 0.0,
        factorisation: Factorisation | None = None,
        rank: float = 0.1,
        key: PRNGKeyArray,
    ):
        self.modes = as_modes(modes, "FNO")
        if min(in_channels, out_channels, width, depth) < 1 or padding < 0:
            raise ValueError(
                "FNO needs in_channels, out_channels, width and depth >= 1 and padding >= 0; got "
                f"{in_channels}, {out_channels}, {width}, {depth} and padding={padding}."
            )
        self.in_channels = in_channels
        keys = iter(jax.random.split(key, 2 * depth + 3))
        coordinates = len(self.modes) * (1 if padding else 2)
        self.lift = Pointwise(in_channels + coordinates, width, key=next(keys))
        self.convolutions = [
            SpectralConv(
                width,
                width,
                modes=self.modes,
                period=1 + padding,
                factorisation=factorisation,
                rank=rank,
                key=next(keys),
            )
            for _ in range(depth)
        ]
        self.skips = [Pointwise(width, width, key=next(keys)) for _ in range(depth)]
        self.project = [
            Pointwise(width, 2 * width, key=next(keys)),
            Pointwise(2 * width, out_channels, key=next(keys)),
        ]

    def __call__(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        check_field(a, self.in_channels, len(self.modes), "FNO")
        x = position(a.shape[:-1], self.convolutions[0].period > 1, a.dtype)
        v = self.lift(jnp.concatenate([a, x], -1))
        for layer, (convolution, skip) in enumerate(
            zip(self.convolutions, self.skips, strict=True)
        ):
            v = convolution(v) + skip(v)
            if layer < len(self.skips) - 1:
                v = gelu(v)
        return self.project[1](gelu(self.project[0](v)))


def position(grid: Sequence[int], padded: bool, dtype) -> Float[Array, "*grid channels"]:
    """x itself, or for periodic fields its cosine and sine: smooth on the domain either way."""
    x = grid_coordinates(grid, dtype)
    if padded:
        return x
    return jnp.concatenate([jnp.cos(2 * jnp.pi * x), jnp.sin(2 * jnp.pi * x)], -1)
