"""What `fit` refuses before it compiles anything."""

import dataclasses
import inspect
import operator
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import PyTree

from .._run.memory import Remedy, device_memory, peak_memory, require_memory
from .._train.objective import Objective


def check_arguments(objective, params, data, optimizer, steps, report_every, key, validation):
    """Raise for arguments with which training cannot start."""
    if not isinstance(objective, Objective) and not callable(objective):
        raise TypeError(
            "objective must come from jsci.objective({...}) or be a function loss(params, batch), "
            f"got {type(objective).__name__}."
        )
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(
            f"optimizer must be an optax optimiser such as optax.adam(1e-3), got {optimizer!r:.60}."
        )
    _check_count("steps", steps)
    if report_every is not None:
        _check_count("report_every", report_every)
    _check_source("data", data)
    _check_source("validation", validation)
    check_concrete(objective, params, data, key, validation)
    _check_params(params)
    if key is None and (callable(data) or callable(validation)):
        name = "data" if callable(data) else "validation"
        raise ValueError(
            f"{name} is a function of a key, so fit() needs one: key=jax.random.key(0)."
        )


def _check_count(name: str, value: Any) -> None:
    try:
        operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name} must be a whole number, got {value!r:.60} of type {type(value).__name__}: "
            "int(...) or // makes one."
        ) from None
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}.")


def check_concrete(*trees: PyTree) -> None:
    """Raise inside `jit`, `vmap` or `grad`, where `fit` cannot report, stop or write."""
    leaves = jax.tree.leaves(trees)
    # Under jit even a constant is traced.
    if any(isinstance(leaf, Tracer) for leaf in [jnp.zeros(()), *leaves]):
        raise TypeError(
            "fit() compiles and runs a loop of its own, so it cannot be called inside jit, vmap, "
            "grad or another transformation. Call it outside. For an ensemble, stack the members' "
            "parameters and minimise the sum of their losses; to differentiate through training, "
            "write a lax.scan over optimizer.update."
        )


def _check_params(params: PyTree) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        where = f"params{jax.tree_util.keystr(path)}"
        if not (hasattr(leaf, "dtype") or isinstance(leaf, int | float | complex)):
            raise TypeError(
                f"{where} is a {type(leaf).__name__}, {leaf!r:.60}, which cannot be trained: split "
                "the model with jsci.pure first."
            )
        dtype = jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.inexact):
            raise TypeError(
                f"{where} has dtype {dtype}, which cannot be trained: split the model with "
                "jsci.pure first."
            )
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise TypeError(
                f"{where} is complex, {dtype}, and gradients of complex numbers point uphill in "
                "the imaginary part: stack real and imaginary parts into a real array and make "
                "the complex one in the model, jax.lax.complex(w[0], w[1])."
            )
    if not jax.tree.leaves(params):
        raise ValueError("params has no arrays, so there is nothing to train.")


def _check_source(name: str, data: Any) -> None:
    """Raise for iterators and data loaders: a compiled loop cannot ask them for the next batch."""
    makes_one = inspect.isgeneratorfunction(data)
    leaves = jax.tree_util.tree_leaves_with_path(data, is_leaf=lambda x: hasattr(x, "__next__"))
    for path, leaf in leaves:
        arrays = hasattr(leaf, "dtype") or isinstance(leaf, str)
        if makes_one or (hasattr(leaf, "__iter__") and not arrays):
            where = f"{name}{jax.tree_util.keystr(path)}"
            raise TypeError(
                f"{where} is a {type(leaf).__name__} that hands out batches, which a compiled loop "
                "cannot ask for the next one. Give all samples as arrays, or a pure function of a "
                "key that draws a batch from them: lambda key: {'data': "
                "jax.random.choice(key, samples, (64,))}."
            )


def check_loss(loss: Objective | Callable, params: PyTree, batch: PyTree) -> tuple[int | None, Any]:
    """The number of residuals of an objective, and the program of the loss, which is a jaxpr.

    Shape errors surface here, as the objective's own message, before anything is compiled.
    """
    if isinstance(loss, Objective):
        closed, rows, _ = eqx.filter_make_jaxpr(loss.residuals)(params, batch)
        return sum(r.size for r in rows.values()), closed.jaxpr
    closed, out, _ = eqx.filter_make_jaxpr(lambda *args: loss(*args))(params, batch)
    if jax.tree.structure(out) != jax.tree.structure(0) or jnp.shape(out) != ():
        raise ValueError(
            f"The loss must be a scalar, but it has shape {jax.tree.map(jnp.shape, out)}. "
            "Reduce it, or give residuals to jsci.objective."
        )
    if not jnp.issubdtype(jnp.result_type(out), jnp.floating):
        raise TypeError(
            f"The loss must be a real floating number, but it is {jnp.result_type(out)}. Of "
            "complex residuals r take jnp.abs(r)**2, or stack real and imaginary parts."
        )
    return None, closed.jaxpr


def check_memory(program, objective, optimizer, data, key, carry, size):
    """Raise if a step of `program`, the compiled loop, takes more memory than there is."""

    def peak(objective, data):
        return peak_memory(program, objective, optimizer, data, key, carry, carry.step, size)

    remedies, mesh = [], None
    if isinstance(objective, Objective):
        mesh = objective.mesh
        batch = jax.eval_shape(data, key) if callable(data) else data
        largest = max(jax.tree.leaves(batch[name])[0].shape[0] for name in objective.names)

        def chunked(batch_size):
            return peak(dataclasses.replace(objective, batch_size=batch_size), data)

        def fewer(count):
            part = jax.tree.map(lambda a: _first_of(a, -(-len(a) * count // largest)), batch)
            return peak(objective, part)

        remedies = [
            Remedy("objective(..., batch_size={})", objective.batch_size or largest, chunked),
            Remedy("{} samples", largest, fewer),
        ]
    require_memory("A step of this training", peak(objective, data), device_memory(mesh), remedies)


def _first_of(leaf, count):
    return jax.ShapeDtypeStruct((count, *leaf.shape[1:]), leaf.dtype)
