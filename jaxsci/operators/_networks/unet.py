"""A U-Net of functions: local kernel integrals on grids with exact halving and doubling."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.fields import check_field
from .._fields.periodicity import warn_unless_periodic
from .._fields.pointwise import Pointwise, gelu
from .._layers.convolution import KernelConv
from .._layers.film import FiLM, check_conditions, films, modulated
from .._spectral.axes import Axis
from .._spectral.interpolants import interpolate


class UNet(eqx.Module):
    """U-Net for functions on a periodic domain: the ordinary one, lifted to function spaces.

        down   v_{l+1} = D σ(K_l v_l)
        up     v_l ← σ(K'_l [U v_{l+1}, v_l])

    Convolutions are `KernelConv`s whose radius doubles with each level, and D and U are exact
    changes of grid for band-limited fields, so the same parameters define the same operator on
    every sufficiently fine grid. There are no norms, which would remove the scale of the input.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `dim`: number of grid axes, 1 to 3.
    - `width`: channels on the finest grid; they double with each level. Good values: 8 to 32.
    - `levels`: how many times the grid is halved. Good values: 2 or 3.
    - `radius`: r of the kernels on the finest grid, in units of the domain. Good values: two to
        four spacings of the training grid.
    - `conditions`: number of scalars, such as a time or a viscosity, on which the operator depends
        by `FiLM` on each level.
    - `key`: PRNG key of the weights.

    Called as `model(a)`, or `model(a, c)` with conditions `(conditions,)`: `a` is one sample
    `(*grid, in_channels)` at the points xᵢ = i/N, the output `(*grid, out_channels)` at the same
    points.

    **Raises:** `ValueError` for a grid too coarse for the radius, another dimension or other
    channels.

    **Notes:** warns of a field that is not periodic.

    **Source:** Ronneberger et al., "U-Net", MICCAI 2015, lifted as in Berner et al., "Principled
    Approaches for Extending Neural Architectures to Function Spaces", 2025.

    ```python
    model = jsci.operators.UNet(1, 1, dim=1, width=16, levels=2, radius=0.05, key=key)
    u = model(a)  # a, u: (64, 1)
    ```
    """

    lift: Pointwise
    down: list[KernelConv]
    bottom: KernelConv
    up: list[KernelConv]
    project: Pointwise
    films: list[FiLM]
    in_channels: int = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dim: int,
        width: int,
        levels: int,
        radius: float,
        conditions: int = 0,
        key: PRNGKeyArray,
    ):
        if min(in_channels, out_channels, width, levels) < 1:
            raise ValueError(
                "UNet needs in_channels, out_channels, width and levels >= 1; got "
                f"{in_channels}, {out_channels}, {width} and {levels}."
            )
        self.in_channels = in_channels
        keys = iter(jax.random.split(key, 2 * levels + 3))
        channels = [width * 2**level for level in range(levels + 1)]

        def layer(first, second, level):
            return KernelConv(first, second, dim=dim, radius=radius * 2**level, key=next(keys))

        self.lift = Pointwise(in_channels, width, key=next(keys))
        above = [width, *channels]
        self.down = [layer(above[level], c, level) for level, c in enumerate(channels[:-1])]
        self.bottom = layer(channels[-2], channels[-1], levels)
        self.up = [layer(3 * c, c, level) for level, c in enumerate(channels[:-1])]
        self.project = Pointwise(width, out_channels, key=next(keys))
        self.films = films(channels, conditions, key, "UNet")

    def __call__(
        self, a: Float[Array, "*grid in_channels"], c: Float[Array, "..."] | None = None
    ) -> Float[Array, "*grid out_channels"]:
        dim = self.down[0].weight.ndim - 2
        check_field(a, self.in_channels, dim, "UNet")
        warn_unless_periodic(a, range(dim), "UNet", "For other fields there is FNO(padding=0.25).")
        check_conditions(self.films, c, "UNet")
        v, passed, axes = self.lift(a), [], (Axis(),) * dim
        for level, layer in enumerate(self.down):
            v = gelu(modulated(self.films, level, layer.convolve(v), c))
            passed.append(v)
            v = interpolate(v, [-(-n // 2) for n in v.shape[:-1]], axes)
        v = gelu(modulated(self.films, -1, self.bottom.convolve(v), c))
        for layer, fine in reversed(list(zip(self.up, passed, strict=True))):
            v = jnp.concatenate([interpolate(v, fine.shape[:-1], axes), fine], -1)
            v = gelu(layer.convolve(v))
        return self.project(v)
