"""One step of a training, and the loop over many, compiled or on the host."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int, PyTree

from .._run.program import strongly_typed
from .._train.objective import Objective
from .._train.second_order import Update
from .programs import accepted


class Carry(NamedTuple):
    """The state of training; `previous` is what to return to if `params` have no finite loss."""

    params: PyTree
    previous: PyTree
    state: PyTree
    step: Int[Array, ""]
    finite: Bool[Array, ""]


def start_of_training(params: PyTree, optimizer: optax.GradientTransformation) -> Carry:
    """What `run_chunk` begins with."""
    carry = Carry(params, params, optimizer.init(params), jnp.array(0), jnp.array(True))
    # A weakly typed array becomes strongly typed in the first step, and would compile it twice.
    return jax.tree.map(strongly_typed, carry)


@eqx.filter_jit
def run_chunk(objective, optimizer, data, key, carry, end, size):
    """Steps until `end` or until the loss is not finite; one program for any number of steps."""
    first = carry.step
    records = {name: jnp.zeros(size, _record_dtype(carry)) for name in names_of(objective)}

    def unfinished(loop):
        carry, _ = loop
        return (carry.step < end) & carry.finite

    def advance(loop):
        carry, records = loop
        new, metrics = _advance(objective, optimizer, data, key, carry)
        slot = carry.step - first
        return new, {name: a.at[slot].set(metrics[name]) for name, a in records.items()}

    return jax.lax.while_loop(unfinished, advance, (carry, records))


class HostLoop:
    """`run_chunk` step by step from the host.

    XLA runs a convolution inside a compiled loop on a CPU by plain loops, some twenty times slower.
    """

    def __call__(self, objective, optimizer, data, key, carry, end, size):
        rows = []
        while int(carry.step) < int(end) and bool(carry.finite):
            carry, metrics = _compiled_step(objective, optimizer, data, key, carry)
            rows.append(metrics)
        return carry, {name: jnp.stack([r[name] for r in rows]) for name in names_of(objective)}

    def lower(self, objective, optimizer, data, key, carry, end, size):
        """What takes the memory: one step."""
        return _compiled_step.lower(objective, optimizer, data, key, carry)


def _advance(objective, optimizer, data, key, carry):
    batch = data(jax.random.fold_in(key, carry.step)) if callable(data) else data
    new, metrics = one_step(objective, optimizer, carry, batch)
    dtype = _record_dtype(carry)
    return new, {name: metrics[name].astype(dtype) for name in names_of(objective)}


@eqx.filter_jit
def _compiled_step(objective, optimizer, data, key, carry):
    return _advance(objective, optimizer, data, key, carry)


def _record_dtype(carry):
    dtypes = map(jnp.result_type, jax.tree.leaves(carry.params))
    return jnp.finfo(jnp.result_type(*dtypes)).dtype


def one_step(objective, optimizer, carry, batch):
    updates, state, value, terms = _step_of(objective, optimizer, carry, batch)
    value_is_finite = jnp.isfinite(value)
    finite = value_is_finite & _all_finite(updates)
    # Not finite at these parameters: the step that led here is undone. Not finite in the
    # update alone: it is not taken.
    keep = _where(value_is_finite, carry.params, carry.previous)
    params = _where(finite, optax.apply_updates(carry.params, updates), keep)
    new = Carry(params, carry.params, _where(finite, state, carry.state), carry.step + 1, finite)
    return new, {"loss": value, **terms}


def _step_of(objective, optimizer, carry, batch):
    """The optimiser's updates and state, the loss and its terms."""
    loss, value_and_grad, residual_fn = loss_of(objective, batch)
    if isinstance(optimizer.update, Update) and residual_fn is not None:
        updates, state, terms = optimizer.update.step(carry.state, carry.params, residual_fn)
        return updates, state, objective.weighted(terms), terms
    (value, terms), gradient = value_and_grad(carry.params)

    # optax's line searches refuse extra arguments that value_fn does not name.
    def value_fn(params, residual_fn=None):
        del residual_fn
        return loss(params)

    def grad_fn(params, _):
        return value_and_grad(params)[1]

    extra = dict(
        value=value, grad=gradient, value_fn=value_fn, residual_fn=residual_fn, grad_fn=grad_fn
    )
    extra = accepted(optimizer.update, extra)
    updates, state = optimizer.update(gradient, carry.state, carry.params, **extra)
    return updates, state, value, terms


def loss_of(objective, batch):
    """The loss, itself and its terms with the gradient, and residuals for second order."""
    if isinstance(objective, Objective):
        return (
            lambda params: objective.value(params, batch),
            lambda params: objective.value_and_grad(params, batch),
            objective.at(batch),
        )

    def without_terms(params):
        return objective(params, batch), {}

    return (
        lambda params: objective(params, batch),
        jax.value_and_grad(without_terms, has_aux=True),
        None,
    )


def names_of(objective):
    return ("loss", *objective.names) if isinstance(objective, Objective) else ("loss",)


def _all_finite(tree):
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def _where(condition, new, old):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)
