"""Linear equations solved for the coefficients of random features, instead of trained.

The same problems as in `accuracy`, three seeds of features each. The time of a row is that of all
three, the first of which compiles.
"""

import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases.pde._exact_problems import (
    SEEDS,
    Problem,
    enriched_corner,
    helmholtz,
    poisson1d,
    poisson2d,
    poisson3d,
)
from benchmarks.runner.case import Case, Run
from jaxsci import pde


def _make(problem: Callable[[], Problem], n: int, points: int, scales: Sequence[float]):
    def make(size):
        p = problem()
        count, outputs = (n, p.outputs) if size == "full" else (20, p.outputs)
        expected = jax.vmap(p.exact)(p.points) if callable(p.exact) else p.exact
        sample = pde.sobol(p.domain, points if size == "full" else 80)
        seconds = []

        def one(seed):
            start = time.process_time()
            of_features, of_points = jax.random.split(jax.random.key(seed))
            features = [
                pde.random_features(p.domain, count, key=of_features, scale=scale)
                for scale in scales
            ]
            result = pde.least_squares(
                p.op, p.trial, features, sample, key=of_points, outputs=outputs, tolerance=np.inf
            )
            found = jax.vmap(lambda x: result.field(result.params, x))(p.points)
            seconds.append(time.process_time() - start)
            return float(jnp.linalg.norm(found - expected) / jnp.linalg.norm(expected))

        def step():
            return [one(seed) for seed in range(SEEDS)]

        return Run(
            step,
            (),
            error=max,
            host=True,
            note=f"{count} waves, scales {', '.join(f'{s:g}' for s in scales)}, Sobol points "
            f"{points if size == 'full' else 80}; worst of {SEEDS} seeds",
            figures=lambda errors: {
                "errors": ", ".join(f"{e:.1e}" for e in errors),
                "CPU-s, first and another": f"{seconds[0]:.1f}, {seconds[-1]:.1f}",
            },
        )

    return make


def _case(problem, name, title, tolerance, *settings):
    return Case(
        f"pde.solved-{name}",
        "pde",
        f"{title}, solved",
        _make(problem, *settings),
        "full",
        reference="analytic",
        tolerance=tolerance,
        error_name="relative L2",
    )


CASES = [
    _case(poisson1d, "poisson1d", "Poisson on a line", 1e-12, 60, 200, (4.0,)),
    _case(poisson2d, "poisson2d", "Poisson on the square", 1e-11, 300, 900, (4.0,)),
    _case(poisson3d, "poisson3d", "Poisson on the cube", 1e-6, 1000, 3000, (2.0,)),
    _case(helmholtz, "helmholtz", "Helmholtz (1, 4)", 1e-8, 700, 2100, (8.0,)),
    _case(enriched_corner, "corner", "Corner of an L, enriched", 1e-9, 300, 1800, (3.0,)),
]
