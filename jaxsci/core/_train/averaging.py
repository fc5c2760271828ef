"""Averages of the parameters along a training run."""

from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import PyTree


class Averaged(NamedTuple):
    """State of `averaged`: that of the optimiser, and the average of the parameters."""

    inner: PyTree
    params: PyTree


def averaged(
    optimizer: optax.GradientTransformation, decay: float
) -> optax.GradientTransformationExtraArgs:
    """An optimiser that also keeps an exponential moving average of the parameters.

        θ̄ₙ = d θ̄ₙ₋₁ + (1 - d) θₙ,   θ̄₀ = θ₀

    The steps are those of the optimiser; the average has less minibatch noise, and is often the
    better model.

    **Arguments:**

    - `optimizer`: any that `fit` takes.
    - `decay`: d, from 0 to below 1.

    **Returns:** an optimiser for `fit`; after training the average is in `result.state.params`, and
    a checkpoint holds it too.

    **Raises:** `ValueError` for a decay outside [0, 1).

    **Good values:** an average over the last 1/(1 - d) steps that is a tenth of the run or less:
    0.9 to 0.999.

    **Source:** Polyak & Juditsky, SIAM J. Control Optim. 30, 838 (1992).

    ```python
    result = jsci.fit(loss, params, data, jsci.averaged(optax.adam(1e-3), 0.99), steps=1000)
    smooth = result.state.params
    ```
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay must lie in [0, 1), got {decay}.")
    optimizer, decay = optax.with_extra_args_support(optimizer), float(decay)

    def init(params: PyTree) -> Averaged:
        return Averaged(optimizer.init(params), params)

    def update(updates: PyTree, state: Any, params: PyTree = None, **extra: Any):
        updates, inner = optimizer.update(updates, state.inner, params, **extra)
        new = optax.apply_updates(params, updates)
        average = jax.tree.map(lambda old, x: decay * old + (1 - decay) * x, state.params, new)
        return updates, Averaged(inner, average)

    return optax.GradientTransformationExtraArgs(init, update)
