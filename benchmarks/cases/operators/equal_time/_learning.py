"""What a network learns in equal CPU time: the samples, the training and the problems."""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.cases.operators._problems import SINGLE, count, mean_error
from jaxsci.operators import FNO, data, relative_l2

SEEDS = 3

CHUNK = 10  # steps that one call of the compiled loop takes
ADAM = optax.scale_by_adam()


class Samples(NamedTuple):
    """Functions `(n, *grid, 1)` to train on and to test on, and a factor of every prediction."""

    a: jax.Array
    u: jax.Array
    test_a: jax.Array
    test_u: jax.Array
    factor: jax.Array


class Candidate(NamedTuple):
    """`model(key=...)`, and how its f(params, ...) maps a field on a grid to one on that grid.

    `stride` thins the grid of the training; `finish` is the share of the time that goes to natural
    gradients in float64, after Adam.
    """

    model: Callable[..., Any]
    field: Callable[[Callable], Callable] = lambda f: f
    stride: int = 1
    rate: float = 5e-3
    batch: int = 20
    finish: float = 0.0


class Problem(NamedTuple):
    """Samples, our FNO, and what the peer's FNO has: width, modes, depth, padding
    and rate. `tolerance` is that of the worst seed of either."""

    title: str
    drawn: str
    samples: Callable[[], Samples]
    fno: Candidate
    peer: str
    tolerance: float


def burgers(viscosity):
    """500 samples to train on, 200 to test on, of 256 points.

    Those to train on also shifted around the circle, to sixteen places: the equation is the same
    at all of them, which no network here knows by itself.
    """
    a, u = data.burgers(jax.random.key(0), 700, 256, viscosity=viscosity)
    a, u = a.astype(SINGLE), (u / jnp.std(u)).astype(SINGLE)

    def shifted(v):
        return jnp.concatenate([jnp.roll(v[:500], 16 * place, axis=1) for place in range(16)])

    return Samples(shifted(a), shifted(u), a[500:], u[500:], jnp.ones((1, 1), SINGLE))


def darcy(n):
    """1000 samples to train on, also transposed, 100 to test on; predictions vanish at the
    boundary."""
    a, u = data.darcy(jax.random.key(0), 1100, n, fine=2 * n)
    a, u = ((a - 7.5) / 4.5).astype(SINGLE), (u / jnp.std(u)).astype(SINGLE)
    sine = np.sin(np.pi * np.arange(n) / n)
    factor = jnp.asarray(np.outer(sine, sine)[..., None], SINGLE)

    def transposed(v):
        return jnp.concatenate([v[:1000], v[:1000].swapaxes(1, 2)])

    return Samples(transposed(a), transposed(u), a[1000:], u[1000:], factor)


def thin(v, stride):
    """Every `stride`-th point of each grid axis of `(n, *grid, channels)`."""
    return v[(slice(None), *[slice(None, None, stride)] * (v.ndim - 2))]


@lru_cache(maxsize=2)
def adam_steps(f, batch, cost):
    """`advance(state, a, u, key, rate)`, CHUNK steps of Adam in one program: one for all seeds."""

    def loss(params, a, u):
        return jnp.mean(jax.vmap(lambda a, u: cost(f(params, a), u))(a, u))

    @jax.jit
    def advance(state, a, u, key, rate):
        def step(state, key):
            params, moments = state
            chosen = jax.random.randint(key, (batch,), 0, len(a))
            gradient = jax.grad(loss)(params, a[chosen], u[chosen])
            updates, moments = ADAM.update(gradient, moments)
            return (jax.tree.map(lambda p, d: p - rate * d, params, updates), moments), None

        return jax.lax.scan(step, state, jax.random.split(key, CHUNK))[0]

    return advance


def adam(f, params, a, u, *, seconds, rate, batch, watch, cost=relative_l2, part=(0.0, 1.0)):
    """Adam on random batches; its rate is a part of a cosine of the CPU time spent, all by default.

    The cosine is zero at its end.
    """
    advance, state = adam_steps(f, batch, cost), (params, ADAM.init(params))
    jax.block_until_ready(advance(state, a, u, jax.random.key(0), jnp.zeros((), SINGLE)))
    spent, chunks, curve = 0.0, 0, []
    while spent < seconds:
        along = part[0] + (part[1] - part[0]) * spent / seconds
        now = jnp.asarray(rate * (1 + np.cos(np.pi * along)) / 2, SINGLE)
        start = time.process_time()
        state = advance(state, a, u, jax.random.fold_in(jax.random.key(1), chunks), now)
        jax.block_until_ready(state)
        spent, chunks = spent + time.process_time() - start, chunks + 1
        if spent > seconds * (len(curve) + 1) / 5:
            curve.append((spent, float(watch(state[0]))))
    return state[0], curve


