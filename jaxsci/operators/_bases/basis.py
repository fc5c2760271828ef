"""What a network of spectral layers needs to know of its basis."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray


@dataclass(frozen=True)
class Basis(ABC):
    """A basis in which an `FNO` expands fields: a spectral layer, and coordinates smooth in it.

    Derive a frozen dataclass from it that has `conv` and `position`; `dim` and `check` have
    defaults. A basis is a value: two with the same options are equal, so nothing is compiled twice.

    ```python
    model = FNO(1, 1, width=16, modes=8, depth=3, basis=FourierBasis(padding=0.25), key=key)
    ```
    """

    @abstractmethod
    def conv(
        self, in_channels: int, out_channels: int, *, modes: tuple[int, ...], key: PRNGKeyArray
    ) -> Callable:
        """A layer that multiplies the coefficients of a field by learned matrices.

        **Arguments:**

        - `in_channels`, `out_channels`: number of channels in and out.
        - `modes`: the highest wave number or degree kept, of each axis.
        - `key`: PRNG key of the weights.

        **Returns:** a map of fields `(*grid, in_channels)` to fields `(*grid, out_channels)`.
        """

    @abstractmethod
    def position(self, grid: Sequence[int], dtype: DTypeLike) -> Float[Array, "*grid channels"]:
        """Where the points of a grid are, as functions that are smooth in the basis.

        **Arguments:**

        - `grid`: number of points of each axis.
        - `dtype`: of the result.

        **Returns:** a field with as many channels as it takes.
        """

    def dim(self, modes: tuple[int, ...]) -> int:
        """The number of grid axes of a field; by default there is one of `modes` for each.

        **Arguments:**

        - `modes`: the highest wave number or degree kept, of each axis.

        **Raises:** `ValueError` for a number of modes that the basis does not have.
        """
        return len(modes)

    def check(self, a: Float[Array, "*grid channels"], name: str) -> None:  # noqa: B027 (optional)
        """Warn of, or refuse, a field that does not suit the basis; by default none.

        **Arguments:**

        - `a`: the field that a network was called with.
        - `name`: of the network, for the message.
        """
