"""Shared by all data sets: independent keys, chunks that fit in cache, subsampling, checks."""

import math
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ...core import compiled_call

Sample = TypeVar("Sample")


def generate(
    sample: Callable[[PRNGKeyArray], Sample], key: PRNGKeyArray, n: int, *, chunk: int
) -> Sample:
    """`n` samples `sample(key)` of independent keys, stacked, computed `chunk` at a time.

    Sample i depends only on `key` and i: a larger data set starts with the smaller one.
    """
    if n < 1:
        raise ValueError(f"A data set needs n >= 1 samples, got n={n}.")

    def samples(key):
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(n))
        return jax.lax.map(sample, keys, batch_size=min(chunk, n))

    return compiled_call(samples, key)


def stride(name: str, resolution: int, fine: int) -> int:
    """The number of fine points per coarse point; `ValueError` if it is not an integer."""
    if resolution < 1 or fine % resolution:
        divisors = [r for r in range(1, fine + 1) if fine % r == 0]
        raise ValueError(
            f"{name}() solves on fine={fine} points and subsamples, so resolution must divide it: "
            f"one of {divisors}; got {resolution}. Or choose another fine."
        )
    return fine // resolution


def check_settings(
    name: str, *, positive: dict[str, float], others: dict[str, float] | None = None
) -> None:
    """`ValueError` unless all are finite, some positive, the others >= 0, and counts whole."""
    *names, last = positive
    for setting, value in (positive | (others or {})).items():
        count = setting in ("steps", "times")  # a fraction of one would end before its time
        bounded = (value > 0 if setting in positive else value >= 0) and value < math.inf
        if not bounded or (count and value % 1):
            raise ValueError(
                f"{name}() needs positive {', '.join(names)} and {last}, whole numbers of steps "
                f"and times, and nothing negative or infinite; got {setting}={value}."
            )


def as_field(name: str, what: str, value: Num[Array | np.ndarray, "..."]) -> Float[Array, "..."]:
    """Values on a grid as real floats, whole numbers among them; others are refused."""
    field = jnp.asarray(value)
    if not field.size or jnp.iscomplexobj(field):
        raise ValueError(
            f"{name}() takes {what} as real numbers on a grid, got shape {field.shape} of "
            f"{field.dtype}."
        )
    return field if jnp.issubdtype(field.dtype, jnp.floating) else field.astype(float)
