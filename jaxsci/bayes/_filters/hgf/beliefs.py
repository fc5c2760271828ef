"""What is believed about each level, before and after an observation."""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Beliefs(NamedTuple):
    """Normal beliefs about all nodes, and behind them about the further levels that nodes have.

    - `mean`: (n,); of a binary node the probability of 1.
    - `precision`: (n,), one over the variance.
    """

    mean: Float[Array, "*b n"]
    precision: Float[Array, "*b n"]


class Predicted(NamedTuple):
    """A level before the observation: μ̂, π̂, Ω, and its variance after the one before.

    The variance of a binary level is that of its prediction.
    """

    mean: Array
    precision: Array
    volatility: Array
    variance: Array


class Known(NamedTuple):
    """A node after the observation, and whether anything was seen below it."""

    mean: Array
    precision: Array
    informed: Array


def beliefs(known: Mapping[int, Known]) -> Beliefs:
    """Of all levels, in their order."""
    found = [known[i] for i in range(len(known))]
    return Beliefs(jnp.stack([k.mean for k in found]), jnp.stack([k.precision for k in found]))
