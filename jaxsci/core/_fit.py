"""One training loop for every objective and optimiser, first order or second."""

import dataclasses
import math
import os
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int, Key, PyTree
from tqdm import tqdm

from ._checkpoint import Checkpoint, Resume
from ._fingerprint import fingerprint
from ._memory import Remedy, device_memory, peak_memory, require_memory
from ._objective import Objective

# Steps that fit into one call of the compiled loop when its length is left to the clock.
_LONGEST_CHUNK = 1024
_SECONDS_A_REPORT = 1.0


class Fit(NamedTuple):
    """What `fit` returns.

    - `params`: the last parameters whose loss was finite.
    - `history`: `"loss"` and each term's mean square, one entry a step, before that step's update.
    - `steps`: steps taken.
    - `status`: `"completed"`, `"stopped"` by the callback, or `"non_finite"`.
    - `message`: one sentence about the status.
    - `state`: the optimiser's final state.
    """

    params: PyTree
    history: dict[str, Array]
    steps: int
    status: str
    message: str
    state: PyTree


class _Carry(NamedTuple):
    """The state of training; `previous` is what to return to if `params` have no finite loss."""

    params: PyTree
    previous: PyTree
    state: PyTree
    step: Int[Array, ""]
    finite: Bool[Array, ""]


def fit(
    objective: Objective | Callable,
    params: PyTree,
    data: Any,
    optimizer: optax.GradientTransformation,
    *,
    steps: int,
    key: Key[Array, ""] | None = None,
    report_every: int | None = None,
    callback: Callable | None = None,
    checkpoint: str | os.PathLike | None = None,
    resume: Resume = "same",
    progress: bool = True,
) -> Fit:
    """Minimise an objective over its parameters.

        θₙ₊₁ = θₙ + optimizer(∇L(θₙ; batchₙ)),   batchₙ = data or data(fold_in(key, n))

    The loop runs compiled; nothing is compiled twice for the same objective, optimiser and
    shapes. First- and second-order optimisers share one protocol: the latter read the residuals
    and their kernel from the objective.

    **Arguments:**

    - `objective`: an `Objective`, or a function `loss(params, batch) -> scalar`.
    - `params`: where to start.
    - `data`: one batch for all steps, or a pure function `key -> batch`.
    - `optimizer`: any optax optimiser, or `levenberg_marquardt()`, `gauss_newton()`,
        `natural_gradient()`.
    - `steps`: how many steps in all, counting those of a checkpoint.
    - `key`: needed where `data` is a function; step n always sees `fold_in(key, n)`.
    - `report_every`: steps between reports (progress, callback, checkpoint); about every second
        by default.
    - `callback`: `callback(step, metrics, params)` at each report; return True to stop.
    - `checkpoint`: a file, rewritten atomically at each report. If it exists, training goes on
        from it, bit for bit as if it had never been interrupted (on a GPU with
        XLA_FLAGS=--xla_gpu_deterministic_ops=true). Of several processes the first writes it, and
        all must see it. A full disk stops nothing: it is warned of, and each report tries again.
    - `resume`: what a checkpoint may have been started with. `"same"`: the key, data, weights,
        residuals and optimiser given here; `"changed"` accepts others, with which it then goes on.
        Functions are compared by the programs that JAX makes of them, which other versions of it
        may write differently; that is warned of, as are numbers that differ by rounding alone.
        Where to start, `batch_size` and `mesh` may differ always.
    - `progress`: show a progress bar once training takes more than two seconds.

    **Returns:** a `Fit`. On a loss that is not finite training stops with a warning that names
    the term, and `.params` are the last good ones.

    **Raises:** `ValueError` for a missing key, a batch that does not fit the objective, a
    checkpoint of another model or run (what differs is named) or with more steps, or a step that
    takes more memory than the machine has, predicted from the compiled program: the message has a
    size that fits. `TypeError` if a second-order optimiser gets a plain loss.

    ```python
    loss = jsci.objective({"pde": jsci.residual(burgers, f), "bc": f})
    result = jsci.fit(loss, params, sample, jsci.levenberg_marquardt(), steps=300, key=key)
    u = functools.partial(f, result.params)
    ```
    """
    _check(objective, params, data, optimizer, steps, report_every)
    if key is None:
        if callable(data):
            raise ValueError(
                "data is a function of a key, so fit() needs one: key=jax.random.key(0)."
            )
        key = jax.random.key(0)
    optimizer = optax.with_extra_args_support(optimizer)
    params = jax.tree.map(jnp.asarray, params)
    _check_loss(objective, params, data, key)
    carry = start_of_training(params, optimizer)
    history: list[dict[str, Array]] = []
    store = None
    if checkpoint is not None:
        made_of = fingerprint(objective, data, optimizer, _step, carry, key)
        store = Checkpoint(checkpoint, key, made_of, resume)
        carry, history = store.restore(carry, _empty_history(objective), steps)
    if int(carry.step) < steps:
        _check_memory(objective, optimizer, data, key, carry, report_every or _LONGEST_CHUNK)
    carry, history, stopped = _train(
        objective, optimizer, data, key, carry, history, steps, report_every, callback, store,
        progress,
    )  # fmt: skip
    where = "" if bool(carry.finite) else _first_bad_sample(objective, data, key, carry)
    return _report(carry, _join(history, objective), stopped, steps, where)


