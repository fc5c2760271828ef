"""What raters who err agree on, by expectation maximisation."""

import operator
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax.core import Tracer
from jax.ops import segment_sum
from jaxtyping import Array, Bool, Float, Int, Shaped

from ...core import fixed_point

Model = Literal["confusion", "one-coin"]
Numbers = Shaped[Array | np.ndarray, "..."] | Sequence[int]


class Consensus(NamedTuple):
    """What `consensus` returns, for n items, w raters and k classes.

    - `probabilities`: of the classes of each item, (n, k).
    - `prevalence`: the share of each class, (k,).
    - `confusion`: P(rater says s | the class is t) at `[rater, t, s]`, (w, k, k).
    - `log_likelihood`: of the votes, under prevalence and confusion.
    - `converged`: whether another step changes the probabilities by less than the tolerance.
    """

    probabilities: Float[Array, "n k"]
    prevalence: Float[Array, " k"]
    confusion: Float[Array, "w k k"]
    log_likelihood: Float[Array, ""]
    converged: Bool[Array, ""]

    @property
    def labels(self) -> Int[Array, " n"]:
        """The likeliest class of each item, (n,)."""
        return jnp.argmax(self.probabilities, axis=1)

    @property
    def confidence(self) -> Float[Array, " n"]:
        """The probability of that class, (n,)."""
        return jnp.max(self.probabilities, axis=1)


class _Votes(NamedTuple):
    item: Any
    rater: Any
    label: Any


def consensus(
    items: Numbers,
    raters: Numbers,
    labels: Numbers,
    *,
    classes: int | None = None,
    model: Model = "confusion",
    smoothing: float = 0.01,
    max_steps: int = 1000,
) -> Consensus:
    """Infer the classes of items, and how reliable the raters are, from votes alone.

        E: q_i(t) ∝ π_t Πᵥ C[rater, t, label]   over the votes v of item i
        M: π_t = mean of q_i(t),   C[r, t, s] ∝ smoothing + Σᵥ q_item(t)   over r's votes for s

    The fixed point of both is a maximum of the likelihood of the votes. A rater who is right more
    often, or wrong in a way that can be undone, counts more than in a majority vote.

    **Arguments:**

    - `items`: which item each of the m votes is about, (m,), numbered from 0.
    - `raters`: whose vote it is, (m,), numbered from 0.
    - `labels`: the class that it names, (m,), numbered from 0. A missing vote is not in the lists.
    - `classes`: k, the number of classes; by default those up to the largest label.
    - `model`: `"confusion"` (Dawid and Skene) has a matrix per rater. `"one-coin"` has one
        probability of being right, and errors fall on all other classes alike.
    - `smoothing`: votes added to each count of the M step, which keeps logarithms finite.
    - `max_steps`: of expectation maximisation.

    **Returns:** `Consensus`: `.labels`, `.confidence`, `.probabilities`, `.confusion`.

    **Raises:** `ValueError` for a rater or an item without votes, numbers below 0, labels beyond
    `classes`, fewer than two classes, or lists of different lengths; `TypeError` for what is not
    an integer, or is traced.

    **Notes:** each step raises the log-likelihood plus `smoothing` Σ log C. The maximum reached is
    the one next to the vote shares: where most raters are wrong more often than right, it is wrong.

    **Good values:** `"one-coin"` below some ten votes per rater and class.

    **Source:** Dawid & Skene, Appl. Stat. 28, 20 (1979).

    ```python
    items = np.repeat(np.arange(4), 3)  # three raters, of whom the last always says 1
    votes = jsci.analysis.consensus(items, np.tile([0, 1, 2], 4), [0, 0, 1, 1, 1, 1] * 2)
    votes.labels  # 0, 1, 0, 1
    ```
    """
    if model not in get_args(Model):
        raise ValueError(f"model must be one of {get_args(Model)}, got {model!r}.")
    if not 0 < smoothing < float("inf") or max_steps < 1:
        raise ValueError(
            "smoothing must be positive and finite, and max_steps at least 1, got "
            f"{smoothing} and {max_steps}."
        )
    lists = {"items": items, "raters": raters, "labels": labels}
    votes = _Votes(*(_numbers(name, values) for name, values in lists.items()))
    if len({len(values) for values in votes}) > 1:
        raise ValueError(
            f"items, raters and labels must be of one length, got {[len(v) for v in votes]}."
        )
    counts = _all_vote("item", votes.item), _all_vote("rater", votes.rater)
    sizes = (*counts, _number_of_classes(votes.label, classes))
    return _solve(jax.tree.map(jnp.asarray, votes), sizes, model, smoothing, max_steps)


