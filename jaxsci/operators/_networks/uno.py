"""The U-shaped neural operator."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._bases.grid_basis import GridBasis
from .._bases.names import as_basis
from .._fields.axis_points import Points
from .._fields.fields import as_modes, check_field
from .._fields.pointwise import Pointwise, apply_mlp, gelu, pointwise_mlp
from .._spectral.axes import AxisBasis
from .._spectral.spectral_conv import SpectralConv


class UNO(eqx.Module):
    """U-shaped neural operator: Fourier layers that go down to coarse grids and back up.

        down   v_{l+1} = σ(K_l v_l)                on the grid of half the points
        up     v_l ← σ(K'_l v_{l+1} + W_l v_l)     on the grid of v_l

    The spectral layers themselves change the grid, since they know their output at every point: the
    change is exact, not interpolated, for any number of points. Coarse grids carry more channels
    and fewer modes, so the network is deeper than an FNO of the same cost.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `width`: channels on the finest grid; they double with each level. Good values: 16 to 32.
    - `modes`: highest wave number on the finest grid along each of one to three axes; they halve
        with each level.
    - `levels`: how many times the grid is halved. Good values: 2 or 3.
    - `padding`: of the basis "fourier", for fields that are not periodic, as in `FNO`.
    - `basis`: as in `FNO`, without "sphere".
    - `points`: where the points are along each axis, as in `FNO`.
    - `key`: PRNG key of the weights.

    Called as `model(a)`: `a` is one sample `(*grid, in_channels)`, the output
    `(*grid, out_channels)` at the same points.

    **Raises:** `ValueError` for a grid of another dimension or too coarse for the modes, for other
    channels, the sphere, and options as in `FNO`.

    **Notes:** without padding a Fourier axis warns of a field that is not periodic along it.

    **Source:** Rahman, Ross and Azizzadenesheli, "U-NO", TMLR 2023, section 3, with the skip
    connections added rather than concatenated.

    ```python
    model = jsci.operators.UNO(1, 1, width=16, modes=12, levels=2, key=jax.random.key(0))
    u = model(a)  # a, u: (64, 1)
    ```
    """

    lift: Pointwise
    down: list[SpectralConv]
    up: list[SpectralConv]
    skips: list[Pointwise]
    project: list[Pointwise]
    in_channels: int = eqx.field(static=True)
    basis: GridBasis = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        modes: int | Sequence[int],
        levels: int,
        padding: float | Sequence[float] = 0.0,
        basis: GridBasis | AxisBasis | Sequence[AxisBasis] = "fourier",
        points: Points | Sequence[Points] | None = None,
        key: PRNGKeyArray,
    ):
        finest = as_modes(modes, "UNO")
        if min(in_channels, out_channels, width, levels) < 1:
            raise ValueError(
                "UNO needs in_channels, out_channels, width and levels >= 1; got "
                f"{in_channels}, {out_channels}, {width} and {levels}."
            )
        chosen = as_basis(basis, padding=padding, points=points)
        if not isinstance(chosen, GridBasis):
            raise ValueError(f"UNO halves the points of grid axes; it has no basis={basis!r}.")
        self.in_channels, self.basis = in_channels, chosen
        keys = iter(jax.random.split(key, 3 * levels + 3))
        coordinates = self.basis.position((2,) * len(finest), jnp.float32).shape[-1]
        self.lift = Pointwise(in_channels + coordinates, width, key=next(keys))

        def layer(level, first, second):
            kept = tuple(m // 2**level for m in finest)
            return self.basis.conv(first, second, modes=kept, key=next(keys))

        channels = [width * 2**level for level in range(levels + 1)]
        steps = list(zip(channels[:-1], channels[1:], strict=True))
        self.down = [layer(level, fine, coarse) for level, (fine, coarse) in enumerate(steps)]
        self.up = [layer(level, coarse, fine) for level, (fine, coarse) in enumerate(steps)]
        self.skips = [Pointwise(fine, fine, key=next(keys)) for fine, _ in steps]
        self.project = pointwise_mlp([width, 2 * width, out_channels], keys)

    def __call__(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        check_field(a, self.in_channels, len(self.down[0].modes), "UNO")
        self.basis.check(a, "UNO")
        x = self.basis.position(a.shape[:-1], a.dtype)
        v = self.lift(jnp.concatenate([a, x], -1))
        passed = []
        for layer in self.down:
            passed.append(v)
            coarse = _halve(v.shape[:-1], layer)
            v = gelu(layer(v, coarse))
        for layer, skip, fine in reversed(list(zip(self.up, self.skips, passed, strict=True))):
            v = gelu(layer(v, fine.shape[:-1]) + skip(fine))
        return apply_mlp(self.project, v)


def _halve(grid, layer):
    """Half the points, rounded up, but enough to resolve the modes of the layer that reads them."""
    kept = zip(grid, layer.modes, layer.axes, strict=True)
    return tuple(max(-(-n // 2), axis.least(m)) for n, m, axis in kept)
