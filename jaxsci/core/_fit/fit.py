"""One training loop for every objective and optimiser, first order or second."""

import functools
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
from jaxtyping import Array, PRNGKeyArray, PyTree
from tqdm import tqdm

from .._run.compiling import announced
from .._run.program import strongly_typed
from .._train.objective import Objective
from .checkpoint import Checkpoint, Resume
from .checks import check_arguments, check_concrete, check_memory
from .fingerprint import fingerprint
from .interrupt import Interrupt
from .programs import as_checked_program, data_as_program, optimizer_as_program
from .reports import Reports
from .steps import (
    HostLoop,
    loss_of,
    names_of,
    one_step,
    run_chunk,
    start_of_training,
)
from .warnings import (
    first_bad_sample,
    trend,
    unequal_terms,
    warn_of_failed_validation,
    warn_of_few_residuals,
    warn_of_no_progress,
    warn_of_overfitting,
    warn_of_unequal_terms,
)

# Most steps in one call of the compiled loop when the clock decides its length.
_LONGEST_CHUNK = 1024
_SECONDS_A_REPORT = 1.0
# Folded into the key for validation; no step has this number.
_NO_STEP = 2**32 - 1


Status = Literal["completed", "stopped", "interrupted", "non_finite"]


class Fit(NamedTuple):
    """What `fit` returns.

    - `params`: the last parameters whose loss was finite.
    - `history`: `"loss"` and each term's mean square, `(steps,)` each, before each step's update.
    - `steps`: steps taken.
    - `status`: `"completed"`, `"stopped"` by the callback, `"interrupted"` by Ctrl-C, or
        `"non_finite"`.
    - `message`: a sentence about the status, and one if the loss has stagnated or is still falling.
    - `state`: the optimiser's final state.
    - `validation`: `"step"`, `"loss"` and each term's mean square on the validation samples, one
        entry per report of this call; empty without them.
    """

    params: PyTree
    history: dict[str, Array]
    steps: int
    status: Status
    message: str
    state: PyTree
    validation: dict[str, Array]

    def __str__(self) -> str:
        shown = {"loss": self.history, "validation loss": self.validation}
        last = [
            f", {name} {v['loss'][-1]:.3g}" for name, v in shown.items() if len(v.get("loss", ()))
        ]
        return f"Fit({self.status} after {self.steps} steps{''.join(last)}: {self.message})"


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
    - `params`: the initial parameters, a pytree of real arrays.
    - `data`: one batch for all steps, or a pure function `key -> batch`. With a function, the
        history is the loss on fresh samples: each is evaluated before it is trained on.
    - `optimizer`: any optax optimiser, or `levenberg_marquardt()`, `gauss_newton()`,
        `natural_gradient()`.
    - `steps`: the total number of steps, counting those of a checkpoint.
    - `key`: needed where `data` is a function; step n always sees `fold_in(key, n)`.
    - `report_every`: steps between reports (progress, callback, checkpoint); by default about one
        report per second.
    - `callback`: `callback(step, metrics, params)` at each report, with the last loss and terms,
        and `"validation_loss"` and `"validation_<term>"`; return True to stop.
    - `checkpoint`: a file, rewritten atomically at each report. If it exists, training resumes from
        it, bit for bit as if it had never been interrupted (on a GPU with
        XLA_FLAGS=--xla_gpu_deterministic_ops=true). With several processes the first one writes it,
        and all must see it. A full disk gives a warning, and each report tries again.
    - `resume`: what a checkpoint must have been started with. `"same"`: the key, data, weights,
        residuals and optimiser given here; `"changed"` accepts others and continues with those
        given here. Functions are compared by their traced programs, which other versions of JAX may
        write differently; this gives a warning, as do numbers that differ only by rounding. The
        initial parameters, `batch_size` and `mesh` may always differ.
    - `validation`: samples that are not trained on: a batch, or a function `key -> batch` that is
        called once. Their loss at each report is shown in the progress bar, passed to the callback,
        and kept in `.validation`.
    - `progress`: show a progress bar once training takes more than two seconds.

    **Returns:** a `Fit`. If the loss is not finite, training stops with a warning that names the
    term, and `.params` are the last good ones. Ctrl-C ends training at the next report and returns
    the result so far, with a warning; a second one raises `KeyboardInterrupt` at once.

    **Raises:** `ValueError` for a missing key, a batch that does not fit the objective, a
    checkpoint of another model or run (what differs is named) or with more steps, or a step that
    takes more memory than the machine has, predicted from the compiled program: the message
    suggests a size that fits. `TypeError` if a second-order optimiser gets a plain loss, for
    complex parameters or a complex loss, an iterator as data, a number of steps that is not an
    integer, and inside `jit`, `vmap` or `grad`.

    **Notes:** warns if nothing can be learned, and if the loss on the validation samples is not
    finite. With a second-order optimiser it also warns if a
    fixed batch has fewer residuals than parameters and there is no validation (except for the
    quadrature of `eigenproblem`, which checks its own), if the loss on the validation samples ends
    1,000 times above that on at least as many residuals as parameters, or if the gradients of the
    terms differ by orders of magnitude.

    ```python
    loss = jsci.objective({"pde": jsci.residual(burgers, f), "bc": f})
    result = jsci.fit(loss, params, sample, jsci.levenberg_marquardt(), steps=300, key=key)
    u = functools.partial(f, result.params)
    ```
    """
    check_arguments(objective, params, data, optimizer, steps, report_every, key, validation)
    key = jax.random.key(0) if key is None else key
    # Copies, since a callback may write into NumPy arrays and dicts.
    params = jax.tree.map(lambda leaf: strongly_typed(_own(leaf)), params)
    data = data if callable(data) else jax.tree.map(_own, data)
    loss, count, convolves = as_checked_program(objective, params, data, key)
    if callable(validation):
        validation = validation(jax.random.fold_in(key, _NO_STEP))
    checked = loss
    if validation is not None:
        checked, _, _ = as_checked_program(objective, params, validation, key)
    carry = start_of_training(params, optimizer)
    if not callable(data) and validation is None and getattr(objective, "sampled", True):
        warn_of_few_residuals(count, params, carry.state, stacklevel=2)
    history: list[dict[str, Any]] = []
    store = None
    if checkpoint is not None:
        made_of = fingerprint(objective, data, optimizer, one_step, carry, key)
        store = Checkpoint(checkpoint, key, made_of, resume)
        carry, history = store.restore(carry, _empty_history(objective), steps)
    loop = HostLoop() if convolves and jax.default_backend() == "cpu" else run_chunk
    programs = loss, optimizer_as_program(optimizer, carry), data_as_program(data, key)
    bar = tqdm(total=steps, initial=int(carry.step), disable=not progress, delay=2.0, unit="step")
    if int(carry.step) < steps:
        size = min(report_every or _LONGEST_CHUNK, _LONGEST_CHUNK)
        with announced("compiling one step of the training", progress):
            check_memory(loop, *programs, key, carry, size)
    reports = Reports(checked, validation, callback, bar)
    advance = functools.partial(loop, *programs, key)
    with bar:
        carry, history, status = _train(
            objective, advance, data, key, carry, history, steps, report_every, store, reports
        )
    joined, checks = _join(history, objective), reports.columns()
    other = checks.get("loss", ())
    warn_of_overfitting(count, params, joined["loss"], other, carry.state, stacklevel=2)
    where = ""
    if bool(carry.finite):
        warn_of_failed_validation(objective, carry.params, validation, checks, stacklevel=2)
    else:
        batch = data(jax.random.fold_in(key, carry.step - 1)) if callable(data) else data
        # The parameters before the last step are the ones that failed.
        where = first_bad_sample(objective, carry.previous, batch)
    return _report(carry, joined, checks, status, steps, where)


def _train(objective, advance, data, key, carry, history, steps, report_every, store, reports):
    """Chunks of the compiled loop, with a report after each, or at multiples of `report_every`."""
    step, stopped, asked, length = int(carry.step), False, False, 1
    start_params = carry.params
    size = min(report_every or _LONGEST_CHUNK, _LONGEST_CHUNK)
    with Interrupt() as interrupt:
        while step < steps and bool(carry.finite) and not (stopped or asked):
            start = time.perf_counter()
            # Reports fall on multiples of report_every, so a resumed run reports at the same steps.
            due = step + (report_every - step % report_every if report_every else length)
            # The exact type that memory was predicted with: another one would recompile.
            last = jnp.asarray(min(due, step + size, steps), carry.step.dtype)
            carry, records = advance(carry, last, size)
            check_concrete(carry, records)
            done = int(carry.step) - step
            length = _next_length(length, time.perf_counter() - start, size)
            if step == 0:
                _warn_at_the_start(objective, data, key, start_params, carry)
            step += done
            # By NumPy, as JAX would compile a program for each length.
            history.append({name: np.asarray(values)[:done] for name, values in records.items()})
            asked, finite = interrupt.asked, bool(carry.finite)
            if step >= min(due, steps) or asked or not finite:
                metrics = {name: float(records[name][done - 1]) for name in names_of(objective)}
                metrics = reports.show(step, metrics, carry.params)
                if store is not None and finite:
                    history = store.write(carry, _join(history, objective))
                stopped = reports.tell(step, metrics, carry.params)
                asked = interrupt.asked
            reports.bar.update(done)
    status = "interrupted" if interrupt.asked else "stopped" if stopped else "completed"
    return carry, history, status


def _warn_at_the_start(objective, data, key, params, carry):
    """Warn of problems that the first steps reveal."""
    stuck = _equal(params, carry.params)
    if not stuck and not unequal_terms(carry.state):
        return
    # Both belong to the last step, which the state describes.
    batch = data(jax.random.fold_in(key, carry.step - 1)) if callable(data) else data
    if unequal_terms(carry.state):
        warn_of_unequal_terms(objective, carry.previous, batch, stacklevel=4)
    if stuck:
        warn_of_no_progress(objective, params, batch, loss_of(objective, batch)[1], stacklevel=4)


# From Python every shape of a parameter would be compiled by itself.
_equal = eqx.filter_jit(eqx.tree_equal)


def _own(leaf):
    return jnp.array(leaf) if isinstance(leaf, np.ndarray) else leaf


def _report(carry, history, validation, status, steps, where):
    step = int(carry.step)
    if not bool(carry.finite):
        wrong = [repr(n) for n, values in history.items() if not math.isfinite(values[-1])]
        what = f"not finite: {', '.join(wrong) or 'the update of the optimiser'}"
        message = (
            f"Training stopped at step {step} of {steps}, {what}. {where}"
            "`params` are the last with a finite loss. Try a smaller learning rate, more damping, "
            "or float64."
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
    """Aim at one report per second, growing at most tenfold per chunk (the first one compiles)."""
    return max(1, min(longest, 10 * length, int(length * _SECONDS_A_REPORT / max(seconds, 1e-9))))


def _empty_history(objective):
    return {name: jnp.zeros(0) for name in names_of(objective)}


def _join(history, objective):
    if not history:
        return _empty_history(objective)
    joined = {name: np.concatenate([h[name] for h in history]) for name in names_of(objective)}
    return {name: jnp.asarray(values) for name, values in joined.items()}
