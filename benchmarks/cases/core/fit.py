"""What `fit` adds to a step: against a Python loop over the same step, jitted."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import jaxsci as jsci
from benchmarks.runner.case import Case, Run, Size
from benchmarks.runner.measure.timing import interleave
from benchmarks.runner.units import ratio

PAIRS = 7


class _CNN(eqx.Module):
    """Two 3x3 convolutions of width 24: XLA runs them slowly inside a loop on a CPU."""

    first: eqx.nn.Conv2d
    second: eqx.nn.Conv2d
    last: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.first = eqx.nn.Conv2d(1, 24, 3, padding=1, key=keys[0])
        self.second = eqx.nn.Conv2d(24, 24, 3, padding=1, key=keys[1])
        self.last = eqx.nn.Linear(24 * 64, 10, key=keys[2])

    def __call__(self, x):
        x = jax.nn.relu(self.second(jax.nn.relu(self.first(x))))
        return self.last(x.ravel())


def _cnn(key):
    f, params = jsci.pure(_CNN(key))
    data = jax.random.normal(key, (200, 1, 8, 8)), jnp.arange(200) % 10

    def loss(params, data):
        scores = jax.vmap(lambda x: f(params, x))(data[0])
        return optax.softmax_cross_entropy_with_integer_labels(scores, data[1]).mean()

    return loss, params, data, optax.adam(1e-3)


def _fno(key):
    f, params = jsci.pure(jsci.operators.FNO(1, 1, width=16, modes=(8, 8), depth=3, key=key))
    fields = jax.random.normal(key, (16, 32, 32, 1))

    def loss(params, data):
        return jnp.mean((jax.vmap(lambda a: f(params, a))(data[0]) - data[1]) ** 2)

    return loss, params, (fields, jnp.sin(fields)), optax.adam(1e-3)


def _mlp(key):
    f, params = jsci.pure(jsci.nn.MLP(2, "scalar", width=32, depth=3, key=key))
    points = jax.random.uniform(key, (256, 2))

    def loss(params, x):
        return jnp.mean((jax.vmap(lambda x: f(params, x))(x) - jnp.sin(x[:, 0])) ** 2)

    return loss, params, points, optax.adam(1e-3)


def _least_squares(key):
    u, params = jsci.pure(jsci.nn.MLP(2, "scalar", width=12, depth=2, key=key))

    def poisson(params, x):
        return jsci.laplacian(lambda z: u(params, z))(x) - jnp.sin(3 * x[0])

    data = {"poisson": jax.random.uniform(key, (1000, 2))}
    return jsci.objective({"poisson": poisson}), params, data, jsci.levenberg_marquardt()


def _loop(loss: Any, optimizer: Any, params: Any, data: Any, steps: int) -> Callable[[], Any]:
    """The same training as users write it without `fit`."""
    second_order = isinstance(loss, jsci.Objective)

    @eqx.filter_jit
    def step(params, state, data):
        if second_order:
            (value, _), gradient = loss.value_and_grad(params, data)
            extra = {
                "value": value,
                "grad": gradient,
                "value_fn": lambda p: loss.value(p, data),
                "residual_fn": loss.at(data),
            }
        else:
            value, gradient = jax.value_and_grad(loss)(params, data)
            extra = {}
        updates, state = optimizer.update(gradient, state, params, **extra)
        return optax.apply_updates(params, updates), state, value

    def run():
        new, state, value = params, optimizer.init(params), None
        for _ in range(steps):
            new, state, value = step(new, state, data)
        return float(jnp.asarray(value))

    return run


def _make(problem: Callable[[jax.Array], tuple], steps: int, size: Size) -> Run:
    steps = 3 if size == "smoke" else steps
    loss, params, data, optimizer = problem(jax.random.key(0))
    by_hand = _loop(loss, optimizer, params, data, steps)

    def by_fit():
        result = jsci.fit(loss, params, data, optimizer, steps=steps, progress=False)
        return float(result.history["loss"][-1])

    figures: dict[str, Any] = {}

    def step():
        ours, theirs = by_fit(), by_hand()  # which compiles both
        pairs = interleave(by_hand, by_fit, pairs=PAIRS, seconds=0.0)
        figures["fit / loop"] = ratio(pairs.ratio)
        return abs(ours - theirs) / abs(theirs)

    note = f"{steps} steps, the call of fit included; the bar is 1.2"
    return Run(step, (), error=float, host=True, note=note, figures=lambda _: figures)


def _case(name: str, title: str, problem: Callable[[jax.Array], tuple], steps: int) -> Case:
    """The steps are many enough that the call of `fit` itself, 0.1 to 0.3 s, hardly counts."""
    return Case(
        f"core.fit-{name}",
        "core",
        f"fit against a loop over its jitted step: {title}",
        lambda size: _make(problem, steps, size),
        "full",
        reference="the loop",
        tolerance=1e-6,
        error_name="relative, of the last loss",
    )


CASES = [
    _case("cnn", "convolutions", _cnn, 50),
    _case("fno", "FNO", _fno, 30),
    _case("mlp", "MLP", _mlp, 1500),
    _case("lm", "Levenberg-Marquardt", _least_squares, 50),
]
