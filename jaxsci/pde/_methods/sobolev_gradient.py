"""Gradient descent of an energy in the norm of its own space, for networks or any basis."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from ...core import Weighted, best_halving, grad, objective, require_x64
from .._points.quadrature import Quadrature, points_and_weights


def sobolev_gradient(
    field: Callable,
    quadrature: Quadrature,
    learning_rate: float = 1.0,
    *,
    damping: float = 1e-10,
    line_search_steps: int = 0,
) -> optax.GradientTransformationExtraArgs:
    """Descent along the H¹₀ gradient of an energy, for the nonlinear problems of `ritz`.

        δ = -η (G + λ tr G)⁻¹ ∇E,   Gₐᵦ = ∫ ∇∂ₐu · ∇∂ᵦu dx

    G is the inner product ∫ ∇v·∇w of the tangent functions ∂u/∂θ, so the step is that of u ← u + η
    Δ⁻¹E′(u) projected on them. For an energy ∫ L(∇u) - f u with Hessians of L between m and M the
    error falls by (M - m)/(M + m) per step at η = 2/(m + M), whatever the discretisation:
    refinement costs no further steps, whereas plain descent slows down quadratically.

    **Arguments:**

    - `field`: `u(params, x)` with its boundary values built in.
    - `quadrature`: points and weights from `gauss_legendre` for G; those of the energy will do.
    - `learning_rate`: η; 1 for Poisson's energy, which one step then minimises if u is linear in
        its parameters.
    - `damping`: λ; 1e-7 to 1e-5 for networks, whose tangent functions are nearly dependent.
    - `line_search_steps`: how many of the lengths η, η/2, η/4, … to try; 0 takes η as it is.

    **Returns:** an optax transformation for `fit`.

    **Raises:** `ValueError` in float32 or for options that are not positive.

    **Source:** Marwah, Lipton, Lu & Risteski, "Neural network approximations of PDEs beyond
    linearity" (2023), section 4, for the descent and its rate; Müller & Zeinhofer, "Achieving high
    accuracy with PINNs via energy natural gradient descent" (2023) for its projection on the
    tangent functions of a network.

    ```python
    energy = jsci.pde.ritz(lambda v, x: 0.5 * jnp.sum(jsci.grad(v)(x) ** 2) - v(x), u)
    descent = jsci.pde.sobolev_gradient(u, quadrature, damping=1e-6, line_search_steps=20)
    fit = jsci.fit(energy, params, quadrature, descent, steps=100)
    ```
    """
    if not learning_rate > 0 or not damping > 0 or line_search_steps < 0:
        raise ValueError(
            "sobolev_gradient needs learning_rate > 0, damping > 0 and line_search_steps >= 0, "
            f"got {learning_rate}, {damping} and {line_search_steps}."
        )
    points, weights = points_and_weights(quadrature)
    slopes = objective({"h1": lambda params, x: grad(lambda y: field(params, y))(x)})
    metric = slopes.at({"h1": Weighted(points, weights)})

    def init(params):
        del params
        require_x64("sobolev_gradient()")
        return optax.EmptyState()

    def update(
        updates, state, params=None, *, value: Any = None, value_fn: Any = None, **extra_args
    ):
        del extra_args
        if params is None:
            raise ValueError("sobolev_gradient() needs the parameters: update(..., params).")
        gradient, unravel = ravel_pytree(updates)
        _, jacobian = metric.jacobian(params)
        gram = jacobian.T @ jacobian
        damped = gram + damping * jnp.trace(gram) * jnp.eye(gradient.size, dtype=gram.dtype)
        step = -learning_rate * jax.scipy.linalg.solve(damped, gradient, assume_a="pos")
        if line_search_steps:
            step = best_halving(step, params, value, value_fn, line_search_steps)
        return unravel(step), state

    return optax.GradientTransformationExtraArgs(init, update)
