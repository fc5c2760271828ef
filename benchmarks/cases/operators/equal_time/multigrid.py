"""An MgNO on Darcy flow in equal CPU time: by its loss, and with half of the points first.

Beside it an FNO of twelve times as many parameters, with either loss.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax

import jaxsci as jsci
from benchmarks.cases.operators._problems import SINGLE, count, mean_error
from benchmarks.cases.operators.equal_time._learning import DARCY, PROBLEMS, SEEDS, adam, shown
from benchmarks.runner.case import Case, Run
from jaxsci.operators import MgNO, grow_levels, h1, relative_l2

SECONDS = {"smoke": 1.0, "quick": 5.0, "full": 20.0}  # of CPU time, a seed
COARSE = 0.8  # share of the time on half of the points


class Way(NamedTuple):
    """A network, how it is trained, and whether it begins on half of the points."""

    model: Callable
    cost: Callable
    rate: float
    batch: int
    levels: tuple[int, ...] = ()  # of each stage; none for the FNO


MULTIGRID = partial(MgNO, 1, 1, width=8, depth=4, dim=2)
some = partial(Way, MULTIGRID, rate=5e-3, batch=4)
fno = partial(Way, DARCY.model, rate=DARCY.rate, batch=DARCY.batch)
WAYS = {
    32: {
        "MgNO": some(relative_l2, levels=(4,)),
        "MgNO, loss in H1": some(h1, levels=(4,)),
        "FNO": fno(relative_l2),
        "FNO, loss in H1": fno(h1),
    },
    64: {
        "MgNO": some(relative_l2, levels=(5,)),
        "MgNO, 32x32 first": some(relative_l2, levels=(4, 5)),
    },
}


class Stage(NamedTuple):
    """A network and its samples, the part of the time, and the test error as `watch(params)`."""

    make: Callable
    predict: Callable
    watch: Callable
    a: jax.Array
    u: jax.Array
    part: tuple[float, float]


def stages(way, samples):
    """All stages of a way, on half of the points but for the last."""
    options = [{"levels": levels} for levels in way.levels] or [{}]
    ends = (0.0, 1.0) if len(options) == 1 else (0.0, COARSE, 1.0)
    for stage, option in enumerate(options):
        # The points of a coarser grid are every second one, from the second one on.
        points = slice(None) if stage == len(options) - 1 else slice(1, None, 2)
        a, u, test_a, test_u = (v[:, points, points] for v in samples[:4])
        make = partial(way.model, **option)
        f = jsci.pure(make(key=jax.random.key(0)), dtype=SINGLE)[0]
        predict = partial(_predicted, f, samples.factor[points, points])
        watch = partial(mean_error(predict), a=test_a, u=test_u)
        yield Stage(make, predict, watch, a, u, (ends[stage], ends[stage + 1]))


def learner(way, samples):
    """`learn(seed, seconds)`: the test error, the number of parameters, and the error's curve."""
    of_way = list(stages(way, samples))

    def learn(seed, seconds):
        params, curve = None, []
        for make, predict, watch, a, u, part in of_way:
            new = jsci.pure(make(key=jax.random.key(seed)), dtype=SINGLE)[1]
            params = new if params is None else grow_levels(params, new)
            params, more = adam(
                predict, params, a, u, seconds=(part[1] - part[0]) * seconds, rate=way.rate,
                batch=way.batch, watch=watch, cost=way.cost, part=part,
            )  # fmt: skip
            curve += [(part[0] * seconds + spent, error) for spent, error in more]
        return float(of_way[-1].watch(params)), count(params), curve

    return learn


def _predicted(f, factor, params, a):
    return f(params, a) * factor


def multigrid(n, size):
    """Three seeds of each way."""
    problem, seconds = PROBLEMS[f"darcy-{n}"], SECONDS[size]
    samples = problem.samples()
    learn = {name: learner(way, samples) for name, way in WAYS[n].items()}

    def step():
        runs = {name: [one(seed, seconds) for seed in range(SEEDS)] for name, one in learn.items()}
        learned = {name: ([e for e, _, _ in seeds], seeds[0][1]) for name, seeds in runs.items()}
        return learned, {name: seeds[0][2] for name, seeds in runs.items()}

    return Run(
        step,
        (),
        error=lambda learned: min(max(errors) for errors, _ in learned.values()),
        host=True,
        note=f"{problem.drawn}; {seconds:g} CPU seconds a network, {SEEDS} seeds",
        figures=shown,
    )


CASES = [
    Case(f"operators.mgno-darcy-{n}", "operators", f"Darcy, {n}x{n}: ways to train an MgNO",
         partial(multigrid, n), "full", reference="held-out samples", tolerance=5e-2,
         error_name="worst relative L2 of the best way")
    for n in WAYS
]  # fmt: skip