def _train(
    objective, optimizer, data, key, carry, history, steps, report_every, callback, store, progress
):
    """Chunks of the compiled loop, with a report after each."""
    step, stopped, length = int(carry.step), False, 1
    start_params = carry.params
    size = report_every or _LONGEST_CHUNK
    bar = tqdm(total=steps, initial=step, disable=not progress, delay=2.0, unit="step")
    with bar:
        while step < steps and bool(carry.finite) and not stopped:
            start = time.perf_counter()
            # Reports fall on multiples of report_every, so a resumed run reports at the same steps.
            end = step + (size - step % size if report_every else length)
            # Of the very type that the memory was predicted with: another would compile again.
            last = jnp.asarray(min(end, steps), carry.step.dtype)
            carry, records = run_chunk(objective, optimizer, data, key, carry, last, size)
            done = int(carry.step) - step
            length = _next_length(length, time.perf_counter() - start, size)
            if step == 0 and eqx.tree_equal(start_params, carry.params):
                _warn_without_slope(objective, data, key, carry.params)
            step += done
            history.append({name: values[:done] for name, values in records.items()})
            metrics = {name: float(records[name][done - 1]) for name in _names(objective)}
            # A refresh would show the bar at once, and at every report.
            shown = {name: f"{value:.2e}" for name, value in metrics.items()}
            bar.set_postfix(shown, refresh=False)
            bar.update(done)
            if store is not None and bool(carry.finite):
                history = store.write(carry, _join(history, objective))
            if callback is not None:
                stopped = bool(callback(step, metrics, carry.params))
    return carry, history, stopped


def _warn_without_slope(objective, data, key, params):
    """Say so where nothing can be learned, as when every sample has failed."""
    batch = data(jax.random.fold_in(key, 0)) if callable(data) else data
    (value, _), gradient = eqx.filter_jit(_loss(objective, batch)[1])(params)
    if value != 0 and not any(jnp.any(leaf) for leaf in jax.tree.leaves(gradient)):
        warnings.warn(
            f"The loss is {float(value):.3g} and has no slope in any parameter. Either it does not "
            "depend on them, or every sample failed: a molecule that does not converge counts, "
            "but steers nothing. Start elsewhere.",
            stacklevel=4,
        )


def start_of_training(params: PyTree, optimizer: optax.GradientTransformation) -> _Carry:
    """What `run_chunk` begins with."""
    carry = _Carry(params, params, optimizer.init(params), jnp.array(0), jnp.array(True))
    return jax.tree.map(_strongly_typed, carry)


@eqx.filter_jit
def run_chunk(objective, optimizer, data, key, carry, end, size):
    """Steps until `end` or until the loss is not finite; one program for any number of steps."""
    names = _names(objective)
    dtype = jnp.result_type(*map(jnp.result_type, jax.tree.leaves(carry.params)))
    first = carry.step
    records = {name: jnp.zeros(size, jnp.finfo(dtype).dtype) for name in names}

    def unfinished(loop):
        carry, _ = loop
        return (carry.step < end) & carry.finite

    def advance(loop):
        carry, records = loop
        batch = data(jax.random.fold_in(key, carry.step)) if callable(data) else data
        new, metrics = _step(objective, optimizer, carry, batch)
        slot = carry.step - first
        records = {
            name: values.at[slot].set(metrics[name].astype(values.dtype))
            for name, values in records.items()
        }
        return new, records

    return jax.lax.while_loop(unfinished, advance, (carry, records))


