"""How long a forecast follows the truth."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._averages import AnyArray, average, checked_pair, deviation


def correlation_time(
    prediction: Float[AnyArray, "times *grid channels"],
    target: Float[AnyArray, "..."],
    *,
    threshold: float = 0.8,
    time_step: float = 1.0,
    weights: Float[AnyArray, "..."] | None = None,
) -> Float[Array, " channels"]:
    """The time until which a forecast correlates with the truth, without a gap.

        r(t) = ⟨p′u′⟩ / √(⟨p′²⟩ ⟨u′²⟩),   v′ = v - ⟨v⟩;   T = max{t: r(s) >= threshold for s <= t}

    **Arguments:**

    - `prediction`, `target`: one trajectory each, `(times, *grid, channels)`, without the state
        that the forecast starts from: the first is at `time_step`, as `rollout` returns it.
    - `threshold`: the smallest correlation that counts, between -1 and 1. Good value: 0.8.
    - `time_step`: the time between two states.
    - `weights`: quadrature weights `(*grid,)`, as in `nrmse`.

    **Returns:** one time per channel, `(channels,)`, a multiple of `time_step`; 0 if the first
    state is below the threshold. Of a forecast that is never below it, the last time: the
    correlation time is then at least this.

    **Raises:** `ValueError` for fields of different shapes, or a threshold or time step out of
    range; `TypeError` for complex fields.

    **Notes:** where a forecast has become constant or is no longer finite, its correlation is not
    defined and counts as below the threshold. NaN for a target that is not finite.

    **Source:** Koehler et al., "APEBench", NeurIPS 2024, section on metrics.

    ```python
    truth = jnp.stack([a, u, a])
    jsci.operators.metrics.correlation_time(jnp.stack([a, u, u]), truth, time_step=0.5)  # 1.0
    ```
    """
    if not -1 < threshold < 1 or not time_step > 0:
        raise ValueError(
            "correlation_time() needs a threshold between -1 and 1 and a positive time step; got "
            f"{threshold} and {time_step}."
        )
    prediction, target = jnp.asarray(prediction), jnp.asarray(target)
    if prediction.shape != target.shape or target.ndim < 3 or not len(target):
        raise ValueError(
            "correlation_time() compares two trajectories (times, *grid, channels); got shapes "
            f"{prediction.shape} and {target.shape}."
        )
    checked_pair(prediction[0], target[0], weights, "correlation_time")
    correlation = jax.vmap(lambda p, u: _correlation(p, u, weights))(prediction, target)
    follows = jnp.cumprod(correlation >= threshold, 0)
    known = jax.vmap(lambda u: jnp.isfinite(average(u, weights)))(target).all(0)
    return jnp.where(known, time_step * jnp.sum(follows, 0), jnp.nan).astype(target.dtype)


def _correlation(p, u, weights):
    """Pearson's, of fields in units of their largest value, so that no square vanishes."""

    def scaled(v):
        v = deviation(v, weights)
        size = jnp.max(jnp.abs(v), range(v.ndim - 1), keepdims=True)
        return v / jnp.where(size == 0, 1, size)

    p, u = scaled(p), scaled(u)
    return average(p * u, weights) / jnp.sqrt(average(p**2, weights) * average(u**2, weights))
