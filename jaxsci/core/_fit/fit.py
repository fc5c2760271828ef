"""One training loop for every objective and optimiser, first order or second."""

import inspect
import math
import os
import time
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Int, PRNGKeyArray, PyTree
from tqdm import tqdm

from .._train.objective import Objective
from .checkpoint import Checkpoint, Resume
from .checks import check_arguments, check_concrete, check_loss, check_memory
from .fingerprint import fingerprint
from .interrupt import Interrupt
from .reports import Reports
from .warnings import (
    trend,
    unequal_terms,
    warn_of_few_residuals,
    warn_of_no_progress,
    warn_of_unequal_terms,
)

# Steps that fit into one call of the compiled loop when its length is left to the clock.
_LONGEST_CHUNK = 1024
_SECONDS_A_REPORT = 1.0
# What the key is folded with for validation: no step has this number.
_NO_STEP = 2**32 - 1


Status = Literal["completed", "stopped", "interrupted", "non_finite"]


class Fit(NamedTuple):
    """What `fit` returns.

    - `params`: the last parameters whose loss was finite.
    - `history`: `"loss"` and each term's mean square, one entry a step, before that step's update.
    - `steps`: steps taken.
    - `status`: `"completed"`, `"stopped"` by the callback, `"interrupted"` by Ctrl-C, or
        `"non_finite"`.
    - `message`: a sentence about the status, and one if the loss has stagnated or still falls.
    - `state`: the optimiser's final state.
    - `validation`: `"step"`, `"loss"` and each term's mean square on the validation samples, one
        entry a report of this call; empty without them.
    """

    params: PyTree
    history: dict[str, Array]
    steps: int
    status: Status
    message: str
    state: PyTree
    validation: dict[str, Array]


class _Carry(NamedTuple):
    """The state of training; `previous` is what to return to if `params` have no finite loss."""

    params: PyTree
    previous: PyTree
    state: PyTree
    step: Int[Array, ""]
    finite: Bool[Array, ""]


