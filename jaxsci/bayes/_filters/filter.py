"""A filter is a scan of one pure step over the observations."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, PyTree, Shaped

from ...core import compiled_call


class Observation(NamedTuple):
    """What a step sees of one moment.

    - `value`: the observation, () or (m,), with 0 where it is missing.
    - `seen`: where it is not missing.
    - `dt`: the time since the observation before.
    """

    value: Float[Array, "*m"]
    seen: Bool[Array, "*m"]
    dt: Float[Array, ""]


class Filtered(NamedTuple):
    """What `filter` returns, with an axis of T moments in front.

    - `state`: after each observation; that after the last continues the series.
    - `predicted`: what the step predicted before it saw each observation.
    - `log_density`: Σₖ log p(yₖ | y₁ ... yₖ₋₁), one number.
    - `log_densities`: its terms, (T,).
    """

    state: PyTree
    predicted: PyTree
    log_density: Float[Array, ""]
    log_densities: Float[Array, " t"]


def filter(
    step: Callable[[Any, Any, Observation], tuple[Any, Any, Float[Array, ""]]],
    params: PyTree,
    state: PyTree,
    observations: Shaped[Array, "..."],
    *,
    mask: Bool[Array, "..."] | None = None,
    dt: Float[Array, "..."] | float = 1.0,
) -> Filtered:
    """Run a state-space filter over a series.

        stateₖ, predictedₖ, log p(yₖ | y₁ ... yₖ₋₁) = step(params, stateₖ₋₁, yₖ)

    It is differentiable in the parameters and the first state. `jax.vmap` runs many subjects or
    many parameters at once; `.log_density` is the likelihood that samplers need.

    **Arguments:**

    - `step`: `step(params, state, observation)`, such as `kalman(...).step` or `hgf(...).step`, or
        one's own, which returns `(state, predicted, log_density)`. The `Observation` has 0 where
        nothing was seen: a step must leave the state as predicted there.
    - `params`: its parameters.
    - `state`: at the time of the observation before the first.
    - `observations`: y, (T,) or (T, m). NaN is missing.
    - `mask`: where an observation counts, of the same shape, or (T,) for all its entries.
    - `dt`: the time from one observation to the next, in the unit of the step; (T,) for irregular
        times, whose first leads from `state` to the first observation.

    **Returns:** `Filtered`: `.state`, `.predicted`, `.log_density`.

    **Raises:** `ValueError` for no observations, shapes that do not fit, or a negative time
    (under `jax.jit` it is NaN, and what follows too); `TypeError` for complex observations.

    **Notes:** a missing observation has the log density 0, and its gradient is finite.

    ```python
    decay = lambda rate, level, now: (jnp.exp(-rate * now.dt) * level, level, jnp.zeros(()))
    out = jsci.bayes.filter(decay, jnp.array(1.0), jnp.array(8.0), jnp.zeros(3))
    out.state  # 2.943, 1.083, 0.398
    ```
    """
    observation = _observation(observations, mask, dt)
    numbers = [a for a in jax.tree.leaves((params, state)) if not _is_key(a)]
    dtype = jnp.result_type(0.0, observation.value, *numbers)
    real = lambda a: a if _is_key(a) else jnp.asarray(a, dtype)  # noqa: E731
    observation = observation._replace(value=real(observation.value), dt=real(observation.dt))

    def run(params, state, observation):
        def one(state, now):
            state, predicted, log_density = step(params, state, now)
            return state, (state, predicted, log_density)

        states, predicted, logs = jax.lax.scan(one, state, observation)[1]
        return Filtered(states, predicted, jnp.sum(logs), logs)

    return compiled_call(run, params, jax.tree.map(real, state), observation)


def _is_key(a):
    return jnp.issubdtype(getattr(a, "dtype", float), jax.dtypes.prng_key)


def _observation(observations, mask, dt) -> Observation:
    """All moments, with what is missing."""
    y = jnp.asarray(observations)
    if jnp.iscomplexobj(y):
        raise TypeError(f"observations must be real, got {y.dtype}.")
    if y.ndim == 0 or y.size == 0:
        raise ValueError(f"observations must be (T,) or (T, m), at least one; got {y.shape}.")
    seen = ~jnp.isnan(y)
    if mask is not None:
        mask = jnp.asarray(mask, bool)
        if mask.shape not in (y.shape, y.shape[:1]):
            raise ValueError(f"mask of shape {mask.shape} does not fit observations of {y.shape}.")
        seen &= mask.reshape(mask.shape + (1,) * (y.ndim - mask.ndim))
    if jnp.shape(dt) not in ((), y.shape[:1]):
        raise ValueError(
            f"dt must be one number, or one for each of {len(y)} observations, got {jnp.shape(dt)}."
        )
    if not isinstance(dt, Tracer) and not np.all(np.asarray(dt) >= 0):
        raise ValueError(f"dt must not be negative, got {np.min(np.asarray(dt))}.")
    # Under jit a time that runs backwards is a flag.
    times = jnp.broadcast_to(dt, y.shape[:1])
    return Observation(jnp.where(seen, y, 0), seen, jnp.where(times >= 0, times, jnp.nan))