@eqx.filter_jit
def _solve(votes, sizes, model, smoothing, max_steps) -> Consensus:
    """The fixed point that is next to the vote shares."""
    n, _, k = sizes
    says = jax.nn.one_hot(votes.label, k, dtype=jnp.result_type(float))
    shares = segment_sum(says, votes.item, n)
    shares = shares / jnp.sum(shares, axis=1, keepdims=True)

    def step(votes, state):
        q = _expect(votes, state[1], n)[0]
        return q, _maximise(votes, q, sizes, model, smoothing)

    # Plain steps raise the likelihood, which extrapolated ones need not. The logarithms are part of
    # the state because XLA would otherwise take them anew for each vote that looks them up.
    tolerance = float(jnp.finfo(shares.dtype).eps) ** 0.65
    solver = optx.FixedPointIteration(rtol=tolerance, atol=tolerance, norm=_of_probabilities)
    first = shares, _maximise(votes, shares, sizes, model, smoothing)
    found = fixed_point(step, votes, first, solver=solver, max_steps=max_steps, throw=False)
    logs = found.value[1]
    q, log_likelihood = _expect(votes, logs, n)
    converged = jnp.asarray(found.result == optx.RESULTS.successful)
    return Consensus(
        q, jnp.exp(logs.prevalence), jnp.exp(logs.confusion), log_likelihood, converged
    )


def _of_probabilities(state):
    return jnp.max(jnp.abs(state[0]))


class _Logs(NamedTuple):
    prevalence: Any
    confusion: Any


def _maximise(votes, q, sizes, model, smoothing) -> _Logs:
    """The logarithms of the prevalence and the confusion that explain the votes best."""
    _, w, k = sizes
    counts = segment_sum(q[votes.item], votes.rater * k + votes.label, w * k)
    counts = jnp.swapaxes(counts.reshape(w, k, k), 1, 2)  # rater, class, label
    if model == "one-coin":
        right = jnp.trace(counts, axis1=1, axis2=2)
        wrong = jnp.sum(counts, axis=(1, 2)) - right
        p = ((right + smoothing) / (right + wrong + 2 * smoothing))[:, None, None]
        confusion = jnp.where(jnp.eye(k, dtype=bool), p, (1 - p) / (k - 1))
    else:
        counts = counts + smoothing
        confusion = counts / jnp.sum(counts, axis=2, keepdims=True)
    prevalence = jnp.maximum(jnp.mean(q, axis=0), jnp.finfo(q.dtype).tiny)  # a class may die out
    return _Logs(jnp.log(prevalence), jnp.log(confusion))


def _expect(votes, logs, n):
    """Probabilities of the classes of each of n items, and the log-likelihood of all votes."""
    said = segment_sum(logs.confusion[votes.rater, :, votes.label], votes.item, n)
    joint = said + logs.prevalence[None]
    return jax.nn.softmax(joint, axis=1), jnp.sum(jax.nn.logsumexp(joint, axis=1))


def _numbers(name, values) -> np.ndarray:
    """A list of numbers from 0."""
    if isinstance(values, Tracer):
        raise TypeError(f"{name} are counted before anything is computed: they cannot be traced.")
    values = np.asarray(values)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} must be a list with an entry per vote, got {values.shape}.")
    if not np.issubdtype(values.dtype, np.integer):
        raise TypeError(
            f"{name} must be integers from 0, got {values.dtype}. "
            "np.unique(..., return_inverse=True) numbers names."
        )
    if values.min() < 0:
        raise ValueError(f"{name} must be numbered from 0, got {values.min()}.")
    return values.astype(int)  # small integers would overflow where they are combined


def _all_vote(what, values) -> int:
    """How many there are; each must occur."""
    count, there = int(values.max()) + 1, np.unique(values)
    if len(there) < count:
        silent = (np.append(there, -1) != np.arange(len(there) + 1)).argmax()
        raise ValueError(
            f"{what} {silent} has no votes ({count - len(there)} of {count} have none), so "
            "nothing is known about it. Number those that occur: "
            f"np.unique({what}s, return_inverse=True)[1]."
        )
    return count


def _number_of_classes(labels, classes) -> int:
    """As given, or up to the largest label."""
    k = int(labels.max()) + 1 if classes is None else operator.index(classes)
    if k < 2:
        raise ValueError(f"There must be at least 2 classes, got {k}: say how many by classes=.")
    if labels.max() >= k:
        raise ValueError(f"labels must be below classes = {k}, got {labels.max()}.")
    return k
