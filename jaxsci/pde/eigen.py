"""Eigenproblems: the eigenvalue is one more parameter, the start is a Ritz vector."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..core import Objective, objective, residual
from .quadrature import Quadrature


class Eigenproblem(NamedTuple):
    """What `eigenproblem` returns: the first three arguments of `fit`.

    - `objective`: equation and normalisation.
    - `params`: `{"field": ..., "eigenvalue": ...}` at the Ritz start.
    - `data`: the quadrature, as the batch of the objective.
    - `ritz_values`: the lowest eigenvalues in the span of the start's basis, all upper bounds.
    """

    objective: Objective
    params: dict[str, PyTree]
    data: dict[str, PyTree]
    ritz_values: Float[Array, " states"]


def eigenproblem(
    op: Callable,
    field: Callable,
    params: PyTree,
    quadrature: Quadrature,
    *,
    state: int = 0,
    linear: Callable[[PyTree], PyTree] | None = None,
) -> Eigenproblem:
    """Find an eigenfunction and its eigenvalue of a symmetric linear operator.

        H ψ = E ψ,   ∫ ψ² dx = 1,   loss = ∫ (Hψ - Eψ)² dx + (∫ ψ² dx - 1)²

    Least squares alone converges to whichever eigenpair is near. So the start is the Ritz vector
    number `state` in the span of the basis ∂ψ/∂(linear parameters): the lowest for the ground
    state, the next ones for excited states, which are orthogonal to it.

    **Arguments:**

    - `op`: H as `op(u, x)`, linear and symmetric, for example `schroedinger(potential)`.
    - `field`: `ψ(params, x)` with the boundary condition built in, for example by `dirichlet`.
    - `params`: its parameters; those of the last layer are replaced by the Ritz vector.
    - `quadrature`: points and weights, from `gauss_legendre` with breaks where the potential jumps.
    - `state`: 0 for the lowest eigenvalue, 1 for the next, ….
    - `linear`: selects the parameters in which ψ is linear; by default the last layer of a network
        with `.layers`.

    **Returns:** an `Eigenproblem`. After `fit` the eigenfunction is `field(params["field"], x)` and
    the eigenvalue `params["eigenvalue"]`; `rayleigh_quotient` is a check of it.

    **Raises:** `ValueError` if `state` exceeds the size of the basis, or ψ is not linear in the
    parameters selected; `TypeError` if they cannot be found.

    Good values: one or two hidden layers of 16 units, `KinkFeatures` where the potential jumps,
    150 steps of `levenberg_marquardt`: nine digits.

    Source: Ritz (1909) for the start; Jin, Mattheakis & Protopapas, "Physics-informed neural
    networks for quantum eigenvalue problems" (2022) for the loss.

    ```python
    well = jsci.pde.eigenproblem(jsci.pde.schroedinger(0.0), psi, params, quadrature)
    fit = jsci.fit(*well[:3], jsci.levenberg_marquardt(), steps=150)
    energy = jsci.pde.rayleigh_quotient(op, psi, fit.params["field"], quadrature)
    ```
    """
    select = _last_layer if linear is None else linear
    points, weights = quadrature
    values, vectors = _ritz(op, field, params, points, weights, select)
    if not 0 <= state < len(values):
        raise ValueError(
            f"state must be in 0 … {len(values) - 1}: the basis of the start has {len(values)} "
            f"independent functions, got {state}. A wider last layer has more."
        )
    unravel = ravel_pytree(select(params))[1]
    start = eqx.tree_at(select, params, unravel(vectors[:, state]))
    # The objective takes means over samples: n wᵢ turns them into integrals.
    scaled = len(weights) * weights

    def equation(trial, sample):
        x, weight = sample
        h = residual(op, field)(trial["field"], x)
        return jnp.sqrt(weight) * (h - trial["eigenvalue"] * field(trial["field"], x))

    def norm(trial, sample):
        x, weight = sample
        return jnp.sum(weight * jax.vmap(field, (None, 0))(trial["field"], x) ** 2) - 1

    return Eigenproblem(
        objective({"equation": equation, "norm": norm}),
        {"field": start, "eigenvalue": values[state]},
        {"equation": (points, scaled), "norm": (points[None], weights[None])},
        values,
    )


def rayleigh_quotient(
    op: Callable, field: Callable, params: PyTree, quadrature: Quadrature
) -> Float[Array, ""]:
    """∫ ψ Hψ dx / ∫ ψ² dx, whose error is quadratic in that of ψ.

    **Arguments:** as of `eigenproblem`.

    ```python
    energy = rayleigh_quotient(op, psi, fit.params["field"], quadrature)
    ```
    """
    points, weights = quadrature
    psi = jax.vmap(field, (None, 0))(params, points)
    h_psi = jax.vmap(residual(op, field), (None, 0))(params, points)
    return jnp.sum(weights * psi * h_psi) / jnp.sum(weights * psi**2)


def _ritz(op, field, params, points, weights, select):
    """Lowest eigenpairs of H in the span of ∂ψ/∂(linear parameters)."""
    flat, unravel = ravel_pytree(select(params))

    def of(f):
        def value(w, x):
            return f(eqx.tree_at(select, params, unravel(w)), x)

        return jax.jit(jax.vmap(jax.jacrev(value), (None, 0)))

    psi = of(field)
    basis, h_basis = psi(flat, points), of(residual(op, field))(flat, points)
    if not jnp.allclose(basis, psi(flat + 1, points), rtol=1e-6):
        raise ValueError(
            "ψ is not linear in the parameters selected by `linear`: select the weights of the "
            "last layer only, and use a trial function without a lift."
        )
    overlap = basis.T @ (weights[:, None] * basis)
    energy = basis.T @ (weights[:, None] * h_basis)
    # Nearly dependent functions would amplify rounding: keep the span that is well determined.
    lengths, axes = jnp.linalg.eigh(overlap)
    keep = lengths > 1e4 * jnp.finfo(lengths.dtype).eps * lengths[-1]
    axes = axes[:, keep] / jnp.sqrt(lengths[keep])[None]
    values, vectors = jnp.linalg.eigh(axes.T @ ((energy + energy.T) / 2) @ axes)
    return values, axes @ vectors


def _last_layer(params):
    try:
        layer = params.layers[-1]
        return layer.weight, layer.bias
    except (AttributeError, IndexError, TypeError):
        raise TypeError(
            "eigenproblem() cannot find the last layer of the network: give linear=, a function "
            "that selects the parameters in which ψ is linear."
        ) from None
