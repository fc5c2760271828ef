"""Warnings of `fit` about training that runs but learns nothing, or the wrong thing."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._train.least_squares.imbalance import UNEQUAL
from .._train.objective import Objective
from .._train.second_order import SecondOrderState

# A loss on other samples that is larger by this factor, thirty in the residual, is another one.
_OVERFITTED = 1e3
# Fewest steps from which a trend is read.
_TREND = 20


def warn_of_few_residuals(count, params, state, stacklevel):
    """Warn that a second-order method with fewer residuals than parameters may overfit them."""
    size = sum(jnp.size(leaf) for leaf in jax.tree.leaves(params))
    if count is not None and count < size and _imbalance(state) is not None:
        warnings.warn(
            f"There are fewer residuals, {count}, than parameters, {size}: a second-order "
            "optimiser can fit every one of them and be wrong between them, and the loss will "
            "not show it. Take more samples (about five per parameter), a new batch every "
            "step (data as a function of a key), or give validation=, other samples, whose loss "
            "is reported too.",
            stacklevel=stacklevel + 1,
        )


def unequal_terms(state) -> bool:
    """Whether a second-order optimiser has found terms of very different scales."""
    spread = _imbalance(state)
    return spread is not None and spread > UNEQUAL


def warn_of_unequal_terms(objective, params, batch, stacklevel):
    """Say which weights would balance terms whose tangent kernels differ by orders of magnitude."""
    traces = {k: float(t) for k, t in objective.at(batch).traces(params).items() if t > 0}
    smallest = min(traces.values())
    weights = ", ".join(f"{name!r}: {smallest / t:.1e}" for name, t in traces.items())
    warnings.warn(
        f"The terms are unequal: the mean squares of their gradients differ by a factor of "
        f"{max(traces.values()) / smallest:.1e}, so the loss says little of the small ones. Write "
        "the problem in units in which its fields and coefficients are near one, or balance the "
        "terms, since steps in parameter space now damp each parameter in a unit of its own, as "
        "levenberg_marquardt(scaled=True) always does, and fronts train worse with it: "
        f"jsci.objective(..., weights={{{weights}}}).",
        stacklevel=stacklevel + 1,
    )


def warn_of_no_progress(objective, params, batch, value_and_grad, stacklevel):
    """Warn if nothing can be learned, as when every sample has failed."""
    (value, _), gradient = eqx.filter_jit(value_and_grad)(params)
    slopes = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(gradient)])
    if value == 0 and not _any_residual(objective, params, batch):
        return  # solved already
    if value == 0 or (jnp.any(slopes) and not jnp.any(slopes**2)):
        message = (
            f"The loss is {float(value):.3g}, and {'residuals' if value == 0 else 'slopes'} are so "
            f"small that their squares are zero in {slopes.dtype}: nothing can be learned. Choose "
            "units in which they are near one."
        )
    elif not jnp.any(slopes):
        message = (
            f"The loss is {float(value):.3g} and has no slope in any parameter. Either it does not "
            "depend on them, or every sample failed: one whose solver does not converge counts, "
            "but has no gradient. Take other initial parameters."
        )
    else:
        return
    warnings.warn(message, stacklevel=stacklevel + 1)


def warn_of_overfitting(count, params, loss, validation, state, stacklevel):
    """Warn where a second-order method has fitted its samples and not what lies between them.

    With fewer residuals than parameters this is expected, and other samples are given to see it.
    """
    size = sum(jnp.size(leaf) for leaf in jax.tree.leaves(params))
    enough = count is not None and count >= size
    if not enough or not len(loss) or not len(validation) or _imbalance(state) is None:
        return
    own, other = float(loss[-1]), float(validation[-1])
    # Where both are as good as zero, rounding decides which is smaller.
    if other > max(_OVERFITTED * own, float(jnp.finfo(loss.dtype).eps * loss[0])):
        warnings.warn(
            f"The loss is {own:.1e} on the samples trained on and {other:.1e} on the validation "
            "samples: the solution is wrong between the former. Take more samples, or a new batch "
            "every step (data as a function of a key).",
            stacklevel=stacklevel + 1,
        )


def warn_of_failed_validation(objective, params, batch, checks, stacklevel):
    """Warn of validation samples on which the loss is not finite: their loss says nothing."""
    bad = ~np.isfinite(checks.get("loss", np.zeros(0)))
    if not bad.any():
        return
    first = int(checks["step"][np.argmax(bad)])
    terms = [repr(n) for n in checks if n not in ("step", "loss") and not _finite(checks[n])]
    warnings.warn(
        f"The loss on the validation samples is not finite at {int(bad.sum())} of {len(bad)} "
        f"reports, first at step {first}{', in ' if terms else ''}{', '.join(terms)}. "
        f"{first_bad_sample(objective, params, batch)}Training went on, as its own loss is finite: "
        "the solution has no value between its samples, or those of the validation are wrong.",
        stacklevel=stacklevel + 1,
    )


def first_bad_sample(objective, params, batch) -> str:
    """A sentence that names the first sample with a residual that is not finite, if any."""
    if not isinstance(objective, Objective):
        return ""
    for name, r in objective.residuals(params, batch).items():
        bad = ~jnp.isfinite(r.reshape(len(r), -1)).all(axis=1)
        if bad.any():
            i = int(jnp.argmax(bad))
            sample = jax.tree.map(lambda leaf, i=i: leaf[i], batch[name])
            shown = " ".join(f"{sample}".split())
            return f"{int(bad.sum())} of {len(r)} samples of {name!r}, first {i}: {shown:.200}. "
    return ""


def trend(loss) -> str:
    """A sentence about a loss that has stagnated or is still falling; otherwise empty."""
    loss = np.asarray(loss)
    if len(loss) < _TREND:
        return ""
    quarter = len(loss) // 4
    # Medians: a loss on changing batches is noisy.
    before, last = np.median(loss[-2 * quarter : -quarter]), np.median(loss[-quarter:])
    if not before > 0:
        return ""
    if last > 0.99 * before:
        return f" The loss has stagnated: {last:.3g} over the last {quarter}, {before:.3g} before."
    if last < 0.5 * before:
        return f" The loss still falls: {last:.3g} over the last {quarter}, {before:.3g} before."
    return ""


def _finite(values) -> bool:
    return bool(np.isfinite(values).all())


def _imbalance(state) -> float | None:
    """The imbalance that a second-order optimiser has measured, from anywhere in the state."""
    leaves = jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, SecondOrderState))
    found = [float(leaf.imbalance) for leaf in leaves if isinstance(leaf, SecondOrderState)]
    return max(found, default=None)


def _any_residual(objective, params, batch):
    if not isinstance(objective, Objective):
        return False
    rows = eqx.filter_jit(objective.residuals)(params, batch).values()
    return any(bool(jnp.any(r)) for r in rows)
