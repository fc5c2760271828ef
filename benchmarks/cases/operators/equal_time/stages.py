"""An FNO trained on a coarse grid first and on the fine one at the end, in equal CPU time."""

from functools import partial
from typing import NamedTuple

import jax

import jaxsci as jsci
from benchmarks.cases.operators._problems import SINGLE, count, mean_error
from benchmarks.cases.operators.equal_time._learning import (
    DARCY,
    PROBLEMS,
    SEEDS,
    adam,
    learner,
    thin,
)
from benchmarks.runner.case import Case, Run
from jaxsci.operators import grow_modes

SECONDS = {"smoke": 1.0, "quick": 10.0, "full": 30.0}  # of CPU time, a seed


class Stage(NamedTuple):
    """A share of the time, on every `stride`-th point, with so many modes along each axis."""

    share: float
    stride: int
    modes: int


STAGES = (Stage(0.8, 2, 6), Stage(0.2, 1, 8))
# For few seconds, on either side: small batches, and so more steps.
NETWORK = DARCY._replace(rate=4e-3, batch=8)


def learn_in_stages(stages, samples, seed, seconds):
    """The test error, the number of parameters, and the error's curve over all stages."""
    params, done, curve, final = None, 0.0, [], float("nan")
    for share, stride, modes in stages:
        model = NETWORK.model(modes=(modes, modes), key=jax.random.key(seed))
        f, new = jsci.pure(model, dtype=SINGLE)
        params = new if params is None else grow_modes(params, new)
        predict = partial(_predicted, f, samples.factor)
        watch = partial(mean_error(predict), a=samples.test_a, u=samples.test_u)
        a, u = (thin(v, stride) for v in samples[:2])
        params, more = adam(
            predict, params, a, u, seconds=share * seconds, rate=NETWORK.rate, batch=NETWORK.batch,
            watch=watch, part=(done, done + share),
        )  # fmt: skip
        curve += [(done * seconds + spent, error) for spent, error in more]
        done += share
        final = float(watch(params))
    return final, count(params), curve


def _predicted(f, factor, params, a):
    return f(params, a) * thin(factor[None], len(factor) // len(a))[0]


def stages(size):
    """Three seeds in stages, and as many on the fine grid alone."""
    problem, seconds = PROBLEMS["darcy-64"], SECONDS[size]
    samples = problem.samples()
    ways = {
        "in stages": partial(learn_in_stages, STAGES, samples),
        "64x64 alone": learner(NETWORK, samples),
    }

    def step():
        learned, curves = {}, {}
        for name, way in ways.items():
            runs = [way(seed, seconds) for seed in range(SEEDS)]
            learned[name] = [error for error, _, _ in runs]
            curves[name] = runs[0][2]
        return learned, curves

    return Run(
        step,
        (),
        error=lambda learned: max(learned["in stages"]),
        host=True,
        note=f"{problem.drawn}; {seconds:g} CPU seconds a seed, {SEEDS} seeds; 80 % of it "
        "with modes 6 on 32x32 points, then 8 on 64x64",
        figures=lambda learned: {
            name: f"{min(errors):.1e} to {max(errors):.1e}" for name, errors in learned.items()
        },
    )


CASES = [
    Case("operators.stages-darcy-64", "operators", "Darcy, 64x64: coarse grid first", stages,
         "full", reference="held-out samples", tolerance=5e-2, error_name="worst relative L2"),
]  # fmt: skip
