"""Eigenproblems: the eigenvalue is one more parameter, the initial guess a Ritz vector."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ...core import Objective, Weighted, compiled_call, laplacian, objective, residual
from .._points.quadrature import Quadrature, points_and_weights

# The eigenvalues of the symmetrised matrix are off by the square of its asymmetry, times the range
# of energies over their gap. Quadrature errors alone may make a symmetric operator reach this; they
# are reported once they show in the initial guess.
_ASYMMETRY, _COARSE = 3e-5, 1e-3
# Variable coefficients need more points than -Δ does: an operator that is itself asymmetric exceeds
# the quadrature error by far more than this factor.
_VARYING = 100


class Eigenproblem(NamedTuple):
    """What `eigenproblem` returns: the first three arguments of `fit`, under its names.

    - `objective`: the equation and the normalisation.
    - `params`: `{"field": ..., "eigenvalue": ...}` at the Ritz initial guess.
    - `data`: the quadrature, as the batch of the objective.
    - `ritz_values`: the lowest eigenvalues in the span of the basis, all upper bounds.
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

    Least squares alone converges to whichever eigenpair is nearest. The initial guess is therefore
    the Ritz vector number `state` in the span of the basis ∂ψ/∂(linear parameters): the lowest for
    the ground state, the next ones for excited states, orthogonal to it.

    **Arguments:**

    - `op`: H as `op(u, x)`, linear and symmetric, for example `schroedinger(potential)`.
    - `field`: `ψ(params, x)` with the boundary condition built in, for example by `dirichlet`.
    - `params`: the parameters of ψ; those of the last layer are replaced by the Ritz vector.
    - `quadrature`: points and weights, from `gauss_legendre` with breaks where the potential jumps.
    - `state`: 0 for the lowest eigenvalue, 1 for the next, ….
    - `linear`: a function of `params` that selects those in which ψ is linear; by default the last
        layer of a network with `.layers`.

    **Returns:** an `Eigenproblem`. After `fit` the eigenfunction is `field(params["field"], x)` and
    the eigenvalue `params["eigenvalue"]`; check it with `rayleigh_quotient`.

    **Raises:** `ValueError` if `state` exceeds the size of the basis, ψ is not linear in the
    selected parameters, or H is not linear or not symmetric; `TypeError` if these parameters cannot
    be found, or for a sampler instead of a quadrature.

    **Notes:** warns of a quadrature that is too coarse for the basis.

    **Good values:** one or two hidden layers of 16 units, `KinkFeatures` where the potential jumps,
    150 steps of `levenberg_marquardt`: nine digits.

    **Source:** Ritz (1909) for the initial guess; Jin, Mattheakis & Protopapas, "Physics-informed
    neural networks for quantum eigenvalue problems" (2022) for the loss.

    ```python
    op = jsci.pde.schroedinger(0.0)
    well = jsci.pde.eigenproblem(op, psi, params, quadrature)
    fit = jsci.fit(*well[:3], jsci.levenberg_marquardt(), steps=150)
    energy = jsci.pde.rayleigh_quotient(op, psi, fit.params["field"], quadrature)
    ```
    """
    select = _last_layer if linear is None else linear
    points, weights = points_and_weights(quadrature)
    values, vectors = _ritz(op, field, params, points, weights, select, state)
    if not 0 <= state < len(values):
        raise ValueError(
            f"state must be in 0 … {len(values) - 1}: the basis has {len(values)} "
            f"independent functions, got {state}. A wider last layer has more."
        )
    unravel = ravel_pytree(select(params))[1]
    energy = jax.device_put(values[state])
    start = eqx.tree_at(select, params, unravel(jax.device_put(vectors[:, state])))

    def equation(trial, x):
        h = residual(op, field)(trial["field"], x)
        return h - trial["eigenvalue"] * field(trial["field"], x)

    def norm(trial, sample):
        x, weight = sample
        return jnp.sum(weight * jax.vmap(field, (None, 0))(trial["field"], x) ** 2) - 1

    values = jax.device_put(values)  # asarray would compile for each length
    return Eigenproblem(
        dataclasses.replace(objective({"equation": equation, "norm": norm}), sampled=False),
        {"field": start, "eigenvalue": energy},
        {"equation": Weighted(points, weights), "norm": (points[None], weights[None])},
        values,
    )


def rayleigh_quotient(
    op: Callable, field: Callable, params: PyTree, quadrature: Quadrature
) -> Float[Array, ""]:
    """∫ ψ Hψ dx / ∫ ψ² dx, whose error is quadratic in that of ψ.

    **Arguments:**

    - `op`: H as `op(u, x)`, as in `eigenproblem`.
    - `field`: `ψ(params, x)`.
    - `params`: the parameters of ψ.
    - `quadrature`: points `(n, d)` and weights `(n,)`, from `gauss_legendre`.

    **Returns:** a scalar, in the unit of H.

    **Raises:** `TypeError` for a sampler instead of a quadrature.

    ```python
    energy = jsci.pde.rayleigh_quotient(op, psi, params, quadrature)
    ```
    """
    points, weights = points_and_weights(quadrature)

    def quotient(params, points, weights):
        psi = jax.vmap(field, (None, 0))(params, points)
        h_psi = jax.vmap(residual(op, field), (None, 0))(params, points)
        return jnp.sum(weights * psi * h_psi) / jnp.sum(weights * psi**2)

    return compiled_call(quotient, params, points, weights)


def _ritz(op, field, params, points, weights, select, state):
    """Lowest eigenpairs of H in the span of ∂ψ/∂(linear parameters)."""
    flat, unravel = ravel_pytree(select(params))

    def of(f):
        """∂f/∂(linear parameters) and f at all points."""

        def value(w, x):
            y = f(eqx.tree_at(select, params, unravel(w)), x)
            return y, y

        jacobian = jax.vmap(jax.jacrev(value, has_aux=True), (None, 0))
        return lambda w: jax.tree.map(np.asarray, compiled_call(jacobian, w, points))

    psi = of(field)
    (basis, _), (h_basis, h_psi) = psi(flat), of(residual(op, field))(flat)
    _require_linear(basis, psi(flat + 1)[0], h_basis, h_psi, flat)
    # By NumPy: how many functions are kept depends on the values, and JAX would compile for each.
    weights = np.asarray(weights)[:, None]
    # Nearly dependent functions would amplify rounding: keep the well-conditioned span.
    lengths, axes = np.linalg.eigh(basis.T @ (weights * basis))
    keep = lengths > 1e4 * np.finfo(lengths.dtype).eps * lengths[-1]
    axes = axes[:, keep] / np.sqrt(lengths[keep])

    def matrix(h_basis, axes):
        return axes.T @ (basis.T @ (weights * h_basis)) @ axes

    energy = matrix(h_basis, axes)
    values, vectors = np.linalg.eigh((energy + energy.T) / 2)
    vectors = axes @ vectors
    lowest = vectors[:, : max(state + 3, 5)]
    asymmetry = _asymmetry(matrix(h_basis, lowest))
    if asymmetry > _ASYMMETRY:
        # -Δ is symmetric, so the asymmetry of its matrix is the quadrature error.
        h_basis, _ = of(residual(lambda u, x: -laplacian(u)(x), field))(flat)
        _judge_asymmetry(asymmetry, _asymmetry(matrix(h_basis, lowest)))
    return values, vectors


def _require_linear(basis, basis_elsewhere, h_basis, h_psi, flat):
    if not np.allclose(basis, basis_elsewhere, rtol=1e-6):
        raise ValueError(
            "ψ is not linear in the parameters selected by `linear`: select the weights of the "
            "last layer only, and use a trial function without a lift."
        )
    flat = np.asarray(flat)
    error = np.max(np.abs(h_psi - h_basis @ flat))
    if error > 1e-3 * np.max(np.abs(h_basis) @ np.abs(flat)):
        raise ValueError(
            f"eigenproblem() needs a linear operator, but Hψ differs by {float(error):.2g} from "
            "the sum over its basis functions: leave sources out, and solve a nonlinear problem by "
            "residuals of its own with the eigenvalue as a parameter."
        )


def _asymmetry(energy: Float[np.ndarray, "k k"]) -> float:
    """The largest antisymmetric entry, relative to the range of the diagonal.

    The range counts as at least a thousandth of the diagonal, since the basis makes rounding errors
    of 1e-8 of it and more.
    """
    odd = np.max(np.abs(energy - energy.T)) / 2
    diagonal = np.diagonal(energy)
    size = np.maximum(np.ptp(diagonal), 1e-3 * np.max(np.abs(diagonal)))
    return float(odd / (size + np.finfo(energy.dtype).tiny))


def _judge_asymmetry(asymmetry: float, quadrature_error: float) -> None:
    if asymmetry > _VARYING * quadrature_error:
        raise ValueError(
            f"eigenproblem() needs a symmetric operator, ∫ φ Hψ dx = ∫ ψ Hφ dx, but on the lowest "
            f"states these differ by {asymmetry:.2g} of their range, where -Δ differs by "
            f"{quadrature_error:.2g}. Write it as -∇·(a ∇u) + V u, or multiply it by the weight "
            "that makes it so."
        )
    more = asymmetry > 3 * quadrature_error
    if asymmetry < _COARSE and not more:
        return
    doubt = " If that does not help, the operator is not symmetric: write it as -∇·(a ∇u) + V u."
    warnings.warn(
        f"The quadrature does not resolve the basis: the matrix of the operator is asymmetric by "
        f"{asymmetry:.2g} of its range, and that of -Δ by {quadrature_error:.2g}. Give "
        "gauss_legendre more points, and breaks where a derivative of ψ jumps."
        + (doubt if more else ""),
        stacklevel=4,
    )


def _last_layer(params):
    try:
        layer = params.layers[-1]
        return layer.weight, layer.bias
    except (AttributeError, IndexError, TypeError):
        raise TypeError(
            "eigenproblem() cannot find the last layer of the network: give linear=, a function "
            "that selects the parameters in which ψ is linear."
        ) from None