def fit(
    objective: Objective | Callable[..., Any],
    params: PyTree,
    data: Any,
    optimizer: optax.GradientTransformation,
    *,
    steps: int,
    key: PRNGKeyArray | None = None,
    report_every: int | None = None,
    callback: Callable | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: Resume = "same",
    validation: Any = None,
    progress: bool = True,
) -> Fit:
    """Minimise an objective over its parameters.

        θₙ₊₁ = θₙ + optimizer(∇L(θₙ; batchₙ)),   batchₙ = data or data(fold_in(key, n))

    The loop runs compiled; nothing is compiled twice for the same objective, optimiser and
    shapes. First- and second-order optimisers share one protocol: the latter read the residuals
    and their kernel from the objective.

    **Arguments:**

    - `objective`: an `Objective`, or a function `loss(params, batch) -> scalar`.
    - `params`: where to start; real arrays.
    - `data`: one batch for all steps, or a pure function `key -> batch`. With a function the
        history is the loss on fresh samples: each step's is taken before their update.
    - `optimizer`: any optax optimiser, or `levenberg_marquardt()`, `gauss_newton()`,
        `natural_gradient()`.
    - `steps`: how many steps in all, counting those of a checkpoint.
    - `key`: needed where `data` is a function; step n always sees `fold_in(key, n)`.
    - `report_every`: steps between reports (progress, callback, checkpoint); about every second
        by default.
    - `callback`: `callback(step, metrics, params)` at each report, with the last loss and terms,
        and `"validation_loss"` and `"validation_<term>"`; return True to stop.
    - `checkpoint`: a file, rewritten atomically at each report. If it exists, training goes on
        from it, bit for bit as if it had never been interrupted (on a GPU with
        XLA_FLAGS=--xla_gpu_deterministic_ops=true). Of several processes the first writes it, and
        all must see it. A full disk stops nothing: it is warned of, and each report tries again.
    - `resume`: what a checkpoint may have been started with. `"same"`: the key, data, weights,
        residuals and optimiser given here; `"changed"` accepts others, with which it then goes on.
        Functions are compared by the programs that JAX makes of them, which other versions of it
        may write differently; that is warned of, as are numbers that differ by rounding alone.
        Where to start, `batch_size` and `mesh` may differ always.
    - `validation`: samples that are not trained on, a batch or a function `key -> batch` that is
        called once. Their loss after each report's last step is in the progress bar, in the
        callback's metrics and in `.validation`.
    - `progress`: show a progress bar once training takes more than two seconds.

    **Returns:** a `Fit`. On a loss that is not finite training stops with a warning that names
    the term, and `.params` are the last good ones. Ctrl-C ends training with the next report, and
    what there is is returned, with a warning; a second one raises `KeyboardInterrupt` at once.

    **Raises:** `ValueError` for a missing key, a batch that does not fit the objective, a
    checkpoint of another model or run (what differs is named) or with more steps, or a step that
    takes more memory than the machine has, predicted from the compiled program: the message has a
    size that fits. `TypeError` if a second-order optimiser gets a plain loss, for complex
    parameters or a complex loss, for an iterator as data, for a number of steps that is not whole,
    and inside `jit`, `vmap` or `grad`.

    **Notes:** warns where nothing can be learned, and with a second-order optimiser where a fixed
    batch has fewer residuals than there are parameters and no validation (the quadrature of
    `eigenproblem` excepted, which is checked there), or where the terms'
    gradients differ by orders of magnitude.

    ```python
    loss = jsci.objective({"pde": jsci.residual(burgers, f), "bc": f})
    result = jsci.fit(loss, params, sample, jsci.levenberg_marquardt(), steps=300, key=key)
    u = functools.partial(f, result.params)
    ```
    """
    check_arguments(objective, params, data, optimizer, steps, report_every, key, validation)
    key = jax.random.key(0) if key is None else key
    # Copies, as NumPy's arrays and dicts can be written into, by a callback for one.
    params = jax.tree.map(lambda leaf: jnp.asarray(_own(leaf)), params)
    data = data if callable(data) else jax.tree.map(_own, data)
    if callable(validation):
        validation = validation(jax.random.fold_in(key, _NO_STEP))
    count = check_loss(objective, params, data, key)
    if validation is not None:
        check_loss(objective, params, validation, key)
    carry = start_of_training(params, optimizer)
    if not callable(data) and validation is None and getattr(objective, "sampled", True):
        warn_of_few_residuals(count, params, carry.state, stacklevel=2)
    history: list[dict[str, Array]] = []
    store = None
    if checkpoint is not None:
        made_of = fingerprint(objective, data, optimizer, _step, carry, key)
        store = Checkpoint(checkpoint, key, made_of, resume)
        carry, history = store.restore(carry, _empty_history(objective), steps)
    if int(carry.step) < steps:
        size = min(report_every or _LONGEST_CHUNK, _LONGEST_CHUNK)
        check_memory(run_chunk, objective, optimizer, data, key, carry, size)
    bar = tqdm(total=steps, initial=int(carry.step), disable=not progress, delay=2.0, unit="step")
    reports = Reports(objective, validation, callback, bar)
    with bar:
        carry, history, status = _train(
            objective, optimizer, data, key, carry, history, steps, report_every, store, reports
        )
    where = "" if bool(carry.finite) else _first_bad_sample(objective, data, key, carry)
    return _report(carry, _join(history, objective), reports.columns(), status, steps, where)


