"""Steps in units in which every parameter has the same effect on the residuals."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from ..objective import BatchResiduals


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
    """‖Jⱼ‖ for each parameter, and 1 for those of no effect."""
    squares = residuals.squares_of_columns(params)
    return ravel_pytree(params)[1](jnp.sqrt(jnp.where(squares > 0, squares, 1.0)))


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
