"""How unequal the terms of an objective are, as a second-order step sees them."""

from collections.abc import Sequence
from itertools import accumulate

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..objective import BatchResiduals

# Beyond this ratio of traces, damping and rounding that suit one term are out of scale for others.
UNEQUAL = 3e4


def rows_of_terms(residuals: BatchResiduals, params: PyTree) -> list[slice]:
    """Where each term lies in `residuals.vector(params)`."""
    ends = list(accumulate(r.size for r in jax.eval_shape(residuals, params).values()))
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def imbalance(residuals: BatchResiduals, traces: Sequence[Float[Array, ""]]) -> Float[Array, ""]:
    """The largest of the terms' traces over the smallest, with or without weights.

    The smaller of the two: a deliberately small weight, as of a regulariser, is not an imbalance,
    nor are unequal terms that the weights balance. Terms without slope do not count.
    """
    weighted = jnp.stack(list(traces))
    weights = jnp.stack([jnp.asarray(w, weighted.dtype) for w in residuals.objective.weights])
    return jnp.minimum(_spread(weighted), _spread(weighted / weights))


def _spread(traces):
    # A weight of zero makes its term 0/0, which compares as false.
    counts = traces > 0
    largest = jnp.max(jnp.where(counts, traces, 0))
    smallest = jnp.min(jnp.where(counts, traces, jnp.inf))
    return jnp.where(jnp.any(counts), largest / smallest, 1)
