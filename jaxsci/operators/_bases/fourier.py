"""Fourier series, on the domain or on a larger cell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.fields import grid_coordinates
from .._fields.periodicity import warn_unless_periodic
from .._spectral.factorised import Factorisation, check_factorisation
from .._spectral.spectral import SpectralConv
from .basis import Basis


@dataclass(frozen=True)
class FourierBasis(Basis):
    """Fourier series on the points xᵢ = i/N: for periodic fields, or for any field with padding.

        φ_k(x) = exp(2πi k·x/L),   |kⱼ| <= mⱼ,   L = 1 + padding

    **Arguments:**

    - `padding`: the fraction of the domain by which the periodic cell exceeds it, one number for
        all axes. Good values: 0 if the fields are periodic, otherwise 0.25 to 1.
    - `factorisation`: `None` for full tensors of weights, or "tucker" or "cp".
    - `rank`: the approximate share of the full tensor's parameters in a factorised one, in (0, 1].
        **Good value:** 0.1.

    **Raises:** `ValueError` for a padding that is negative or not finite, an unknown factorisation,
    or a rank out of range; `TypeError` for one padding per axis.

    **Notes:** networks without padding warn of a field that is not periodic.

    ```python
    basis = jsci.operators.FourierBasis(padding=0.25)
    model = jsci.operators.FNO(1, 1, width=16, modes=8, depth=3, basis=basis, key=key)
    ```
    """

    padding: float = 0.0
    factorisation: Factorisation | None = None
    rank: float = 0.1

    def __post_init__(self) -> None:
        _check_padding(self.padding)
        if self.factorisation is not None:
            check_factorisation(self.factorisation, self.rank)

    def conv(
        self, in_channels: int, out_channels: int, *, modes: tuple[int, ...], key: PRNGKeyArray
    ) -> SpectralConv:
        return SpectralConv(
            in_channels,
            out_channels,
            modes=modes,
            period=1 + self.padding,
            factorisation=self.factorisation,
            rank=self.rank,
            key=key,
        )

    def position(self, grid: Sequence[int], dtype: DTypeLike) -> Float[Array, "*grid channels"]:
        """x itself with padding, else cos 2πx and sin 2πx, which are periodic."""
        x = grid_coordinates(grid, dtype)
        if self.padding:
            return x
        return jnp.concatenate([jnp.cos(2 * jnp.pi * x), jnp.sin(2 * jnp.pi * x)], -1)

    def check(self, a: Float[Array, "*grid channels"], name: str) -> None:
        if not self.padding:
            advice = "For other fields: padding=0.25, or an FNO's basis=."
            # The warning points to the caller of the network, which called this.
            warn_unless_periodic(a, range(a.ndim - 1), f"{name} without padding", advice, 4)


def _check_padding(padding):
    if not isinstance(padding, int | float | np.integer | np.floating):
        raise TypeError(f"padding is one number for all axes, such as 0.25; got {padding!r}.")
    if not 0 <= padding < math.inf:
        raise ValueError(f"padding={padding} must be a share of the domain, finite and >= 0.")
