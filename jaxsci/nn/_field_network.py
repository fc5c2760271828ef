"""The common part of networks of one point: sizes, layers, and scalar or vector outputs."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from ._dense import Dense, Init, check_sizes

OutSize = int | Literal["scalar"]


class FieldNetwork(eqx.Module):
    """A function of one point, whose "scalar" output has no axis.

    Each network declares its fields itself, since their order is that of the arrays in files.
    """

    scalar: eqx.AbstractVar[bool]

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, "..."]:
        y = self._outputs(x)
        return y[0] if self.scalar else y

    @abstractmethod
    def _outputs(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        """All outputs at a point, as a vector."""


def layer_sizes(
    in_size: int,
    out_size: OutSize,
    *,
    width: int,
    depth: int,
    embedding: Callable | None = None,
) -> list[int]:
    """The number of units from the (embedded) point through `depth` hidden layers to the outputs.

    **Raises:** `ValueError` for sizes that are not positive.
    """
    check_sizes(width=width, depth=depth)
    return [embedded_size(in_size, embedding), *[width] * depth, output_size(out_size)]


def dense_layers(
    sizes: Sequence[int],
    keys: Key[Array, " layers"],
    *,
    init: Init = "glorot",
    dtype: DTypeLike | None,
) -> tuple[Dense, ...]:
    """A `Dense` from each size to the next.

    Biases are spread in all but the last, and zero where LeCun's weights keep the variance.
    """
    last = len(sizes) - 2 if init == "glorot" else 0
    return tuple(
        Dense(m, n, key=k, bias_scale=float(i < last), init=init, dtype=dtype)
        for i, (m, n, k) in enumerate(zip(sizes[:-1], sizes[1:], keys, strict=True))
    )


def output_size(out_size: OutSize) -> int:
    """The number of outputs; "scalar" is one output of shape ()."""
    if out_size == "scalar":
        return 1
    if isinstance(out_size, str):
        raise ValueError(f'out_size must be a positive integer or "scalar", got {out_size!r}.')
    check_sizes(out_size=out_size)
    return out_size


def embedded_size(in_size: int, embedding: Callable | None) -> int:
    """The number of inputs after the embedding."""
    check_sizes(in_size=in_size)
    if embedding is None:
        return in_size
    x = jax.ShapeDtypeStruct((in_size,), jnp.result_type(float))
    shape = eqx.filter_eval_shape(embedding, x).shape
    if len(shape) != 1:
        raise ValueError(f"embedding must map a vector to a vector, but returned shape {shape}.")
    return shape[0]
