"""The uncertainty of a trained field, by the Laplace approximation of its parameters."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ...core import Objective, compiled_call, laplace, require_x64


def laplace_deviation(
    quantity: Callable,
    objective: Objective,
    params: PyTree,
    batch: Mapping[str, PyTree],
    *,
    prior: float = 1e-10,
    noise: float | None = None,
) -> Callable[..., Float[Array, ""]]:
    """The standard deviation of a trained field at a point, to first order in its parameters.

        var q(x) = s² g (JᵀJ + λ tr JJᵀ)⁻¹ gᵀ,   g = ∂q(params, x)/∂params

    J is the Jacobian of the scaled residuals at the minimum. s² is their noise: by default their
    sum of squares over n minus the effective number of parameters, tr JᵀJ(JᵀJ + λ tr JJᵀ)⁻¹, which
    for a linear model is the usual estimate of regression. It covers what the data leave open
    (noisy values, an unknown coefficient). If the residuals are small because a network fits them
    all, it says nothing about the error between the points: use an ensemble, `jax.vmap` over keys.

    **Arguments:**

    - `quantity`: `q(params, x)`, a scalar: the field, or an unknown coefficient (which ignores x).
    - `objective`, `params`, `batch`: the objective, the trained parameters and their batch.
    - `prior`: λ; directions that the residuals do not determine have the variance s²/(λ tr JJᵀ).
    - `noise`: s of the scaled residuals √(wₖ/nₖ) rₖ, if it is known.

    **Returns:** `deviation(x)`, a scalar in the unit of `quantity`.

    **Raises:** `ValueError` in float32, for a prior or noise that is not positive, or for fewer
    residuals than effective parameters without `noise`.

    **Source:** MacKay, "A practical Bayesian framework for backpropagation networks" (1992).

    ```python
    deviation = jsci.pde.laplace_deviation(f, loss, params, batch)  # or lambda p, x: p["log_nu"]
    deviation(jnp.zeros(2))
    ```
    """
    require_x64("laplace_deviation()")
    if not prior > 0 or (noise is not None and not noise > 0):
        raise ValueError(f"prior and noise must be positive, got {prior} and {noise}.")
    residuals = objective.at(batch)
    weights = dict(zip(objective.names, objective.weights, strict=True))
    trace = sum(weights[name] * mean for name, mean in residuals.traces(params).items())
    posterior = laplace(objective, params, batch, prior=prior * trace, noise=1.0)
    if noise is None:
        effective = float(posterior.effective_parameters)
        r = compiled_call(residuals.vector, params)
        free = r.size - effective
        if not free >= 0.5:
            raise ValueError(
                f"{r.size} residuals determine {effective:.0f} parameters, which leaves "
                "nothing to estimate their noise from: give noise=, or more points."
            )
        noise = float(jnp.sqrt(jnp.sum(r**2) / free))

    def deviation(x: PyTree) -> Float[Array, ""]:
        one = jax.tree.map(lambda a: jnp.asarray(a)[None], x)
        return noise * jnp.sqrt(posterior.variance(one, of=quantity)[0])

    return deviation