def _step(objective, optimizer, carry, batch):
    loss, value_and_grad, residual_fn = _loss(objective, batch)
    (value, terms), gradient = value_and_grad(carry.params)

    # optax's line searches refuse extra arguments that value_fn does not name.
    def value_fn(params, residual_fn=None):
        return loss(params)

    updates, state = optimizer.update(
        gradient,
        carry.state,
        carry.params,
        value=value,
        grad=gradient,
        value_fn=value_fn,
        residual_fn=residual_fn,
    )
    value_is_finite = jnp.isfinite(value)
    finite = value_is_finite & _all_finite(updates)
    # Not finite at these parameters: the step that led here is undone. Not finite in the
    # update alone: it is not taken.
    keep = _where(value_is_finite, carry.params, carry.previous)
    params = _where(finite, optax.apply_updates(carry.params, updates), keep)
    new = _Carry(params, carry.params, _where(finite, state, carry.state), carry.step + 1, finite)
    return new, {"loss": value, **terms}


def _loss(objective, batch):
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


def _first_bad_sample(objective, data, key, carry):
    """A sentence that names the first sample whose residual is not finite, if there is one."""
    if not isinstance(objective, Objective):
        return ""
    batch: Any = data(jax.random.fold_in(key, carry.step - 1)) if callable(data) else data
    # `previous` holds the parameters that the last step started from: the ones that failed.
    for name, r in objective.residuals(carry.previous, batch).items():
        bad = ~jnp.isfinite(r.reshape(len(r), -1)).all(axis=1)
        if bad.any():
            i = int(jnp.argmax(bad))
            sample = jax.tree.map(lambda leaf, i=i: leaf[i], batch[name])
            shown = " ".join(f"{sample}".split())
            return f"{int(bad.sum())} of {len(r)} samples of {name!r}, first {i}: {shown:.200}. "
    return ""


def _report(carry, history, stopped, steps, where):
    step = int(carry.step)
    if not bool(carry.finite):
        wrong = [repr(n) for n, values in history.items() if not math.isfinite(values[-1])]
        what = f"not finite: {', '.join(wrong) or 'the update of the optimiser'}"
        message = (
            f"Training stopped at step {step} of {steps}, {what}. {where}"
            "`params` are the last with a finite loss. A smaller learning rate or more damping "
            "helps, and so does float64."
        )
        warnings.warn(message, stacklevel=3)
        status = "non_finite"
    elif stopped:
        status, message = "stopped", f"Stopped by the callback at step {step} of {steps}."
    else:
        status, message = "completed", f"{step} steps."
    return Fit(carry.params, history, step, status, message, carry.state)


def _next_length(length, seconds, longest):
    """Aim at one report a second, growing at most tenfold a chunk (the first one compiles)."""
    return max(1, min(longest, 10 * length, int(length * _SECONDS_A_REPORT / max(seconds, 1e-9))))


def _names(objective):
    return ("loss", *objective.names) if isinstance(objective, Objective) else ("loss",)


def _empty_history(objective):
    return {name: jnp.zeros(0) for name in _names(objective)}


def _join(history, objective):
    if not history:
        return _empty_history(objective)
    return {name: jnp.concatenate([h[name] for h in history]) for name in _names(objective)}


def _strongly_typed(leaf):
    """A weakly typed array becomes strongly typed in the first step, and would compile it twice."""
    return jnp.asarray(leaf, jnp.result_type(leaf))


def _all_finite(tree):
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def _where(condition, new, old):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _check(objective, params, data, optimizer, steps, report_every):
    if not isinstance(objective, Objective) and not callable(objective):
        raise TypeError(
            "objective must come from jsci.objective({...}) or be a function loss(params, batch), "
            f"got {type(objective).__name__}."
        )
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(
            f"optimizer must be an optax optimiser such as optax.adam(1e-3), got {optimizer!r:.60}."
        )
    if steps < 1 or (report_every is not None and report_every < 1):
        raise ValueError(
            f"steps and report_every must be at least 1, got {steps} and {report_every}."
        )
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            raise TypeError(
                f"params{jax.tree_util.keystr(path)} has dtype {jnp.result_type(leaf)}, which "
                "cannot be trained: split the model with jsci.pure first."
            )
    if not jax.tree.leaves(params):
        raise ValueError("params has no arrays, so there is nothing to train.")


def _check_loss(objective, params, data, key):
    """Shape errors surface here, as the objective's own message, before anything is compiled."""
    batch = jax.eval_shape(data, key) if callable(data) else data
    value = objective.value if isinstance(objective, Objective) else objective
    out = eqx.filter_eval_shape(value, params, batch)
    if jax.tree.structure(out) != jax.tree.structure(0) or jnp.shape(out) != ():
        raise ValueError(
            f"The loss must be a scalar, but it has shape {jax.tree.map(jnp.shape, out)}. "
            "Reduce it, or give residuals to jsci.objective."
        )


def _check_memory(objective, optimizer, data, key, carry, size):
    def peak(objective, data):
        return peak_memory(run_chunk, objective, optimizer, data, key, carry, carry.step, size)

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