def _train(objective, optimizer, data, key, carry, history, steps, report_every, store, reports):
    """Chunks of the compiled loop, with a report after each, or at multiples of `report_every`."""
    step, stopped, asked, length = int(carry.step), False, False, 1
    start_params = carry.params
    size = min(report_every or _LONGEST_CHUNK, _LONGEST_CHUNK)
    with Interrupt() as interrupt:
        while step < steps and bool(carry.finite) and not (stopped or asked):
            start = time.perf_counter()
            # Reports fall on multiples of report_every, so a resumed run reports at the same steps.
            due = step + (report_every - step % report_every if report_every else length)
            # Of the very type that the memory was predicted with: another would compile again.
            last = jnp.asarray(min(due, step + size, steps), carry.step.dtype)
            carry, records = run_chunk(objective, optimizer, data, key, carry, last, size)
            check_concrete(carry, records)
            done = int(carry.step) - step
            length = _next_length(length, time.perf_counter() - start, size)
            if step == 0:
                _warn_at_the_start(objective, data, key, start_params, carry)
            step += done
            history.append({name: values[:done] for name, values in records.items()})
            asked, finite = interrupt.asked, bool(carry.finite)
            if step >= min(due, steps) or asked or not finite:
                metrics = {name: float(records[name][done - 1]) for name in _names(objective)}
                metrics = reports.show(step, metrics, carry.params)
                if store is not None and finite:
                    history = store.write(carry, _join(history, objective))
                stopped = reports.tell(step, metrics, carry.params)
                asked = interrupt.asked
            reports.bar.update(done)
    status = "interrupted" if interrupt.asked else "stopped" if stopped else "completed"
    return carry, history, status


def _warn_at_the_start(objective, data, key, params, carry):
    """After the first steps, of what they show."""
    stuck = eqx.tree_equal(params, carry.params)
    if not stuck and not unequal_terms(carry.state):
        return
    # Both are of the last step, which is what the state tells of.
    batch = data(jax.random.fold_in(key, carry.step - 1)) if callable(data) else data
    if unequal_terms(carry.state):
        warn_of_unequal_terms(objective, carry.previous, batch, stacklevel=4)
    if stuck:
        warn_of_no_progress(objective, params, batch, _loss(objective, batch)[1], stacklevel=4)


def _own(leaf):
    return jnp.array(leaf) if isinstance(leaf, np.ndarray) else leaf


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
        del residual_fn
        return loss(params)

    def grad_fn(params, _):
        return value_and_grad(params)[1]

    extra = dict(
        value=value, grad=gradient, value_fn=value_fn, residual_fn=residual_fn, grad_fn=grad_fn
    )
    extra = _accepted(optimizer.update, extra)
    updates, state = optimizer.update(gradient, carry.state, carry.params, **extra)
    value_is_finite = jnp.isfinite(value)
    finite = value_is_finite & _all_finite(updates)
    # Not finite at these parameters: the step that led here is undone. Not finite in the
    # update alone: it is not taken.
    keep = _where(value_is_finite, carry.params, carry.previous)
    params = _where(finite, optax.apply_updates(carry.params, updates), keep)
    new = _Carry(params, carry.params, _where(finite, state, carry.state), carry.step + 1, finite)
    return new, {"loss": value, **terms}


def _accepted(update, extra):
    """Those of the extra arguments that an optimiser takes: all of optax's protocol, or by name.

    Asked at each trace, where `optax.with_extra_args_support` would make a new function, and so a
    new program, of the same optimiser at every call of `fit`.
    """
    parameters = inspect.signature(update).parameters.values()
    names = {parameter.name for parameter in parameters}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        names |= {"value", "grad", "value_fn", "residual_fn"}
    return {name: value for name, value in extra.items() if name in names}


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


def _report(carry, history, validation, status, steps, where):
    step = int(carry.step)
    if not bool(carry.finite):
        wrong = [repr(n) for n, values in history.items() if not math.isfinite(values[-1])]
        what = f"not finite: {', '.join(wrong) or 'the update of the optimiser'}"
        message = (
            f"Training stopped at step {step} of {steps}, {what}. {where}"
            "`params` are the last with a finite loss. A smaller learning rate or more damping "
            "helps, and so does float64."
        )
        status = "non_finite"
    elif status == "interrupted":
        message = f"Interrupted at step {step} of {steps}, whose parameters are returned."
    elif status == "stopped":
        message = f"Stopped by the callback at step {step} of {steps}."
    else:
        message = f"{step} steps.{trend(history['loss'])}"
    if status in ("non_finite", "interrupted"):
        warnings.warn(message, stacklevel=3)
    return Fit(carry.params, history, step, status, message, carry.state, validation)


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
