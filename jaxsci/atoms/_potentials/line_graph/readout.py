"""From the features of an atom to its energy."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsci.nn import Dense

from .activations import activate


class Readout(eqx.Module):
    """A perceptron whose layers of equal or doubled width add to their input.

    `steps` are factors of what layers add, `None` for one.
    """

    layers: tuple[Dense, ...]
    steps: tuple[Float[Array, " units"] | None, ...]
    last: Dense
    activation: str = eqx.field(static=True)

    def __init__(self, width: int, *, key: PRNGKeyArray, dtype: Any):
        hidden, last = jax.random.split(key)
        self.layers = (Dense(width, width, key=hidden, dtype=dtype),)
        self.steps = (None,)
        self.last = Dense(width, 1, key=last, dtype=dtype)
        self.activation = "silu"

    def __call__(self, x: Float[Array, " width"]) -> Float[Array, ""]:
        for layer, step in zip(self.layers, self.steps, strict=True):
            y = activate(self.activation, layer(x))
            y = y if step is None else y * step
            ratio, rest = divmod(len(y), len(x))
            x = y if rest or ratio > 2 else y + jnp.tile(x, ratio)
        return self.last(x)[0]