def natural_gradients(f, params, a, u, *, seconds, watch, batch=64, points=8):
    """Natural gradients on random samples, in the space of their residuals at a few points each.

    Between those points the output is as smooth as its few modes. The average over the last ten
    steps or so has less of the noise of the samples.
    """
    spacing = a.shape[1] // points

    def miss(params, sample):
        a, u = sample
        scale = jnp.linalg.norm(u) / np.sqrt(spacing)
        return (f(params, a) - u)[::spacing] / scale

    def draw(key):
        chosen = jax.random.randint(key, (batch,), 0, len(a))
        return {"data": (a[chosen], u[chosen])}

    curve, start = [], 0.0

    def report(step, metrics, params):
        spent = time.process_time() - start
        curve.append((spent, float(watch(params))))
        return spent > seconds

    run = partial(
        jsci.fit, jsci.objective({"data": miss}), params, draw,
        jsci.averaged(jsci.natural_gradient(0.5, damping=1e-10), 0.9),
        key=jax.random.key(2), report_every=10,
        callback=report, progress=False,
    )  # fmt: skip
    run(steps=1)
    curve.clear()
    start = time.process_time()
    return run(steps=10**6).state.params, curve


def learner(candidate, samples):
    """`learn(seed, seconds)`: the test error after this much CPU time, the number of parameters,
    and the error's curve."""
    f = jsci.pure(candidate.model(key=jax.random.key(0)), dtype=SINGLE)[0]
    on_grid = candidate.field(f)

    def predict(params, a):
        stride = samples.test_a.shape[1] // len(a)
        return on_grid(params, a) * thin(samples.factor[None], stride)[0].astype(a.dtype)

    watch = partial(mean_error(predict), a=samples.test_a, u=samples.test_u)
    a, u = (thin(v, candidate.stride) for v in samples[:2])

    def learn(seed, seconds):
        params = jsci.pure(candidate.model(key=jax.random.key(seed)), dtype=SINGLE)[1]
        first = seconds * (1 - candidate.finish)
        params, curve = adam(
            predict, params, a, u, seconds=first, rate=candidate.rate, batch=candidate.batch,
            watch=watch,
        )  # fmt: skip
        if candidate.finish:
            wide = jax.tree.map(lambda v: v.astype(jnp.float64), (params, a, u))
            params, more = natural_gradients(predict, *wide, seconds=seconds - first, watch=watch)
            params = jax.tree.map(lambda v: v.astype(SINGLE), params)
            curve += [(first + t, e) for t, e in more]
        return float(watch(params)), count(params), curve

    return learn


def learn_all(candidates, seconds):
    """Each name's candidate learns its samples: errors by seed and parameters, and curves."""
    learned, curves = {}, {}
    for name, (candidate, samples) in candidates.items():
        learn = learner(candidate, samples)
        runs = [learn(seed, seconds) for seed in range(SEEDS)]
        learned[name] = [error for error, _, _ in runs], runs[0][1]
        curves[name] = runs[0][2]
    return learned, curves


def shown(learned):
    """From the best to the worst seed of each."""

    def spread(errors):
        low, high = (f"{error:.1e}" for error in (min(errors), max(errors)))
        return f"{low} to {high}" if len(errors) > 1 else low

    return {
        name: f"{spread(errors)} ({parameters:,} parameters)"
        for name, (errors, parameters) in learned.items()
    }


DARCY = Candidate(partial(FNO, 1, 1, width=16, modes=(8, 8), depth=4, padding=0.25), rate=3e-3)

PROBLEMS = {
    "burgers": Problem(
        "Burgers, nu = 0.1",
        "500 samples of 256 points, at 16 places",
        partial(burgers, 0.1),
        Candidate(partial(FNO, 1, 1, width=8, modes=8, depth=3), stride=4, finish=0.85),
        "8 8 3 0 5e-3",
        2.7e-3,  # a fiftieth of the best linear map's
    ),
    "burgers-sharp": Problem(
        "Burgers, nu = 0.01",
        "500 samples of 256 points, at 16 places",
        partial(burgers, 0.01),
        Candidate(partial(FNO, 1, 1, width=32, modes=16, depth=4), rate=2e-3),
        "32 16 4 0 2e-3",
        2e-2,
    ),
    "darcy-32": Problem(
        "Darcy, 32x32",
        "1000 samples of 32x32 points and their transposes",
        partial(darcy, 32),
        DARCY,
        "16 8 4 0.25 3e-3",
        5e-2,
    ),
    "darcy-64": Problem(
        "Darcy, 64x64",
        "1000 samples of 64x64 points and their transposes",
        partial(darcy, 64),
        DARCY,
        "16 8 4 0.25 3e-3",
        5e-2,
    ),
}
