"""How long forecasts of chaos follow the truth: one-step and pushforward training, and a peer.

In equal CPU time, by the correlation time: that until which the mean over space of a forecast's
correlation with the truth stays above 0.8, averaged over trajectories that were not trained on.
"""

from functools import partial

import jax
import jax.numpy as jnp

import jaxsci as jsci
from benchmarks.cases.operators._problems import SINGLE
from benchmarks.cases.operators.equal_time._learning import SEEDS, adam
from benchmarks.remote import NEURALOPERATOR, remote_run
from benchmarks.runner.case import Case, Run
from jaxsci.operators import FNO, data, metrics, rollout, unrolled_loss

SECONDS = {"smoke": 0.5, "quick": 10.0, "full": 60.0}  # of CPU time, a network
POINTS, STEP = 128, 1.0  # the domain is 32 long; nearby states separate by e in about 25
STATES, TRAINING = 21, {"smoke": 10, "quick": 200, "full": 200}
HORIZON, TEST = {"smoke": 30, "quick": 150, "full": 150}, 50  # states and trajectories
WIDTH, MODES, DEPTH, RATE, BATCH = 32, 16, 4, 2e-3, 20
PUSHED = 0.5  # share of the time with pushforward, after one-step training


def trajectories(key, n, states):
    """Flows on the attractor, `(n, states, 128, 1)`."""
    advance = partial(
        data.solve_kuramoto_sivashinsky, length=32.0, time=STEP, steps=round(10 * STEP)
    )

    @jax.jit
    def run(start):
        def step(u, _):
            return jax.vmap(advance)(u), u

        return jnp.moveaxis(jax.lax.scan(step, start, length=states)[1], 0, 1)[..., None]

    return run(data.kuramoto_sivashinsky(key, n, POINTS)[0][..., 0])


def samples(size):
    """Windows of three states to train on, at eight places of the circle, and trajectories to test
    on; in units of the standard deviation."""
    training = trajectories(jax.random.key(0), TRAINING[size], STATES)
    test = trajectories(jax.random.key(1), TEST, HORIZON[size] + 1)
    windows = jnp.stack([training[:, i : STATES - 2 + i] for i in range(3)], 2)
    windows = windows.reshape(-1, *windows.shape[2:])
    places = [jnp.roll(windows, shift, axis=2) for shift in range(0, POINTS, POINTS // 8)]
    scale = jnp.std(training)
    return tuple((v / scale).astype(SINGLE) for v in (jnp.concatenate(places), test))


def network(seed):
    """One time step: the state plus what the FNO adds to it."""
    model = FNO(1, 1, width=WIDTH, modes=MODES, depth=DEPTH, key=jax.random.key(seed))
    f, params = jsci.pure(model, dtype=SINGLE)
    return (lambda p, u: u + f(p, u)), params


def correlation_times(forecasts, test):
    """Of each trajectory, from its forecasts `(n, times, 128, 1)`."""
    time = partial(metrics.correlation_time, time_step=STEP)
    return jax.vmap(time)(jnp.asarray(forecasts), test[:, 1:])[:, 0]


def inverse(time):
    """1 / correlation time, finite where no forecast follows at all."""
    return 1 / max(float(time), STEP / TEST)


def mean_of_errors(errors, _):
    return jnp.mean(errors)


def trainer(windows, test, seconds):
    """`train(seed, pushed)`: the mean correlation time, and its curve, with this share of the time
    pushed forward."""
    f = network(0)[0]
    horizon = test.shape[1] - 1
    single = unrolled_loss(f, 1)
    pushed_forward = unrolled_loss(f, 2, pushforward=True)

    @jax.jit
    def score(params):
        forecasts = jax.vmap(lambda u: rollout(f, params, u, horizon))(test[:, 0])
        return jnp.mean(correlation_times(forecasts, test))

    def train(seed, pushed):
        params, curve, done = network(seed)[1], [], 0.0
        for residual, share in ((single, 1 - pushed), (pushed_forward, pushed)):
            if share:
                params, more = adam(
                    residual, params, windows, windows, seconds=share * seconds, rate=RATE,
                    batch=BATCH, watch=score, cost=mean_of_errors, part=(done, done + share),
                )  # fmt: skip
                curve += [(done * seconds + spent, inverse(time)) for spent, time in more]
                done += share
        return float(score(params)), curve

    return train


def forecasts(size):
    """Three seeds of each way of training."""
    windows, test = samples(size)
    train = trainer(windows, test, SECONDS[size])
    ways = {"one step": 0.0, "pushforward": PUSHED}

    def step():
        runs = {way: [train(seed, share) for seed in range(SEEDS)] for way, share in ways.items()}
        times = {way: [time for time, _ in seeds] for way, seeds in runs.items()}
        return times, {way: seeds[0][1] for way, seeds in runs.items()}

    def figures(times):
        return {way: ", ".join(f"{time:.1f}" for time in seeds) for way, seeds in times.items()}

    return Run(
        step,
        (),
        error=lambda times: inverse(min(map(max, zip(*times.values(), strict=True)))),
        host=True,
        note=f"{POINTS} points, steps of {STEP:g}; {SECONDS[size]:g} CPU seconds a network, "
        f"{SEEDS} seeds; {PUSHED:.0%} of it with pushforward",
        figures=figures,
    )


def neuraloperator(size):
    """Three seeds of its own FNO, one-step training on the same pairs."""
    windows, test = samples(size)
    one = jnp.ones((1, 1, 1), SINGLE)
    arrays = {"a": windows[:, 0], "u": windows[:, 1], "factor": one}
    arrays |= {"test_a": test[:, 0], "test_factor": one}
    return remote_run(
        NEURALOPERATOR.variable,
        "benchmarks.remote.peers.neuraloperator_training",
        f"{SEEDS} {SECONDS[size]} {WIDTH} {MODES} {DEPTH} 0 {RATE} {HORIZON[size]}",
        arrays,
        lambda seeds: max(inverse(jnp.mean(correlation_times(f, test))) for f in seeds),
    )


CASES = [
    Case("operators.forecasts", "operators", "Kuramoto-Sivashinsky, step by step", forecasts,
         "full", reference="the solver", tolerance=0.1, error_name="1 / correlation time, worst",
         peers=(NEURALOPERATOR.peer("neuraloperator", neuraloperator),)),
]  # fmt: skip
