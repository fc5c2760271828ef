"""Averages over the grid, channel by channel, and what all metrics refuse."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._fields.fields import check_floating, check_real_and_filled, check_weights, known

AnyArray = Array | np.ndarray  # a target may come from a file


def average(
    values: Float[AnyArray, "*grid channels"], weights: Float[AnyArray, "..."] | None
) -> Float[Array, " channels"]:
    """Σᵢ wᵢ vᵢ / Σᵢ wᵢ for each channel; points of weight zero do not count."""
    grid = tuple(range(values.ndim - 1))
    if weights is None:
        return jnp.mean(values, grid)
    # In half precision the sum of the weights of a large grid would be infinite, and an error zero.
    w = jnp.asarray(weights, jnp.promote_types(values.dtype, jnp.float32))[..., None]
    mean = jnp.sum(jnp.where(w == 0, 0, w * values), grid) / jnp.sum(w)
    return mean.astype(values.dtype)


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
    """Both fields, zero at points of weight zero; an error if they cannot be compared."""
    prediction, target = jnp.asarray(prediction), jnp.asarray(target)
    if prediction.shape != target.shape or target.ndim < 2:
        raise ValueError(
            f"{name}() compares two fields (*grid, channels) on one grid; got shapes "
            f"{prediction.shape} and {target.shape}. Batches and times by jax.vmap."
        )
    for field in (target, prediction):
        check_real_and_filled(field, f"{name}()")
        check_floating(field, f"{name}()")  # differences of unsigned integers wrap around
    check_weights(weights, target.shape[:-1], f"{name}()")
    given = None if weights is None else known(weights)
    if given is not None and not given.sum() > 0:
        raise ValueError(f"{name}() needs weights that are not all zero.")
    if weights is None:
        return prediction, target
    # Zero where nothing counts, so that no derivative is NaN there either.
    counts = jnp.asarray(weights)[..., None] != 0
    return jnp.where(counts, prediction, 0), jnp.where(counts, target, 0)


def check_epsilon(epsilon: float, name: str) -> None:
    """`ValueError` for a negative number."""
    if not epsilon >= 0:
        raise ValueError(f"{name}() adds epsilon >= 0 to a mean square; got {epsilon}.")
