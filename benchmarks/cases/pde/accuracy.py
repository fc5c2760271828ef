"""How many digits: whole trainings in float64, three seeds each, against independent solutions.

Every run is one network with exact conditions, trained by Levenberg-Marquardt on points that are
drawn anew each round where the residual is large. What each problem needed beyond that is said in
`_exact_problems`. The first seed's time includes compilation.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

import jaxsci as jsci
from benchmarks.cases.pde._exact_problems import (
    SEEDS,
    allen_cahn,
    burgers,
    corner,
    enriched_corner,
    helmholtz,
    kuramoto_sivashinsky,
    poisson1d,
    poisson2d,
)
from benchmarks.cases.pde._problems import Training, trained_by_peers
from benchmarks.runner.case import Case, Run
from jaxsci import nn


class Settings(NamedTuple):
    """Network and training of one problem."""

    width: int
    depth: int
    points: int
    steps: int
    rounds: int
    candidates: int = 8
    floor: float = 1.0
    frequency: float | None = None

    def network(self, problem, key):
        dim, outputs = problem.domain.dim, problem.outputs
        if self.frequency is None:
            net = nn.MLP(
                dim,
                outputs,
                width=self.width,
                depth=self.depth,
                embedding=problem.embedding,
                key=key,
            )
        else:
            net = nn.SIREN(
                dim,
                outputs,
                width=self.width,
                depth=self.depth,
                frequency=self.frequency,
                key=key,
            )
        return jsci.pure(net, dtype=jnp.float64)

    def __str__(self):
        name = "tanh" if self.frequency is None else f"sine (frequency {self.frequency:g})"
        return (
            f"{name} {self.depth} x {self.width}, {self.points} points, "
            f"{self.rounds} x {self.steps} steps"
        )


def _make(problem, settings):
    def make(size):
        chosen = settings if size == "full" else settings._replace(points=50, steps=2, rounds=2)
        p = problem()
        trainings = []
        for seed in range(SEEDS):
            net, params = chosen.network(p, jax.random.key(seed))
            trainings.append(Training(p.op, p.domain, p.trial(net), params, p.exact, p.points))

        def step():
            errors, curves = [], {}
            for seed, training in enumerate(trainings):
                params, curve = training.run(
                    chosen.points,
                    chosen.steps,
                    chosen.rounds,
                    candidates=chosen.candidates,
                    floor=chosen.floor,
                    seed=seed,
                )
                errors.append(float(training.error(params)))
                curves[f"seed {seed}"] = curve
            return errors, curves

        return Run(
            step,
            (),
            error=max,
            host=True,
            note=f"{chosen}; worst of {SEEDS} seeds; float64",
            figures=lambda errors: {f"seed {i}": f"{e:.1e}" for i, e in enumerate(errors)},
        )

    return make


def _case(problem, settings, title, tolerance, reference="analytic", peers=False):
    return Case(
        f"pde.accuracy-{problem.__name__.replace('_', '-')}",
        "pde",
        f"{title}, three seeds",
        _make(problem, settings),
        "full",
        reference=reference,
        tolerance=tolerance,
        error_name="relative L2",
        peers=trained_by_peers(problem, settings.points) if peers else (),
    )


CASES = [
    _case(poisson1d, Settings(12, 2, 200, 100, 10), "Poisson on a line", 1e-8, peers=True),
    _case(poisson2d, Settings(16, 2, 600, 120, 10), "Poisson on the square", 1e-8, peers=True),
    _case(
        helmholtz,
        Settings(20, 2, 900, 100, 12, frequency=3.0),
        "Helmholtz (1, 4)",
        1e-6,
        peers=True,
    ),
    _case(
        burgers,
        Settings(16, 3, 3000, 40, 20, candidates=64, floor=0.5),
        "Burgers' front",
        1e-5,
        "Cole-Hopf, Gauss-Hermite",
        peers=True,
    ),
    _case(
        allen_cahn,
        Settings(16, 3, 1200, 30, 12, candidates=32, floor=0.5),
        "Allen-Cahn, D = 1e-3",
        1e-4,
        "Chebyshev, Radau",
        peers=True,
    ),
    _case(
        kuramoto_sivashinsky,
        Settings(20, 3, 3000, 30, 12),
        "Kuramoto-Sivashinsky to t = 0.2",
        1e-2,
        "Fourier, ETDRK4",
    ),
    _case(corner, Settings(24, 2, 1500, 30, 10), "Corner of an L", 0.3),
    _case(enriched_corner, Settings(16, 2, 1000, 30, 10), "Corner of an L, enriched", 1e-6),
]
