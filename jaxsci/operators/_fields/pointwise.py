"""Maps of the channels of a field `(*grid, channels)`, the same at every point."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ...nn._pointwise import Pointwise


def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The exact GELU, x Φ(x) = x (1 + erf(x/√2)) / 2.

    The erf form: `jax.nn.gelu(approximate=False)` uses erfc, the same function at several times
    the cost on a CPU.
    """
    return 0.5 * x * (1 + jax.lax.erf(x * np.sqrt(0.5).astype(x.dtype)))


def pointwise_mlp(sizes: Sequence[int], keys: Iterator[PRNGKeyArray]) -> list[Pointwise]:
    """The layers of a network of the channels, for `apply_mlp`.

    **Arguments:**

    - `sizes`: channels of the input, of each hidden layer and of the output.
    - `keys`: PRNG keys; each layer takes the next one.

    **Returns:** the layers in a list, since files name a network's arrays by their place in it.
    """
    return [Pointwise(m, n, key=next(keys)) for m, n in pairwise(sizes)]


def apply_mlp(
    layers: Sequence[Pointwise],
    a: Float[Array, "*grid in_channels"],
    activation: Callable[[Array], Array] = gelu,
) -> Float[Array, "*grid out_channels"]:
    """b(x) = Wₙ σ(… σ(W₁ a(x) + c₁) …) + cₙ at every point.

    **Arguments:**

    - `layers`: of `pointwise_mlp`.
    - `a`: the field `(*grid, in_channels)`.
    - `activation`: σ, absent after the last layer.

    **Returns:** the field `(*grid, out_channels)`.
    """
    for layer in layers[:-1]:
        a = activation(layer(a))
    return layers[-1](a)
