"""KANs and ordinary networks on formulas and on tasks without one: equal weights, work and time.

Every network is trained by full-batch Adam with a cosine schedule at two rates, and the lower test
error counts. "Time" is the network of equal weights, given as much CPU time as the KAN took.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import j0

import jaxsci as jsci
from benchmarks.case import Case, Run
from jaxsci import nn
from jaxsci.operators import data

SINGLE = jnp.float32
POINTS = 1000
RATES = (3e-3, 1e-2)
STEPS = {"smoke": 20, "quick": 300, "full": 2000}


class Task(NamedTuple):
    """Inputs in [-1, 1] and values of variance one, to train on and to test on."""

    x: jax.Array
    y: jax.Array
    test_x: jax.Array
    test_y: jax.Array


def _task(x, y):
    x, y = jnp.asarray(x, SINGLE), jnp.asarray((y - y.mean()) / y.std(), SINGLE)
    return Task(x[:POINTS], y[:POINTS], x[POINTS:], y[POINTS:])


def formula(f, dim):
    x = np.random.default_rng(0).uniform(-1, 1, (2 * POINTS, dim))
    return _task(x, f(*x.T))


def random_field():
    """A smooth random function of four variables: a sum of waves of random direction."""
    rng = np.random.default_rng(1)
    waves, phases = 2 * rng.standard_normal((4, 200)), rng.uniform(0, 2 * np.pi, 200)
    x = rng.uniform(-1, 1, (2 * POINTS, 4))
    return _task(x, np.cos(x @ waves + phases).sum(1))


def darcy_centre():
    """The pressure in the middle of a Darcy flow, from the coefficient on 8 x 8 points."""
    a, u = data.darcy(jax.random.key(0), 2 * POINTS, 8, fine=32)
    return _task((np.asarray(a).reshape(len(a), -1) - 7.5) / 4.5, np.asarray(u[:, 4, 4, 0]))


TASKS: dict[str, Callable[[], Task]] = {
    "exp(sin πx + y²)": partial(formula, lambda x, y: np.exp(np.sin(np.pi * x) + y**2), 2),
    "xy": partial(formula, lambda x, y: x * y, 2),
    "J₀(20x)": partial(formula, lambda x: j0(20 * x), 1),
    "(x + y)/(1 + 0.9xy)": partial(formula, lambda x, y: (x + y) / (1 + 0.9 * x * y), 2),
    "√(1 + x² - 2x cos πy)": partial(
        formula, lambda x, y: np.sqrt(1 + x**2 - 2 * x * np.cos(np.pi * y)), 2
    ),
    "exp((sin π(x² + y²) + sin π(z² + w²))/2)": partial(
        formula,
        lambda x, y, z, w: np.exp(
            (np.sin(np.pi * (x**2 + y**2)) + np.sin(np.pi * (z**2 + w**2))) / 2
        ),
        4,
    ),
    "random field, 4D": random_field,
    "Darcy, 64 inputs": darcy_centre,
}


def weights(net):
    return sum(p.size for p in jax.tree.leaves(jsci.pure(net)[1]))


def work(net, x):
    """Operations of the network's gradient on these points, as XLA counts them."""
    f, params = jsci.pure(net, dtype=SINGLE)
    loss = jax.grad(lambda p: jnp.mean(jax.vmap(partial(f, p))(x) ** 2))
    counts = jax.jit(loss).lower(params).compile().cost_analysis()
    assert counts is not None
    return counts["flops"]


def matched(measure, goal, dim):
    """The tanh network of two hidden layers whose `measure` is nearest to the goal."""

    def mlp(width):
        return nn.MLP(dim, "scalar", width=width, depth=2, key=jax.random.key(0))

    low, high = 1, 512
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if measure(mlp(middle)) <= goal else (low, middle)
    return min(mlp(low), mlp(high), key=lambda net: abs(measure(net) - goal))


def train(net, task, rate, steps=None, seconds=np.inf):
    """Test error after `steps`, or after as many as the CPU seconds allow, and the CPU time."""
    f, params = jsci.pure(net, dtype=SINGLE)
    predict = jax.vmap(f, (None, 0))
    optimizer = optax.scale_by_adam()

    @jax.jit
    def advance(state, rate):
        def step(state, _):
            params, moments = state
            loss = lambda p: jnp.mean((predict(p, task.x) - task.y) ** 2)  # noqa: E731
            updates, moments = optimizer.update(jax.grad(loss)(params), moments)
            return (jax.tree.map(lambda p, d: p - rate * d, params, updates), moments), None

        return jax.lax.scan(step, state, length=10)[0]

    state, spent, done = (params, optimizer.init(params)), 0.0, 0
    jax.block_until_ready(advance(state, jnp.zeros((), SINGLE)))
    while (share := spent / seconds if steps is None else done / steps) < 1:
        now = jnp.asarray(rate * (1 + np.cos(np.pi * share)) / 2, SINGLE)
        start = time.process_time()
        state = jax.block_until_ready(advance(state, now))
        spent, done = spent + time.process_time() - start, done + 10
    error = jnp.sqrt(jnp.mean((predict(state[0], task.test_x) - task.test_y) ** 2))
    return float(error), spent


def compare(task, steps):
    """Test errors of the KAN and of MLPs matched to it."""
    dim = task.x.shape[1]
    kan = nn.KAN(dim, "scalar", width=5, depth=1, key=jax.random.key(0))
    same_weights = matched(weights, weights(kan), dim)
    same_work = matched(partial(work, x=task.x), work(kan, task.x), dim)
    trained = [train(kan, task, rate, steps) for rate in RATES]
    seconds = np.mean([spent for _, spent in trained])
    best = lambda net, **limit: min(train(net, task, rate, **limit)[0] for rate in RATES)  # noqa: E731
    return {
        "KAN": min(error for error, _ in trained),
        "weights": best(same_weights, steps=steps),
        "work": best(same_work, steps=steps),
        "time": best(same_weights, seconds=seconds),
    }


def kan_against_mlp(size):
    def step():
        return {name: compare(make(), STEPS[size]) for name, make in TASKS.items()}

    def figures(table):
        return {
            name: ", ".join(f"{which} {error:.1e}" for which, error in row.items())
            for name, row in table.items()
        }

    return Run(
        step,
        (),
        error=lambda table: float(np.median([row["KAN"] for row in table.values()])),
        host=True,
        note=f"{POINTS} points, {STEPS[size]} steps; KAN, then MLPs of equal weights, work, time",
        figures=figures,
    )


CASES = [
    Case("operators.kan_against_mlp", "operators", "KAN against MLP on eight tasks",
         kan_against_mlp, "full", reference="the formula", tolerance=0.3,
         error_name="median relative L2"),
]  # fmt: skip
