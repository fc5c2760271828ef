"""Self-adaptive weights: one trained weight per point, by gradient ascent."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from ...core import Objective, warn_deprecated


class SelfAdaptive(NamedTuple):
    """What `self_adaptive` returns: the first four arguments of `fit`, under its names.

    - `objective`: `objective(params, data)`, a scalar.
    - `params`: `{"model": ..., "weights": {term: (n,)}}`, with one weight for each point.
    - `data`: the points, unchanged: the weights belong to them.
    - `optimizer`: descends in the model and ascends in the weights.
    """

    objective: Callable[[PyTree, Mapping[str, PyTree]], Float[Array, ""]]
    params: dict[str, PyTree]
    data: Mapping[str, PyTree]
    optimizer: optax.GradientTransformation

    @property
    def loss(self) -> Callable[[PyTree, Mapping[str, PyTree]], Float[Array, ""]]:
        """The former name of `objective`."""
        warn_deprecated("SelfAdaptive.loss", instead="SelfAdaptive.objective", since="0.2")
        return self.objective

    @property
    def batch(self) -> Mapping[str, PyTree]:
        """The former name of `data`."""
        warn_deprecated("SelfAdaptive.batch", instead="SelfAdaptive.data", since="0.2")
        return self.data


def self_adaptive(
    objective: Objective,
    params: PyTree,
    batch: Mapping[str, PyTree] | Callable,
    optimizer: optax.GradientTransformation,
    *,
    weight_optimizer: optax.GradientTransformation | None = None,
) -> SelfAdaptive:
    """A saddle-point problem whose weights grow where the residual stays large.

        min over params, max over λ of Σₖ wₖ meanᵢ λₖᵢ² |rₖ(params, xₖᵢ)|²,   λ = 1 at the start

    **Arguments:**

    - `objective`, `params`, `batch`: as for `fit`, with one fixed batch.
    - `optimizer`: a first-order optimiser for the model.
    - `weight_optimizer`: an optimiser for the weights; Adam with learning rate 5e-3 by default.

    **Returns:** the arguments of `fit`. The model is `fit(...).params["model"]`.

    **Raises:** `TypeError` if the batch is a sampler: new points would have no weights.

    **Source:** McClenny & Braga-Neto, "Self-adaptive physics-informed neural networks" (2023),
    equations 11 to 13, with the mask λ².

    ```python
    problem = jsci.pde.self_adaptive(loss, params, batch, optax.adam(1e-3))
    fit = jsci.fit(*problem, steps=2000)
    u = functools.partial(f, fit.params["model"])
    ```
    """
    if callable(batch):
        raise TypeError(
            "self_adaptive() needs one fixed batch, since each point has its own weight, but got "
            "a sampler: draw from it once, batch = sample(key)."
        )
    residuals = objective.residuals(params, batch)
    weights = {name: jnp.ones(r.shape[0], r.dtype) for name, r in residuals.items()}

    def loss(params, batch):
        total = 0.0
        for name, r in objective.residuals(params["model"], batch).items():
            square = jnp.sum(r.reshape(r.shape[0], -1) ** 2, axis=1)
            total = total + jnp.sum(params["weights"][name] ** 2 * square)
        return jnp.asarray(total)

    ascent = optax.chain(optax.scale(-1.0), weight_optimizer or optax.adam(5e-3))
    both = optax.multi_transform(
        {"model": optimizer, "weights": ascent}, {"model": "model", "weights": "weights"}
    )
    return SelfAdaptive(loss, {"model": params, "weights": weights}, batch, both)
