"""Digits classified under a prior of functions, beside other methods: scores, and what they say of
images that are none of digits."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

import jaxsci as jsci
from benchmarks.cases.bayes import _classes as classes
from benchmarks.cases.bayes._classes import Digits, Setting
from benchmarks.runner.case import Case, Run, Size

SEEDS = {"smoke": 1, "quick": 1, "full": 3}
SHORT = Setting(adapt=500, steps=3000, matching=20, training=100)


def calibration_error(
    p: Float[Array, "m 10"], y: Int[Array, " m"], bins: int = 15
) -> Float[Array, ""]:
    """The mean of |accuracy - confidence| over bins of confidence, weighted by their counts."""
    confidence = jnp.max(p, axis=1)
    excess = (jnp.argmax(p, axis=1) == y) - confidence
    place = jnp.minimum((confidence * bins).astype(int), bins - 1)
    return jnp.sum(jnp.abs(jax.ops.segment_sum(excess, place, bins))) / len(y)


def separation(inside: Float[Array, " m"], outside: Float[Array, " n"]) -> Float[Array, ""]:
    """The area under the ROC curve: P(outside > inside), ties by half."""
    difference = outside[:, None] - inside[None]
    return jnp.mean(0.5 * (1 + jnp.sign(difference)))


def scores(log_probabilities, data: Digits):
    """Of the mixture of all draws."""

    def mixture(x):
        each = log_probabilities(x)
        return jax.scipy.special.logsumexp(each, axis=0) - jnp.log(len(each))

    def entropy(log_p):
        return -jnp.sum(jnp.exp(log_p) * log_p, axis=1)

    log_p = mixture(data.x_test)
    uncertain = entropy(log_p)
    found = {
        "log score": jnp.mean(log_p[jnp.arange(len(log_p)), data.y_test]),
        "accuracy": jnp.mean(jnp.argmax(log_p, axis=1) == data.y_test),
        "calibration error": calibration_error(jnp.exp(log_p), data.y_test),
        "AUC, rotated": separation(uncertain, entropy(mixture(data.rotated))),
        "AUC, shuffled": separation(uncertain, entropy(mixture(data.shuffled))),
    }
    return {name: float(value) for name, value in found.items()}


def _chains(f, prior, data: Digits, key, setting: Setting):
    """The scores of four chains, with R̂ of their log scores."""
    draws = classes.sampled(f, prior, data, key, setting)
    flat = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), draws)
    found = scores(lambda x: classes.log_probabilities(f, flat, x), data)
    each = classes.log_probabilities(f, flat, data.x_test)[
        :, jnp.arange(len(data.y_test)), data.y_test
    ]
    health = jsci.bayes.health(jnp.mean(each, axis=1).reshape(classes.CHAINS, -1))
    return found | {"R̂": float(health.r_hat), "effective": float(health.effective)}


def compared(seed: int, setting: Setting):
    """The scores of each method. The weight decay is one for all that have it."""
    data, key = classes.digits(seed), jax.random.key(seed)
    f, params = classes.network(setting.width)
    scaled = classes.scaled_prior(params)
    decay = classes.best_decay(f, scaled, data, key, setting)
    wide = jax.tree.map(lambda a: jnp.exp(a) / decay**0.5, scaled.log_scales)
    decayed = jsci.bayes.prior(params, scales=wide)
    priors = {
        "N(0, 1)": jsci.bayes.prior(params, scales=1.0),
        "scaled": scaled,
        "matched": classes.matched_prior(f, scaled, data.x, key, setting),
        "of MAP": decayed,
    }
    found = {name: _chains(f, prior, data, key, setting) for name, prior in priors.items()}
    many = jnp.full(classes.MEMBERS, decay)
    # Trainings start from draws of the narrower prior.
    members = classes.trained(f, scaled, data.x, data.y, key, many, setting)
    best = jax.tree.map(lambda a: a[:1], members)
    one = jax.tree.map(lambda a: a[0], best)
    laplace = classes.last_layer(f, one, decayed.precision, data, key)
    found["MAP"] = scores(lambda x: classes.log_probabilities(f, best, x), data)
    found["MAP"]["weight decay"] = decay
    found["ensemble"] = scores(lambda x: classes.log_probabilities(f, members, x), data)
    found["Laplace"] = scores(laplace, data)
    return found


def _disagreement(found) -> float:
    """The largest R̂ - 1 of the log scores: whether chains settled."""
    return max(one.get("R̂", 1.0) - 1 for seed in found for one in seed.values())


def _figures(found):
    """Means over the seeds, with the deviation of the log score, and the worst R̂."""
    rows = {}
    for method in found[0]:
        values = {k: [one[method][k] for one in found] for k in found[0][method]}
        worst = {"R̂": max, "effective": min}
        rows[method] = ", ".join(f"{k} {worst.get(k, np.mean)(v):.4g}" for k, v in values.items())
    return rows


def _make(size: Size) -> Run:
    classes.digits(0)
    setting = SHORT if size == "smoke" else Setting()

    def step():
        return [compared(seed, setting) for seed in range(SEEDS[size])]

    return Run(
        step, (), _disagreement, host=True, figures=_figures,
        note=f"{SEEDS[size]} splits, {classes.TRAIN} images to train on; MLP of {setting.width}, "
        f"4 chains of {setting.adapt} + {setting.steps} steps of 0.15, friction 0.1",
    )  # fmt: skip


CASES = [
    Case(
        "bayes.digits", "bayes", "Digits classified, and told from other images", _make, "full",
        reference="chains that agree", tolerance=0.05, error_name="R̂ - 1 of log scores, largest",
    ),
]  # fmt: skip
