"""DeepXDE 1.15 on PyTorch, in an interpreter of its own: PINNs with the settings it publishes.

Network, optimizer and number of steps are those of its example for each equation (its Helmholtz
example also for Poisson on a square). Domain, exact conditions and number of points are ours, and
L-BFGS follows Adam everywhere, in float64, as its manual advises. Ten minutes each at most.
"""

import os

os.environ.setdefault("DDE_BACKEND", "pytorch")

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import deepxde as _deepxde
import numpy as np
import torch  # pyright: ignore

from benchmarks.remote.serve import serve

dde: Any = _deepxde  # a module that the interpreter of this project does not have
LIMIT = 600.0


class Problem(NamedTuple):
    """`equation(x, u)` is to vanish; `trial(x, y)` makes of a network's y what fulfils the
    conditions."""

    domain: Any
    equation: Callable
    trial: Callable
    network: tuple[list[int], str, str]
    adam: int
    features: Callable | None = None


def slope(u, x, axis):
    return dde.grad.jacobian(u, x, i=0, j=axis)


def bend(u, x, axis):
    return dde.grad.hessian(u, x, i=axis, j=axis)


def poisson1d():
    def equation(x, u):
        return bend(u, x, 0) + np.pi**2 * torch.sin(np.pi * x)

    network = [1, 50, 50, 50, 1], "tanh", "Glorot uniform"
    return Problem(
        dde.geometry.Interval(-1, 1), equation, lambda x, y: (1 - x**2) * y, network, 10_000
    )


def poisson2d():
    def equation(x, u):
        source = 2 * np.pi**2 * torch.prod(torch.sin(np.pi * x), dim=1, keepdim=True)
        return bend(u, x, 0) + bend(u, x, 1) + source

    def trial(x, y):
        return torch.prod(x * (1 - x), dim=1, keepdim=True) * y

    network = [2, 150, 150, 150, 1], "sin", "Glorot uniform"
    return Problem(dde.geometry.Rectangle([0, 0], [1, 1]), equation, trial, network, 5_000)


def helmholtz():
    def equation(x, u):
        exact = torch.sin(np.pi * x[:, :1]) * torch.sin(4 * np.pi * x[:, 1:])
        return bend(u, x, 0) + bend(u, x, 1) + u - (1 - 17 * np.pi**2) * exact

    def trial(x, y):
        return torch.prod(1 - x**2, dim=1, keepdim=True) * y

    network = [2, 150, 150, 150, 1], "sin", "Glorot uniform"
    return Problem(dde.geometry.Rectangle([-1, -1], [1, 1]), equation, trial, network, 5_000)


def _half_strip():
    space, times = dde.geometry.Interval(0, 1), dde.geometry.TimeDomain(0, 1)
    return dde.geometry.GeometryXTime(space, times)


def burgers():
    def equation(x, u):
        return slope(u, x, 1) + u * slope(u, x, 0) - 0.01 / np.pi * bend(u, x, 0)

    def trial(x, y):
        return -torch.sin(np.pi * x[:, :1]) + x[:, 1:] * x[:, :1] * (1 - x[:, :1]) * y

    return Problem(
        _half_strip(), equation, trial, ([2, 20, 20, 20, 1], "tanh", "Glorot normal"), 15_000
    )


def allen_cahn():
    def equation(x, u):
        return slope(u, x, 1) - 1e-3 * bend(u, x, 0) - 5 * (u - u**3)

    def trial(x, y):
        start = x[:, :1] ** 2 * torch.cos(np.pi * x[:, :1])
        return start + x[:, 1:] * (1 - x[:, :1] ** 2) * y

    def even(x):
        return torch.cat([2 * x[:, :1] ** 2 - 1, 2 * x[:, 1:] - 1], dim=1)

    network = [2, 20, 20, 20, 1], "tanh", "Glorot normal"
    return Problem(_half_strip(), equation, trial, network, 40_000, even)


PROBLEMS = {f.__name__: f for f in (poisson1d, poisson2d, helmholtz, burgers, allen_cahn)}


class Predictions(dde.callbacks.Callback):
    """What the network says now and then, behind the seconds of training until then."""

    def __init__(self, points):
        super().__init__()
        self.points = torch.as_tensor(points)
        self.begin, self.hidden, self.due, self.rows = time.perf_counter(), 0.0, 0.0, []

    def on_epoch_end(self):
        if time.perf_counter() - self.begin - self.hidden >= self.due:
            self.look()

    def on_train_end(self):
        self.look()

    def look(self):
        now = time.perf_counter()
        seconds = now - self.begin - self.hidden
        with torch.no_grad():
            self.rows.append(np.append(seconds, self.model.net(self.points).numpy()[:, 0]))
        self.due = max(1.05 * seconds, seconds + 0.5)
        self.hidden += time.perf_counter() - now
        if seconds > LIMIT:
            self.model.stop_training = True


def train(problem, points, part, predictions):
    Data = dde.data.TimePDE if hasattr(problem.domain, "timedomain") else dde.data.PDE
    data = Data(problem.domain, problem.equation, [], num_domain=points)
    network = dde.nn.FNN(*problem.network)
    if problem.features is not None:
        network.apply_feature_transform(problem.features)
    network.apply_output_transform(problem.trial)
    model = dde.Model(data, network)
    quiet = {"display_every": 10**9, "verbose": 0, "callbacks": [predictions]}
    model.compile("adam", lr=1e-3, verbose=0)
    model.train(iterations=int(part * problem.adam), **quiet)
    if not model.stop_training:
        dde.optimizers.set_LBFGS_options(maxiter=int(part * 15_000))  # 15,000 are its default
        # A look every 100 iterations instead of every 1,000; L-BFGS keeps its memory between.
        dde.optimizers.config.LBFGS_options.update(iter_per_step=100, fun_per_step=125)
        model.compile("L-BFGS", verbose=0)
        model.train(**quiet)


def build(case, arrays):
    """`<problem> <points> <1 or part of the published steps>`: seconds and values at some points,
    a row each time that it was looked at."""
    name, points, part = case.split()
    dde.config.set_default_float("float64")
    problem = PROBLEMS[name]()

    def run():
        dde.config.set_random_seed(0)
        predictions = Predictions(arrays["points"])
        train(problem, int(points), float(part), predictions)
        return np.stack(predictions.rows)

    return run


if __name__ == "__main__":
    serve(build)
