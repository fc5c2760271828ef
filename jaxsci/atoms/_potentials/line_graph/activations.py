"""Activation functions by the names that files of deepmd-kit have for them."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array


def activate(name: str, x: Array) -> Array:
    """silu, tanh, or silu:t, which beyond t goes on as a tanh, with the same slope at t."""
    if name == "tanh":
        return jnp.tanh(x)
    if name == "silu":
        return jax.nn.silu(x)
    end = threshold(name)
    gate = 1 / (1 + math.exp(-end))
    slope = gate + end * gate * (1 - gate)
    return jnp.where(x < end, jax.nn.silu(x), jnp.tanh(slope * (x - end)) + end * gate)


def threshold(name: str) -> float:
    """Where the tail of `silut:t` begins; `ValueError` for another name."""
    kind, _, end = name.partition(":")
    if kind not in ("silut", "custom_silu"):
        raise ValueError(f"no activation {name!r}: 'silu', 'tanh' and 'silut:t' can be read.")
    return float(end or 3.0)
