"""Steps in units in which every parameter has the same effect on the residuals."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .objective import BatchResiduals

# Of the mean squares that estimate the lengths; they are rounded to powers of two in any case.
_PROBES = 8


def in_own_units(step: Callable) -> Callable:
    """`step(state, params, residuals)` taken in θⱼ ‖Jⱼ‖ in place of θⱼ, with Jⱼ a column of J.

    Damping by the identity there is Marquardt's damping by diag(Jᵀ J) here.
    """

    def scaled_step(state: Any, params: PyTree, residuals: BatchResiduals) -> tuple:
        lengths = _lengths_of_columns(residuals, params)
        scaled = jax.tree.map(jnp.multiply, params, lengths)
        update, new_state, terms = step(state, scaled, _rescaled(residuals, lengths))
        return jax.tree.map(jnp.divide, update, lengths), new_state, terms

    return scaled_step


def _lengths_of_columns(residuals: BatchResiduals, params: PyTree) -> PyTree:
    """‖Jⱼ‖ for each parameter, by ‖Jⱼ‖² = E (Jᵀ z)ⱼ² for random signs z: J is not formed.

    As powers of two, by which a parameter is multiplied and divided without rounding.
    """
    r, pullback = jax.vjp(residuals.vector, params)
    signs = jax.random.rademacher(jax.random.key(0), (_PROBES, r.size), dtype=r.dtype)
    squares = jax.lax.map(lambda z: jax.tree.map(jnp.square, pullback(z)[0]), signs)

    def length(square):
        mean = jnp.mean(square, axis=0)
        exponent = jnp.round(jnp.log2(jnp.where(mean > 0, mean, 1.0)) / 2).astype(int)
        return jnp.ldexp(jnp.ones_like(mean), exponent)

    return jax.tree.map(length, squares)


class _Scaled(eqx.Module):
    """The residual of parameters that were multiplied by `lengths`."""

    r: Callable
    lengths: PyTree

    def __call__(self, params, x):
        return self.r(jax.tree.map(jnp.divide, params, self.lengths), x)


def _rescaled(residuals: BatchResiduals, lengths: PyTree) -> BatchResiduals:
    o = residuals.objective
    functions = tuple(_Scaled(r, lengths) for r in o.functions)
    return dataclasses.replace(residuals, objective=dataclasses.replace(o, functions=functions))
