"""What the bases of product grids have in common: one transform, coordinates and check."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.axis_points import Points
from .._fields.periodicity import warn_unless_periodic
from .._spectral.axes import Axis, AxisBasis, as_axes, check_grids
from .._spectral.factorised import Factorisation, check_factorisation
from .._spectral.spectral_conv import SpectralConv
from .basis import Basis


class GridBasis(Basis):
    """One basis per axis, as options of `SpectralConv`, each one for all axes or one per axis."""

    basis: AxisBasis | tuple[AxisBasis, ...]
    padding: float | tuple[float, ...] = 0.0
    points: Points | tuple[Points, ...] | None = None
    factorisation: Factorisation | None = None
    rank: float = 0.1

    def __post_init__(self) -> None:
        sizes = {1}
        for option in ("basis", "padding", "points"):
            value = getattr(self, option)
            if np.ndim(value):  # lists are no values
                object.__setattr__(self, option, tuple(value))
                sizes.add(len(value))
        self.axes(max(sizes))
        if self.factorisation is not None:
            check_factorisation(self.factorisation, self.rank)

    def axes(self, dim: int) -> tuple[Axis, ...]:
        """The transform of each axis."""
        return as_axes(
            dim,
            basis=self.basis,
            padding=self.padding,
            points=self.points,
            name=type(self).__name__,
        )

    def conv(
        self, in_channels: int, out_channels: int, *, modes: tuple[int, ...], key: PRNGKeyArray
    ) -> SpectralConv:
        return SpectralConv(
            in_channels,
            out_channels,
            modes=modes,
            basis=self.basis,
            padding=self.padding,
            points=self.points,
            factorisation=self.factorisation,
            rank=self.rank,
            key=key,
        )

    def functions(
        self, grid: Sequence[int], modes: tuple[int, ...]
    ) -> Float[np.ndarray, "points functions"]:
        """Every product of functions at every point, in the order of a flattened grid."""
        if len(modes) != len(grid):
            raise ValueError(f"modes={modes} are those of {len(modes)} axes; the grid is {grid}.")
        axes, table = self.axes(len(grid)), np.ones((1, 1))
        check_grids(axes, modes, grid, grid)
        for axis, n, m in zip(axes, grid, modes, strict=True):
            table = np.kron(table, axis.functions(n, m))
        return table

    def position(self, grid: Sequence[int], dtype: DTypeLike) -> Float[Array, "*grid channels"]:
        """cos 2πx and sin 2πx of periodic axes, cos πx of cosine axes, x itself of others."""
        features = [axis.coordinates(n) for axis, n in zip(self.axes(len(grid)), grid, strict=True)]
        # The first function of every axis, then the second of those that have two.
        columns = [
            np.expand_dims(f[:, order], [a for a in range(len(grid)) if a != place])
            for order in range(2)
            for place, f in enumerate(features)
            if order < f.shape[1]
        ]
        return jnp.asarray(np.stack([np.broadcast_to(c, grid) for c in columns], -1), dtype)

    def check(self, a: Float[Array, "*grid channels"], name: str) -> None:
        axes = self.axes(a.ndim - 1)
        periodic = [place for place, axis in enumerate(axes) if axis.periodic]
        advice = "For other fields: padding=0.25, or an FNO's basis=."
        # The warning points to the caller of the network, which called this.
        where: list[Points] = [axis.points for axis in axes]
        warn_unless_periodic(a, periodic, f"{name} without padding", advice, 4, where)
