"""The error that networks of any pillar are trained and watched by."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


def relative_l2(u: Callable, points: jax.Array, exact: Any, weights: Any = 1.0) -> Callable:
    """`error(params)` on some points; `exact` is a function of one point, or its values."""
    values: Any = jax.vmap(exact)(points) if callable(exact) else exact

    @eqx.filter_jit
    def error(params):
        difference = jax.vmap(u, (None, 0))(params, points) - values
        return jnp.sqrt(jnp.sum(weights * difference**2) / jnp.sum(weights * values**2))

    return error
