"""Forecasts on a sphere: one network pre-trained on three sources, fine-tuned on a fourth."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.cases.operators._problems import SINGLE, count
from benchmarks.cases.operators.equal_time._learning import SEEDS
from benchmarks.runner.case import Case, Run
from jaxsci.operators import Forecaster, data, sphere_grid

HOUR = 3600.0
TEST = 16  # trajectories
LEFT_OUT = 42  # hours: a lead time that training does not see
BATCH = {"shallow": 12, "flow": 6, "tracer": 6}
TWO_DAYS = "two days: forecast over persistence"
STEPS = {"smoke": (5, 5), "quick": (100, 50), "full": (500, 150)}  # pre-training, fine-tuning


class Source(NamedTuple):
    """Scaled trajectories `(n, times, *grid, variables)`, with the weights of points that sum to 1,
    the root mean square change in a day of each variable, and hours between states."""

    training: jax.Array
    test: jax.Array
    grid: Any
    variables: Sequence[str]
    area: jax.Array
    change: jax.Array
    interval: int


def source(seed, n, generate, points, grid, channels, interval, times, **options):
    """Fields less the mean of their circle of latitude, over the standard deviation."""
    variables, places = tuple(channels), np.array(list(channels.values()))
    make = partial(
        generate, n=n + TEST, latitudes=points[0], longitudes=points[1], grid=grid, degree=10,
        jet=30.0, eddies=6.0, step=HOUR, interval=interval * HOUR, times=times, **options,
    )  # fmt: skip
    states = jax.jit(make)(jax.random.key(seed))[..., places]
    mean = states[:n].mean((0, 1, 3), keepdims=True)
    scaled = (states - mean) / (states[:n] - mean).std((0, 1, 2, 3))
    area = sphere_grid(*points, grid=grid)[2] / (4 * np.pi)
    day = scaled[:n, 24 // interval] - scaled[:n, 0]
    change = jnp.sqrt(jnp.sum(area[..., None] * day**2, (1, 2)).mean(0))
    scaled, area, change = (jnp.asarray(v, SINGLE) for v in (scaled, area, change))
    return Source(scaled[:n], scaled[n:], grid, variables, area, change, interval)


def sources():
    """Three to pre-train on, and water of another depth on another grid, of eight trajectories."""
    shallow, flat = data.shallow_water_sphere, data.barotropic_sphere
    water = {"height": 0, "vorticity": 1}
    first = source(0, 96, shallow, (16, 32), "gauss", water, 6, 12)
    flow = source(1, 48, flat, (18, 36), "cells", {"stream": 0, "vorticity": 1}, 12, 6)
    tracer = source(2, 48, flat, (17, 32), "equiangular", {"tracer": 2, "stream": 0}, 8, 6)
    new = source(3, 8, shallow, (14, 28), "cells", water, 6, 8, depth=3000.0)
    return {"shallow": first, "flow": flow, "tracer": tracer}, new


def batch(source, n, without, key):
    """States, those later, and the hours between them."""
    trajectories, last = source.training.shape[0], source.training.shape[1] - 1
    steps = jnp.array([s for s in range(1, last + 1) if s * source.interval != without])
    keys = jax.random.split(key, 3)
    i = jax.random.randint(keys[0], (n,), 0, trajectories)
    step = jax.random.choice(keys[1], steps, (n,))
    first = jax.random.randint(keys[2], (n,), 0, last + 1 - step)
    lead = (step * source.interval).astype(SINGLE)
    return source.training[i, first], source.training[i, first + step], lead


def objective(f, given):
    """The mean square error of the sources by area, in units of a day's change."""

    def residual(source):
        weight = jnp.sqrt(source.area)[..., None] / source.change

        def of_sample(p, sample):
            a, u, lead = sample
            return weight * (f(p, a, source.variables, lead, source.grid) - u)

        return of_sample

    return jsci.objective({name: residual(source) for name, source in given.items()})


