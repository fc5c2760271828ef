"""Conditioning: scales and shifts of channels that depend on numbers such as a time."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.pointwise import Pointwise, apply_mlp, pointwise_mlp


class FiLM(eqx.Module):
    """Feature-wise linear modulation: a scale and a shift of each channel, functions of conditions.

        b(x) = (1 + s(c)) a(x) + t(c),   (s, t) = a network of c with one hidden layer

    The same at every point, so it is an operator on any grid. Initially s = t = 0: the layer is the
    identity.

    **Arguments:**

    - `channels`: number of channels of the field.
    - `conditions`: number of conditions, such as a lead time and a viscosity.
    - `width`: of the hidden layer.
    - `key`: PRNG key of the weights.

    Called as `layer(a, c)` with a field `(*grid, channels)` and conditions `(conditions,)`, scaled
    to be near one. `FNO`, `UNet` and `Transformer` have such layers inside with `conditions=`.

    **Raises:** `ValueError` for numbers below one, or a field or conditions of another shape.

    **Source:** Perez et al., "FiLM", AAAI 2018, equation 1.

    ```python
    layer = jsci.operators.FiLM(1, 2, width=16, key=key)
    b = layer(a, jnp.array([0.5, 1.0]))  # (64, 1)
    ```
    """

    network: list[Pointwise]
    conditions: int = eqx.field(static=True)

    def __init__(self, channels: int, conditions: int, *, width: int, key: PRNGKeyArray):
        if min(channels, conditions, width) < 1:
            raise ValueError(
                "FiLM needs channels, conditions and width >= 1; got "
                f"{channels}, {conditions} and {width}."
            )
        self.conditions = conditions
        layers = pointwise_mlp([conditions, width, 2 * channels], iter(jax.random.split(key)))
        layers[-1] = jax.tree.map(jnp.zeros_like, layers[-1])
        self.network = layers

    def __call__(
        self, a: Float[Array, "*grid channels"], c: Float[Array, "..."]
    ) -> Float[Array, "*grid channels"]:
        check_conditions([self], c, "FiLM")
        scale, shift = jnp.split(apply_mlp(self.network, jnp.asarray(c, a.dtype)), 2)
        if a.shape[-1:] != scale.shape:
            raise ValueError(
                f"FiLM was made with channels={scale.size} and takes a field (*grid, "
                f"{scale.size}); got shape {a.shape}."
            )
        channels = (1,) * (a.ndim - 1) + (-1,)
        return a * (1 + scale.reshape(channels)) + shift.reshape(channels)


def films(widths: Sequence[int], conditions: int, key: PRNGKeyArray, name: str) -> list[FiLM]:
    """One layer for each number of channels, or none without conditions."""
    if conditions < 0:
        raise ValueError(f"{name} needs conditions >= 0; got {conditions}.")
    if not conditions:
        return []
    # Of another key than those of the other weights, which are the same with and without.
    keys = jax.random.split(jax.random.fold_in(key, conditions), len(widths))
    return [FiLM(n, conditions, width=max(n, 16), key=k) for n, k in zip(widths, keys, strict=True)]


def modulated(
    films: Sequence[FiLM], place: int, a: Float[Array, "*grid channels"], c: Any
) -> Float[Array, "*grid channels"]:
    """The field after the layer at this place, or itself without conditions."""
    return films[place](a, c) if films else a


def check_conditions(films: Sequence[FiLM], c: Float[Array, "..."] | None, name: str) -> None:
    """`ValueError` unless there are as many conditions as the layers, if any, were made for."""
    conditions = films[0].conditions if films else 0
    shape = (0,) if c is None else jnp.shape(c)
    if shape != (conditions,):
        hint = " For a batch, use jax.vmap." if len(shape) == 2 else ""
        raise ValueError(
            f"{name} was made with conditions={conditions} and takes an array of shape "
            f"({conditions},) of them; got {'none' if c is None else f'shape {shape}'}.{hint}"
        )
