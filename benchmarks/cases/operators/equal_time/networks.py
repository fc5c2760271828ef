"""What each operator network learns in equal CPU time, with as many parameters.

All see the same samples and are trained by the same loop. Those that belong to functions and not to
a grid are trained on every fourth point where that loses nothing.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np

from benchmarks.cases.operators._problems import SINGLE
from benchmarks.cases.operators.equal_time._learning import (
    PROBLEMS,
    SEEDS,
    Candidate,
    learn_all,
    shown,
    thin,
)
from benchmarks.runner.case import Case, Run
from jaxsci.operators import FNO, UNO, DeepONet, MgNO, Transformer

SECONDS = {"smoke": 1.0, "quick": 5.0, "full": 20.0}  # of CPU time, a network


def mesh(n, dim):
    """The points of the grid: (cos, sin) of the angle on the circle, x and y on the square."""
    x = np.arange(n) / n
    if dim == 1:
        axes = (np.cos(2 * np.pi * x), np.sin(2 * np.pi * x))
    else:
        axes = np.meshgrid(x, x, indexing="ij")
    return jnp.asarray(np.stack(axes, -1), SINGLE)


def sensors(n):
    """Reads n sensors of each axis, and answers on the grid of its input."""

    def field(f):
        def on_grid(params, a):
            dim = a.ndim - 1
            return f(params, thin(a[None], len(a) // n)[0], mesh(len(a), dim).astype(a.dtype))

        return on_grid

    return field


def tokens(n):
    """Attends to n points of each axis, and answers on the grid of its input."""

    def field(f):
        def on_grid(params, a):
            dim = a.ndim - 1
            read = thin(a[None], len(a) // n).reshape(-1, 1)
            x, y = (mesh(m, dim).reshape(-1, 2).astype(a.dtype) for m in (n, len(a)))
            weights = jnp.full(len(x), 1 / len(x), a.dtype)
            return f(params, read, x, weights, y).reshape(a.shape)

        return on_grid

    return field


BURGERS = {  # some 20,000 parameters each
    "FNO": Candidate(partial(FNO, 1, 1, width=16, modes=12, depth=3), stride=4),
    "DeepONet": Candidate(
        partial(DeepONet, 1, 1, sensors=64, dim=2, width=50, depth=3), sensors(64), 4, 2e-3
    ),
    "MgNO": Candidate(
        partial(MgNO, 1, 1, width=10, depth=4, dim=1, levels=6, boundary="periodic"), rate=1e-2
    ),
    "UNO": Candidate(partial(UNO, 1, 1, width=8, modes=12, levels=2), stride=4),
    "Transformer": Candidate(
        partial(Transformer, 1, 1, dim=2, width=28, heads=4, depth=2), tokens(64), 4, 2e-3
    ),
}
DARCY = {  # some 27,000 parameters each
    "FNO": Candidate(partial(FNO, 1, 1, width=6, modes=(6, 6), depth=4, padding=0.25), batch=8),
    "DeepONet": Candidate(
        partial(DeepONet, 1, 1, sensors=256, dim=2, width=50, depth=3), sensors(16), rate=1e-3
    ),
    "MgNO": Candidate(partial(MgNO, 1, 1, width=8, depth=4, dim=2, levels=4), batch=4),
    "UNO": Candidate(
        partial(UNO, 1, 1, width=4, modes=(6, 6), levels=2, padding=0.25), rate=3e-3, batch=8
    ),
    "Transformer": Candidate(
        partial(Transformer, 1, 1, dim=2, width=34, heads=2, depth=2),
        tokens(16),
        rate=2e-3,
        batch=4,
    ),
}
NETWORKS = {
    "burgers": BURGERS,
    "burgers-sharp": {name: c._replace(stride=1) for name, c in BURGERS.items()},
    "darcy-32": DARCY,
    "darcy-64": DARCY,
}


def networks(which, size):
    """Three seeds of each network."""
    problem, seconds = PROBLEMS[which], SECONDS[size]
    samples = problem.samples()

    return Run(
        partial(learn_all, {n: (c, samples) for n, c in NETWORKS[which].items()}, seconds),
        (),
        error=lambda learned: max(learned["FNO"][0]),
        host=True,
        note=f"{problem.drawn}; {seconds:g} CPU seconds a network, {SEEDS} seeds",
        figures=shown,
    )


CASES = [
    Case(f"operators.networks-{which}", "operators",
         f"{PROBLEMS[which].title}: networks of as many parameters", partial(networks, which),
         "full", reference="held-out samples", tolerance=2 * PROBLEMS[which].tolerance,
         error_name="worst relative L2 of the FNO")
    for which in NETWORKS
]  # fmt: skip
