"""The interface between a network of spectral layers and its basis."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray


@dataclass(frozen=True)
class Basis(ABC):
    """A basis in which an `FNO` expands fields: a spectral layer, and coordinates smooth in it.

    Derive a frozen dataclass with `conv` and `position`; `dim` and `check` have defaults. A basis
    is a value: two with the same options are equal, so nothing is compiled twice.

    ```python
    basis = jsci.operators.FourierBasis(padding=0.25)
    model = jsci.operators.FNO(1, 1, width=16, modes=8, depth=3, basis=basis, key=key)
    ```
    """

    @abstractmethod
    def conv(
        self, in_channels: int, out_channels: int, *, modes: tuple[int, ...], key: PRNGKeyArray
    ) -> Callable:
        """A layer that multiplies the coefficients of a field by learned matrices.

        **Arguments:**

        - `in_channels`, `out_channels`: number of channels in and out.
        - `modes`: the highest wave number or degree kept along each axis.
        - `key`: PRNG key of the weights.

        **Returns:** a map of fields `(*grid, in_channels)` to fields `(*grid, out_channels)`.
        """

    @abstractmethod
    def position(self, grid: Sequence[int], dtype: DTypeLike) -> Float[Array, "*grid channels"]:
        """Where the points of a grid are, as functions that are smooth in the basis.

        **Arguments:**

        - `grid`: number of points along each axis.
        - `dtype`: of the result.

        **Returns:** a field `(*grid, channels)` with as many channels as needed.
        """

    def dim(self, modes: tuple[int, ...]) -> int:
        """The number of grid axes of a field; by default one per entry of `modes`.

        **Arguments:**

        - `modes`: the highest wave number or degree kept along each axis.

        **Returns:** an integer.

        **Raises:** `ValueError` for a number of modes that the basis does not have.
        """
        return len(modes)

    def check(self, a: Float[Array, "*grid channels"], name: str) -> None:  # noqa: B027 (optional)
        """Warn of, or reject, a field that does not suit the basis; by default do nothing.

        **Arguments:**

        - `a`: the input field of a network, `(*grid, channels)`.
        - `name`: the name of the network, for the message.
        """
