"""An FNO with local layers: what few waves do not resolve."""

from collections.abc import Sequence

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .._bases.grid_basis import GridBasis
from .._bases.names import as_basis
from .._fields.axis_points import Points
from .._fields.edge_padding import Boundary
from .._layers.convolution import DifferentialConv, KernelConv
from .._spectral.axes import AxisBasis
from .fno import FNO


class LocalNO(FNO):
    """An FNO whose layers also have a local kernel integral and a learned derivative.

        vₗ₊₁ = σ(Wₗvₗ + cₗ + Kₗvₗ + Lₗvₗ + r Dₗvₗ)

    with K spectral as in `FNO`, L a `KernelConv` of radius r and D a `DifferentialConv`. The
    truncated spectrum carries what is long-ranged and smooth, the local layers fronts and boundary
    layers. All are operators on functions: trained on one grid, the network converges under
    refinement, at the first order of D. In units of r the derivative has the size of the other
    terms, and the network does not depend on the unit of length.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `width`, `modes`, `depth`: as in `FNO`.
    - `radius`: of the kernels, in the unit of `lengths`. Good values: two to four spacings of the
        training grid.
    - `lengths`: of the domain, one for all axes or one per axis.
    - `padding`, `basis`, `points`: as in `FNO`, but without "chebyshev" and "sphere", whose points
        are not uniform. The local layers are periodic along periodic axes and mirror the field at
        the ends of others; "sine" continues it by zero.
    - `key`: PRNG key of the weights.

    Called as `model(a)`: `a` is one sample `(*grid, in_channels)` with the same spacing along all
    axes, the output `(*grid, out_channels)` at the same points.

    **Raises:** `ValueError` as `FNO`, for a basis whose points are not uniform, a radius that holds
    no neighbour, and unequal spacings.

    **Notes:** as in `FNO`.

    **Source:** Liu-Schiaffini et al., "Neural Operators with Localized Integral and Differential
    Kernels", ICML 2024, section 3; r is not in the paper.

    ```python
    model = jsci.operators.LocalNO(
        1, 1, width=16, modes=8, depth=3, radius=0.05, key=jax.random.key(0)
    )
    u = model(a)  # a, u: (64, 1)
    ```
    """

    kernels: list[KernelConv]
    derivatives: list[DifferentialConv]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        modes: int | Sequence[int],
        depth: int,
        radius: float,
        lengths: float | Sequence[float] = 1.0,
        padding: float | Sequence[float] = 0.0,
        basis: GridBasis | AxisBasis | Sequence[AxisBasis] = "fourier",
        points: Points | Sequence[Points] | None = None,
        key: PRNGKeyArray,
    ):
        keys = jax.random.split(key, 2 * max(depth, 1) + 1)
        chosen = as_basis(basis, padding=padding, points=points)
        super().__init__(
            in_channels, out_channels, width=width, modes=modes, depth=depth, basis=chosen,
            key=keys[0],
        )  # fmt: skip
        if not isinstance(chosen, GridBasis):
            raise ValueError(f"LocalNO has layers on uniform grids, not with basis={basis!r}.")
        axes = chosen.axes(len(self.modes))
        if any(axis.basis == "chebyshev" for axis in axes):
            raise ValueError("LocalNO has layers on uniform grids, which Chebyshev points are not.")
        ends: dict[str, Boundary] = {"sine": "zero"}
        options = {
            "dim": len(axes),
            "boundary": ["periodic" if x.periodic else ends.get(x.basis, "reflect") for x in axes],
            "lengths": lengths,
            "points": [axis.points for axis in axes],
        }
        self.kernels = [
            KernelConv(width, width, radius=radius, **options, key=k) for k in keys[1 : depth + 1]
        ]
        self.derivatives = [
            DifferentialConv(width, width, **options, key=k) for k in keys[depth + 1 :]
        ]

    def _layer(self, layer: int, v: Float[Array, "*grid width"]) -> Float[Array, "*grid width"]:
        kernel, derivative = self.kernels[layer], self.derivatives[layer]
        local = kernel.convolve(v) + kernel.radius * derivative.differentiate(v)
        return super()._layer(layer, v) + local
