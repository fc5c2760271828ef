"""What `fit` compiles, as programs: an equal training that is written again compiles nothing."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from .._run.program import Program, has_primitive, program
from .._train.objective import Objective
from .._train.objective_checks import sizes_of
from .checks import check_loss

# What optimisers may be given beside the gradient, and what those of optax know of it.
_EXTRA = ("value", "grad", "value_fn", "residual_fn", "grad_fn")
_PROTOCOL = {"value", "grad", "value_fn", "residual_fn"}


class _Optimizer(eqx.Module):
    """An optimiser that needs nothing but the gradient."""

    program: Program

    def update(self, updates: PyTree, state: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        return self.program(updates, state, params)


def as_checked_program(
    objective: Objective | Callable, params: PyTree, data: Any, key: jax.Array
) -> tuple[Any, int | None, bool]:
    """The loss as programs for such data, the number of its residuals, and whether it convolves."""
    batch = jax.eval_shape(data, key) if callable(data) else data
    if isinstance(objective, Objective):
        sizes_of(objective.names, batch)
        loss = objective.traced(params, batch)
    else:
        loss = program(objective, params, batch)
    count, jaxpr = check_loss(loss, params, batch)
    return loss, count, has_primitive(jaxpr, "conv_general_dilated")


def data_as_program(data: Any, key: jax.Array) -> Any:
    """Data that are a function of a key, as a program."""
    return program(data, key) if callable(data) else data


def accepted(update: Callable, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the extra arguments that an optimiser takes: all of optax's protocol, or by name.

    Asked at each trace, where `optax.with_extra_args_support` would make a new function, and so a
    new program, of the same optimiser at every call of `fit`.
    """
    parameters = inspect.signature(update).parameters.values()
    names = {parameter.name for parameter in parameters}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        names |= _PROTOCOL
    return {name: value for name, value in extra.items() if name in names}


def optimizer_as_program(optimizer: Any, carry: Any) -> Any:
    """The optimiser itself if it asks for the loss, as one with a line search does."""

    def update(updates, state, params):
        # An object can be passed on, but neither computed with nor called.
        extra = accepted(optimizer.update, dict.fromkeys(_EXTRA, object()))
        return optimizer.update(updates, state, params, **extra)

    traced = program(update, carry.params, carry.state, carry.params)
    return _Optimizer(traced) if isinstance(traced, Program) else optimizer
