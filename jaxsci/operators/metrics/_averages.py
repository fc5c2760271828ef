"""Averages over the grid, channel by channel, and what all metrics refuse."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._fields.fields import check_real_and_filled, check_weights, known

AnyArray = Array | np.ndarray  # a target may come from a file


def average(
    values: Float[AnyArray, "*grid channels"], weights: Float[AnyArray, "..."] | None
) -> Float[Array, " channels"]:
    """Σᵢ wᵢ vᵢ / Σᵢ wᵢ for each channel; points of weight zero do not count."""
    grid = tuple(range(values.ndim - 1))
    if weights is None:
        return jnp.mean(values, grid)
    w = jnp.asarray(weights, values.dtype)[..., None]
    return jnp.sum(jnp.where(w == 0, 0, w * values), grid) / jnp.sum(w)


def deviation(
    values: Float[AnyArray, "*grid channels"], weights: Float[AnyArray, "..."] | None
) -> Float[Array, "*grid channels"]:
    """v - ⟨v⟩, and zero at points of weight zero, whatever their values."""
    mean = average(values, weights).reshape(*(1,) * (values.ndim - 1), -1)
    if weights is None:
        return jnp.asarray(values) - mean
    return jnp.where(jnp.asarray(weights)[..., None] == 0, 0, values - mean)


def checked_pair(
    prediction: Float[AnyArray, "*grid channels"],
    target: Float[AnyArray, "..."],
    weights: Float[AnyArray, "..."] | None,
    name: str,
) -> tuple[Float[Array, "*grid channels"], Float[Array, "*grid channels"]]:
    """Both fields as arrays; `ValueError` or `TypeError` if they cannot be compared."""
    prediction, target = jnp.asarray(prediction), jnp.asarray(target)
    if prediction.shape != target.shape or target.ndim < 2:
        raise ValueError(
            f"{name}() compares two fields (*grid, channels) on one grid; got shapes "
            f"{prediction.shape} and {target.shape}. Batches and times by jax.vmap."
        )
    check_real_and_filled(target, f"{name}()")
    check_real_and_filled(prediction, f"{name}()")
    check_weights(weights, target.shape[:-1], f"{name}()")
    given = None if weights is None else known(weights)
    if given is not None and not (given.min() >= 0 and given.sum() > 0):
        raise ValueError(
            f"{name}() needs weights >= 0 that are not all zero; got a smallest one of "
            f"{given.min()} and a sum of {given.sum()}."
        )
    return prediction, target


def check_epsilon(epsilon: float, name: str) -> None:
    """`ValueError` for a negative number."""
    if not epsilon >= 0:
        raise ValueError(f"{name}() adds epsilon >= 0 to a mean square; got {epsilon}.")
