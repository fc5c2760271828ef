"""Weights that balance the terms of an objective, and weights that respect causality."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ...core import Objective, compiled_call


def ntk_weights(
    objective: Objective, params: PyTree, batch: Mapping[str, PyTree]
) -> dict[str, Float[Array, ""]]:
    """Weights that make all terms learn at the same rate, from the traces of the tangent kernel.

        wₖ = (Σⱼ tr Kⱼ / nⱼ) / (tr Kₖ / nₖ),   tr Kₖ = Σᵢ ‖∂rₖ(xᵢ)/∂params‖²

    **Arguments:**

    - `objective`: the objective; its current weights do not matter.
    - `params`, `batch`: the parameters and samples at which the kernel is taken.

    **Returns:** the weight of each term by name, for `objective.reweighted(weights)`.

    **Raises:** as `objective.residuals` for a batch that does not fit; `TypeError` for a sampler or
    a complex residual.

    **Notes:** a term that does not depend on the parameters gets an infinite weight. The traces are
    those of `gram_operator`: neither J nor the kernel is formed.

    **Source:** Wang, Yu & Perdikaris, "When and why PINNs fail to train: a neural tangent kernel
    perspective" (2022), equation 6.5.

    ```python
    loss = loss.reweighted(jsci.pde.ntk_weights(loss, params, batch))
    ```
    """
    _require_batch(objective, batch)
    rates = objective.at(batch).traces(params)
    total = sum(rates.values())
    return {name: total / rate for name, rate in rates.items()}


def gradient_norm_weights(
    objective: Objective, params: PyTree, batch: Mapping[str, PyTree]
) -> dict[str, Float[Array, ""]]:
    """Weights that give the gradients of all terms the same norm.

        wₖ = Σⱼ ‖∇Lⱼ‖ / ‖∇Lₖ‖

    **Arguments:**

    - `objective`: the objective; its current weights do not matter.
    - `params`, `batch`: the parameters and samples at which the gradients are taken.

    **Returns:** the weight of each term by name, for `objective.reweighted(weights)`. A term at its
    minimum gets an infinite weight.

    **Raises:** as `ntk_weights`.

    **Source:** Wang, Sankaran, Wang & Perdikaris, "An expert's guide to training physics-informed
    neural networks" (2023), algorithm 1.

    ```python
    loss = loss.reweighted(jsci.pde.gradient_norm_weights(loss, params, batch))
    ```
    """
    _require_batch(objective, batch)

    def norms_of(params, batch):
        gradients = jax.jacrev(objective.terms)(params, batch)
        return {name: jnp.linalg.norm(ravel_pytree(g)[0]) for name, g in gradients.items()}

    norms = compiled_call(norms_of, params, dict(batch))
    total = sum(norms.values())
    return {name: total / norm for name, norm in norms.items()}


def causal_weights(
    residuals: Float[Array, " n"],
    times: Float[Array, " n"],
    *,
    tolerance: float,
    start: float,
    end: float,
    slices: int = 16,
) -> Float[Array, " n"]:
    """A weight per point: later times wait until earlier ones are solved.

        w(t) = exp(-ε Σ_{s < t} mean of r² in time slice s)

    **Arguments:**

    - `residuals`: rᵢ, `(n,)`.
    - `times`: tᵢ, `(n,)`.
    - `tolerance`: ε; raise it through 1e-2, 1e-1, …, 1e2 during training.
    - `start`, `end`, `slices`: the time interval, and the number of slices.

    **Returns:** weights `(n,)` in (0, 1], constant under differentiation.

    **Raises:** `ValueError` for a tolerance or a number of slices that is not positive, or for
    residuals and times of different shapes; `TypeError` for complex residuals.

    **Source:** Wang, Sankaran & Perdikaris, "Respecting causality for training physics-informed
    neural networks" (2024), equation 3.6.

    ```python
    residuals = jsci.vmap(r, (None, 0))(params, points)
    w = jsci.pde.causal_weights(residuals, points[:, -1], tolerance=1.0, start=0.0, end=1.0)
    loss = jnp.mean(w * residuals**2)
    ```
    """
    if not tolerance > 0 or slices < 1 or not start < end:
        raise ValueError(
            "causal_weights needs tolerance > 0, slices >= 1 and start < end, got "
            f"{tolerance}, {slices}, {start} and {end}."
        )
    _require_scalars(residuals, times)
    slot = jnp.clip(((times - start) / (end - start) * slices).astype(int), 0, slices - 1)
    count = jnp.zeros(slices, residuals.dtype).at[slot].add(1)
    total = jnp.zeros(slices, residuals.dtype).at[slot].add(residuals**2)
    before = jnp.cumsum(total / jnp.maximum(count, 1))
    before = jnp.concatenate([jnp.zeros(1, before.dtype), before[:-1]])
    return jax.lax.stop_gradient(jnp.exp(-tolerance * before)[slot])


def causal_loss(
    residual: Callable, *, tolerance: float, start: float, end: float, slices: int = 16
) -> Callable:
    """The loss of an evolution equation with causal weights, for `fit` with first-order optimisers.

        loss(params, points) = meanᵢ w(tᵢ) r(params, xᵢ)²

    **Arguments:**

    - `residual`: `r(params, x)`, a scalar, with time as the last coordinate of x.
    - `tolerance`, `start`, `end`, `slices`: as in `causal_weights`.

    **Returns:** `loss(params, points)`, of points `(n, d)`.

    **Raises:** as `causal_weights`.

    ```python
    loss = jsci.pde.causal_loss(r, tolerance=1.0, start=0.0, end=1.0)
    points = jsci.pde.uniform(domain, 512)
    fit = jsci.fit(loss, params, points, optax.adam(1e-3), steps=1000, key=key)
    ```
    """

    def loss(params, points):
        r = jax.vmap(residual, (None, 0))(params, points)
        _require_scalars(r, points[:, -1])
        w = causal_weights(
            r, points[:, -1], tolerance=tolerance, start=start, end=end, slices=slices
        )
        return jnp.mean(w * r**2)

    return loss


def _require_batch(objective: Objective, batch: Any) -> None:
    if callable(batch) or any(callable(points) for points in batch.values()):
        raise TypeError(
            "Weights are taken on points, but got a sampler: draw from it, batch = sample(key)."
        )
    objective.at(batch)  # raises as its residuals would


def _require_scalars(residuals: Array, times: Array) -> None:
    if residuals.ndim != 1 or residuals.shape != times.shape:
        raise ValueError(
            "Causal weights need one scalar residual for each time, got the shapes "
            f"{residuals.shape} and {times.shape}."
        )
    _require_real(residuals)


def _require_real(residual: Array) -> None:
    if jnp.iscomplexobj(residual):
        raise TypeError(
            f"A residual must be real, got {residual.dtype}: stack its real and imaginary parts."
        )
