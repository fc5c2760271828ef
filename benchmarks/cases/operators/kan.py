"""KAN against MLP: six formulas and two generic maps, at matched parameters, FLOPs and time.

Both are trained by Levenberg-Marquardt in float64 on the same points, an equal number of steps; at
matched time, the MLP of as many parameters goes on until it has had the seconds of the KAN.
Compilation is not counted.
"""

import time
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import j0

import jaxsci as jsci
from benchmarks.cases._errors import relative_l2
from benchmarks.runner.case import Case, Run, Size
from jaxsci import nn

SEEDS = 3


def teacher(x):
    """A random network of rectified units, of eight numbers."""
    rng = np.random.default_rng(0)
    for n in (32, 32):
        x = np.maximum(x @ rng.normal(size=(x.shape[1], n)) * (2 / x.shape[1]) ** 0.5, 0)
        x = x - x.mean(axis=0)
    return x @ rng.normal(size=x.shape[1])


def pendulum(x):
    """Angle at t = 2 of a damped, driven pendulum, from angle, velocity, damping and drive."""
    start, damping, drive = 2 * x[:, :2].T, (1 + x[:, 2]) / 2, x[:, 3]

    def slope(t, y):
        angle, velocity = y.reshape(2, -1)
        force = drive * np.cos(2 * t) - np.sin(angle) - damping * velocity
        return np.concatenate([velocity, force])

    return solve_ivp(slope, (0, 2), start.reshape(-1), rtol=1e-10).y[: len(x), -1]


def ring(x):
    """Of four numbers: exp ½(sin π(x₁² + x₂²) + sin π(x₃² + x₄²))."""
    waves = np.sin(np.pi * (x[:, :2] ** 2).sum(1)) + np.sin(np.pi * (x[:, 2:] ** 2).sum(1))
    return np.exp(0.5 * waves)


# The first four from Liu et al., "KAN: Kolmogorov-Arnold Networks" (2024), section 3.1; then
# I.6.20b and I.16.6 of Feynman's lectures.
TASKS: dict[str, tuple[int, Callable]] = {
    "J0(20x)": (1, lambda x: j0(20 * x[:, 0])),
    "exp(sin πx + y²)": (2, lambda x: np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2)),
    "xy": (2, lambda x: x[:, 0] * x[:, 1]),
    "two rings": (4, ring),
    "Gaussian": (
        3,
        lambda x: np.exp(-(((x[:, 0] - x[:, 1]) / (1.2 + x[:, 2])) ** 2) / 2) / (1.2 + x[:, 2]),
    ),
    "adding velocities": (2, lambda x: 0.9 * x.sum(axis=1) / (1 + 0.81 * x.prod(axis=1))),
    "random network": (8, teacher),
    "pendulum": (4, pendulum),
}


def size_of(params):
    return sum(p.size for p in jax.tree.leaves(params))


def flops(f, params, dim):
    """Of one forward pass, as compiled."""
    x = jnp.zeros((1000, dim))
    compiled = jax.jit(jax.vmap(f, (None, 0))).lower(params, x).compile()
    return (compiled.cost_analysis() or {})["flops"] / 1000


def mlp(dim, width, key):
    return jsci.pure(nn.MLP(dim, "scalar", width=width, depth=2, key=key), dtype=jnp.float64)


def matched_width(dim, wanted):
    """The width of the MLP whose number of parameters, w² + (dim + 3) w + 1, is nearest."""
    half = (dim + 3) / 2
    return max(round((half**2 + wanted - 1) ** 0.5 - half), 1)


class Trial:
    """One network on one task; `train` returns the error and the seconds without compilation."""

    def __init__(self, make, task, size: Size):
        self.make, self.steps = make, {"smoke": 2, "quick": 20, "full": 100}[size]
        dim, function = task
        inputs = np.random.default_rng(1).uniform(-1, 1, (4000, dim))
        values = function(inputs)
        values = (values - values[:1000].mean()) / values[:1000].std()
        self.data = {"fit": (jnp.asarray(inputs[:1000]), jnp.asarray(values[:1000]))}
        f, params = make(jax.random.key(0))
        self.loss = jsci.objective({"fit": lambda p, point: f(p, point[0]) - point[1]})
        self.error = relative_l2(f, jnp.asarray(inputs[1000:]), jnp.asarray(values[1000:]))
        self.optimizer = jsci.levenberg_marquardt()  # one, as another would be compiled again
        self._fit(params)

    def _fit(self, params):
        fit = jsci.fit(
            self.loss, params, self.data, self.optimizer, steps=self.steps, progress=False
        )
        return jax.block_until_ready(fit.params)

    def train(self, seed, seconds=0.0):
        """At least `seconds`, in whole rounds of steps."""
        params = self.make(jax.random.key(seed))[1]
        start, done = time.perf_counter(), 0
        while not done or time.perf_counter() - start < seconds:
            params = self._fit(params)
            done += 1
        seconds = time.perf_counter() - start
        return float(self.error(params)), seconds


def compare(task, size: Size):
    """Median errors of the KAN and of the MLPs."""
    dim = task[0]

    def kan(key):
        return jsci.pure(nn.KAN(dim, "scalar", width=6, depth=1, key=key), dtype=jnp.float64)

    f, params = kan(jax.random.key(0))
    same_size = matched_width(dim, size_of(params))
    same_cost = matched_width(dim, flops(f, params, dim) / 2)  # an MLP has two a weight
    ours = Trial(kan, task, size)
    small = Trial(partial(mlp, dim, same_size), task, size)
    large = Trial(partial(mlp, dim, same_cost), task, size)
    rows = []
    for seed in range(SEEDS if size == "full" else 1):
        error, seconds = ours.train(seed)
        rows.append(
            (error, small.train(seed)[0], large.train(seed)[0], small.train(seed, seconds)[0])
        )
    return np.median(rows, axis=0), (size_of(params), same_size, same_cost)


def make_comparison(size: Size) -> Run:
    names = list(TASKS) if size == "full" else ["xy"]

    def step():
        return {name: compare(TASKS[name], size) for name in names}

    def figures(found):
        return {
            name: " / ".join(f"{e:.1e}" for e in errors) + f" (MLP widths {sizes[1]}, {sizes[2]})"
            for name, (errors, sizes) in found.items()
        }

    return Run(
        step,
        (),
        error=lambda found: max(float(errors[0]) for errors, _ in found.values()),
        host=True,
        note="KAN of 6 units, cubic splines / MLP of two layers at equal parameters / FLOPs / "
        f"time; {'median of 3 seeds' if size == 'full' else 'one seed'}; float64",
        figures=figures,
    )


CASES = [
    Case(
        "operators.kan-or-mlp",
        "operators",
        "KAN against MLP on formulas and generic maps",
        make_comparison,
        "full",
        reference="the map itself, on points not learned from",
        tolerance=1.0,
        error_name="worst relative L2 of the KAN",
    )
]
