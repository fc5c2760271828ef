"""The damped linear problem of one second-order step, in whichever space is smaller."""

from collections.abc import Callable
from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..objective import BatchResiduals
from .imbalance import UNEQUAL, imbalance, rows_of_terms

# Above this many rows a dense n x n matrix and its factorisation no longer pay.
_LARGEST_DENSE = 8192
Space = Literal["auto", "sample", "parameter", "matrix_free"]

Samples = Float[Array, " n"]
Parameters = Float[Array, " p"]


class LinearModel(eqx.Module):
    """r + J δ around one point: `damped(λ)(b)` = argmin ‖J δ - b‖² + λ ‖δ‖².

    The mean squares of the `terms` come with r, which needs no evaluation of its own.

    One factorisation in `damped(λ)` serves every b. This is not only an optimization: two
    independent factorisations, each of a whole batch, can deadlock XLA's threads.
    """

    residual: Samples
    terms: dict[str, Float[Array, ""]]
    trace: Float[Array, ""]
    imbalance: Float[Array, ""]
    apply: Callable[[Parameters], Samples]
    damped: Callable[[Float[Array, ""]], Callable[[Samples], Parameters]]


def linear_model(residuals: BatchResiduals, params: PyTree, space: Space) -> LinearModel:
    """Linearise the residuals at `params` in the smaller space, or in the one asked for."""
    if space not in get_args(Space):
        raise ValueError(f"space must be one of {get_args(Space)}, got {space!r}.")
    check_precision(residuals, params)
    flat, unravel = ravel_pytree(params)

    def vector(w):
        return residuals.vector_and_terms(unravel(w))

    if space == "auto":
        n = jax.eval_shape(vector, flat)[0].size
        if min(n, flat.size) > _LARGEST_DENSE:
            space = "matrix_free"
        else:
            space = "sample" if n <= flat.size else "parameter"
    make = {"sample": _sample, "parameter": _parameter, "matrix_free": _matrix_free}[space]
    o = residuals.objective
    if space == "parameter" and o.batch_size is not None and o.mesh is None:
        make = _parameter_in_chunks
    return make(residuals, params, vector, flat)


def check_precision(residuals: BatchResiduals, params: PyTree) -> None:
    """`TypeError` for residuals that are no floats, or of another precision than the parameters."""
    for name, r in jax.eval_shape(residuals.unscaled, params).items():
        if not jnp.issubdtype(r.dtype, jnp.floating):
            raise TypeError(
                f"Term {name!r} returns {r.dtype}, which has no derivative by the parameters: "
                "compute it in floats."
            )
    found, dtype = jax.eval_shape(residuals.vector, params).dtype, ravel_pytree(params)[0].dtype
    own = {r.dtype for r in jax.eval_shape(residuals.unscaled, params).values()}
    if found != dtype and own == {dtype}:
        raise TypeError(
            f"Weights of the terms are {found}, and the parameters and residuals {dtype}: give "
            f"them as Python numbers, float(w), or as jnp.{dtype}(w)."
        )
    if found != dtype:
        raise TypeError(
            f"The residuals are {found} and the parameters {dtype}. Cast the samples and what the "
            "terms hold to the precision of the parameters, or these with jsci.pure(model, "
            f"dtype=jnp.{found})."
        )


def _sample(residuals, params, vector, flat):
    kernel = residuals.kernel(params)
    r, pullback, terms = jax.vjp(vector, flat, has_aux=True)
    squares = jnp.diagonal(kernel)
    spread = imbalance(residuals, [squares[k].sum() for k in rows_of_terms(residuals, params)])

    def damped(damping):
        solve = _positive_solver(kernel, damping)
        return lambda b: pullback(solve(b))[0]

    return LinearModel(r, terms, jnp.trace(kernel), spread, pushforward(vector, flat), damped)


def _parameter(residuals, params, *_):
    r, jacobian, terms = residuals.jacobian_and_terms(params)
    normal = jacobian.T @ jacobian
    squares = jnp.sum(jacobian**2, axis=1)
    spread = imbalance(residuals, [squares[k].sum() for k in rows_of_terms(residuals, params)])
    metric = _metric(normal, spread)

    def damped(damping):
        solve = _positive_solver(normal, damping * metric)
        return lambda b: solve(jacobian.T @ b)

    return LinearModel(r, terms, jnp.trace(normal), spread, lambda v: jacobian @ v, damped)


def _parameter_in_chunks(residuals, params, vector, flat):
    """As `_parameter`, where J itself does not fit in memory: it is never whole."""
    r, terms = vector(flat)
    names, rows = residuals.objective.names, rows_of_terms(residuals, params)
    parts = residuals.normal(params)
    normal = sum(parts.values())
    spread = imbalance(residuals, [jnp.trace(part) for part in parts.values()])
    metric = _metric(normal, spread)

    def damped(damping):
        solve = _positive_solver(normal, damping * metric)

        def solution(b):
            of_terms = {name: b[k] for name, k in zip(names, rows, strict=True)}
            return solve(residuals.transpose(params, of_terms))

        return solution

    return LinearModel(r, terms, jnp.trace(normal), spread, pushforward(vector, flat), damped)


def _metric(normal, spread):
    """What damping multiplies: ones, or Marquardt's diag(Jᵀ J) where terms are very unequal.

    There one length for all parameters is out of scale for most of them. Its mean is one.
    """
    diagonal = jnp.diagonal(normal)
    own = jnp.where(diagonal > 0, diagonal / jnp.mean(diagonal), 1)
    return jnp.where(spread > UNEQUAL, own, 1)


def _matrix_free(residuals, params, vector, flat):
    r, pullback, terms = jax.vjp(vector, flat, has_aux=True)
    push = pushforward(vector, flat)
    structure = jax.eval_shape(lambda: flat)

    def damped(damping):
        normal = lx.FunctionLinearOperator(
            lambda v: pullback(push(v))[0] + damping * v,
            structure,
            lx.positive_semidefinite_tag,
        )
        solver = lx.CG(rtol=1e-6, atol=0.0, max_steps=200)
        return lambda b: lx.linear_solve(normal, pullback(b)[0], solver, throw=False).value

    def mean_square(signs):
        """tr(J Jᵀ) = E ‖Jᵀ z‖² for random signs z: it only sets scales."""
        return jnp.mean(jax.lax.map(lambda z: jnp.sum(pullback(z)[0] ** 2), signs))

    signs = jax.random.rademacher(jax.random.key(0), (8, r.size), dtype=r.dtype)
    # One vector per term is enough for its order of magnitude.
    rows = rows_of_terms(residuals, params)
    traces = [mean_square(jnp.zeros_like(signs[:1]).at[:, k].set(signs[:1, k])) for k in rows]
    spread = imbalance(residuals, traces)
    return LinearModel(r, terms, mean_square(signs), spread, push, damped)


def pushforward(vector: Callable, flat: Parameters) -> Callable[[Parameters], Samples]:
    """δ to J δ of `vector`, which returns terms beside its value."""
    return lambda v: jax.jvp(vector, (flat,), (v,), has_aux=True)[1]


def _positive_solver(matrix, damping):
    damped = matrix + jnp.diag(jnp.broadcast_to(damping, matrix.shape[:1]))
    factor = jax.scipy.linalg.cho_factor(damped)
    return lambda b: jax.scipy.linalg.cho_solve(factor, b)
