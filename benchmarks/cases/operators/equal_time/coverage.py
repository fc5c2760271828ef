"""How often intervals of 90 % hold on Burgers' equation: those of a posterior, and conformal ones.

An FNO is trained by Adam. Its posterior is that of `jsci.laplace` at the trained parameters, from
training samples, with the prior and the noise of the largest evidence; `conformal_width` takes
errors on other samples, bare or in units of the posterior's deviation.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.operators._problems import SINGLE, mean_error
from benchmarks.cases.operators.equal_time._learning import SEEDS, adam
from benchmarks.runner.case import Case, Run
from jaxsci.operators import FNO, conformal_width, data

SECONDS = {"smoke": 0.5, "quick": 5.0, "full": 10.0}  # of CPU time, a network
TRAIN, CALIBRATION, TEST = 400, 200, 200
POINTS, EVERY = 64, 4  # of the grid, and which of them are counted
LEVEL, NORMAL = 0.9, 1.645
EXAMPLES = {"smoke": 8, "quick": 100, "full": 200}  # for the posterior: some of those to train on
PRIORS = (1e-1, 1e0, 1e1, 1e2, 1e3)  # precisions of the parameters


def samples():
    """Fields before and after, in units of the standard deviation, of training, calibration and
    test."""
    number = TRAIN + CALIBRATION + TEST
    a, u = data.burgers(jax.random.key(0), number, POINTS, viscosity=0.1)
    parts = np.split(np.arange(number), [TRAIN, TRAIN + CALIBRATION])
    return [((a[part]).astype(SINGLE), (u[part] / jnp.std(u)).astype(SINGLE)) for part in parts]


def network(seed):
    model = FNO(1, 1, width=8, modes=8, depth=3, key=jax.random.key(seed))
    return jsci.pure(model, dtype=SINGLE)


def posterior(f, params, a, u):
    """That of the largest evidence, and its noise."""
    noise = float(jnp.sqrt(jnp.mean((jax.vmap(f, (None, 0))(params, a) - u) ** 2)))
    found = [jsci.laplace(f, params, a, prior=p, noise=noise, targets=u) for p in PRIORS]
    return max(found, key=lambda one: float(one.log_evidence)), noise


def trial(seed, sets, seconds, examples):
    """Coverage and mean width, relative to the fields' deviation, of each kind of interval."""
    training, calibration, test = sets
    f, params = network(seed)
    params, _ = adam(
        f, params, *training, seconds=seconds, rate=5e-3, batch=20,
        watch=partial(mean_error(f), a=test[0], u=test[1]),
    )  # fmt: skip
    wide = jax.tree.map(lambda v: v.astype(jnp.float64), (params, sets))
    params, (training, calibration, test) = wide

    def counted(params, a):
        return f(params, a)[::EVERY]

    predict = jax.jit(jax.vmap(counted, (None, 0)))
    some = [v[:examples] for v in training]
    found, noise = posterior(counted, params, some[0], some[1][:, ::EVERY])
    sizes = [
        jnp.sqrt(found.variance(a, batch_size=20) + noise**2) for a in (calibration[0], test[0])
    ]
    errors = [predict(params, a) - u[:, ::EVERY] for a, u in (calibration, test)]
    nothing = jnp.zeros_like(errors[0])
    scaled = conformal_width(errors[0] / sizes[0], nothing, LEVEL)
    widths = {
        "posterior": NORMAL * sizes[1],
        "conformal": conformal_width(errors[0], nothing, LEVEL)[None],
        "conformal, in units of the posterior's": scaled * sizes[1],
    }
    error = float(mean_error(f)(params, *test))
    return error, {
        name: (float(jnp.mean(jnp.abs(errors[1]) <= width)), float(jnp.mean(width)))
        for name, width in widths.items()
    }


def coverage(size):
    sets, seconds = samples(), SECONDS[size]

    def step():
        return [trial(seed, sets, seconds, EXAMPLES[size]) for seed in range(SEEDS)]

    def figures(trials):
        shown = {"relative L2": ", ".join(f"{error:.1e}" for error, _ in trials)}
        for name in trials[0][1]:
            rows = [found[name] for _, found in trials]
            shown[name] = (
                ", ".join(f"{100 * covered:.1f} %" for covered, _ in rows)
                + f" (half width {np.mean([width for _, width in rows]):.1e})"
            )
        return shown

    def missed(trials):
        """Of conformal intervals, the worst seed."""
        return max(abs(found["conformal"][0] - LEVEL) for _, found in trials)

    return Run(
        step,
        (),
        error=missed,
        host=True,
        note=f"{TRAIN} samples to train on, {CALIBRATION} to calibrate, {TEST} others of "
        f"{POINTS} points; {seconds:g} CPU seconds a network, {SEEDS} seeds",
        figures=figures,
    )


CASES = [
    Case("operators.coverage", "operators", "Burgers, nu = 0.1: intervals of 90 %", coverage,
         "full", reference="held-out samples", tolerance=0.03,
         error_name="coverage less 0.9, worst seed"),
]  # fmt: skip