def scores(f, source, lead):
    """RMSE of each variable over the test set, of the forecast and of persistence, from p."""

    @jax.jit
    def score(p):
        a, u = source.test[:, 0], source.test[:, lead // source.interval]
        forecast = jax.vmap(lambda a: f(p, a, source.variables, float(lead), source.grid))(a)
        area = source.area[..., None]
        return [jnp.sqrt(jnp.sum(area * (v - u) ** 2, (1, 2)).mean(0)) for v in (forecast, a)]

    return lambda p: np.array(score(p))


def permuted(f, source):
    """The largest change of a forecast where variables come in the other order."""
    state, names = source.test[0, 0], source.variables

    @jax.jit
    def change(p):
        straight = f(p, state, names, 24.0, source.grid)
        swapped = f(p, state[..., ::-1], names[::-1], 24.0, source.grid)
        return jnp.max(jnp.abs(swapped[..., ::-1] - straight))

    return lambda p: float(change(p))


def trainer(loss, draw, steps, rate):
    """`train(params, seed)` by Adam; one program for all seeds."""
    adam = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def train(params, seed):
        key = jax.random.fold_in(jax.random.key(2), seed)
        return jsci.fit(loss, params, draw, adam, steps=steps, key=key, progress=False).params

    return train


def trainers(f, known, new, size):
    """Pre-training, training from scratch on the new source, and fine-tuning on it."""
    first, second = STEPS[size]

    def many(key):
        keys = zip(known, jax.random.split(key, 3), strict=True)
        return {name: batch(known[name], BATCH[name], LEFT_OUT, k) for name, k in keys}

    def few(key):
        return {"new": batch(new, 16, None, key)}

    tuning = objective(f, {"new": new})
    return (
        trainer(objective(f, known), many, first, 6e-3),
        trainer(tuning, few, second, 6e-3),
        trainer(tuning, few, second, 3e-3),
    )


def learner(f, make, size):
    """`learn(seed)`, with the figures of the seed."""
    known, new = sources()
    pretrain, from_scratch, tune = trainers(f, known, new, size)
    at = {lead: scores(f, known["shallow"], lead) for lead in (36, LEFT_OUT, 48)}
    of_new, order = scores(f, new, 48), permuted(f, new)

    def learn(seed):
        start = time.process_time()
        params = jsci.pure(make(key=jax.random.key(seed)), dtype=SINGLE)[1]
        trained = pretrain(params, seed)
        scratch, tuned = from_scratch(params, seed), tune(trained, seed)
        seconds = time.process_time() - start
        by_lead = {lead: score(trained) for lead, score in at.items()}
        height, still = by_lead[48][:, 0]
        unseen = by_lead[LEFT_OUT][0] / np.maximum(by_lead[36][0], by_lead[48][0])
        return {
            TWO_DAYS: height / still,
            "unseen lead over its neighbours": unseen.max(),
            "from scratch over fine-tuned": of_new(scratch)[0, 0] / of_new(tuned)[0, 0],
            "permuted": order(trained),
            "CPU-seconds": seconds,
        }

    return learn


def weather(size):
    """Each seed: pre-training, its forecasts, and fine-tuning beside training from scratch."""
    names = ("height", "vorticity", "stream", "tracer")
    make: Any = partial(Forecaster, names, width=16, degree=10, depth=3, leads=(6, 72), heads=2)
    f, params = jsci.pure(make(key=jax.random.key(0)), dtype=SINGLE)
    learn = learner(f, make, size)

    def figures(seeds):
        rows = {name: ", ".join(f"{seed[name]:.2g}" for seed in seeds) for name in seeds[0]}
        return rows | {"parameters": count(params)}

    return Run(
        lambda: [learn(seed) for seed in range(SEEDS)],
        (),
        error=lambda seeds: float(max(seed[TWO_DAYS] for seed in seeds)),
        host=True,
        note="{} steps of pre-training, {} of fine-tuning".format(*STEPS[size]),
        figures=figures,
    )


CASES = [
    Case("operators.weather", "operators", "Height on a sphere in two days, pre-trained", weather,
         "full", reference="persistence", tolerance=0.2, error_name="worst ratio of RMSE"),
]  # fmt: skip
