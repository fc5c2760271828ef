"""Networks by their blocks, on four data sets, in equal CPU time with as many parameters.

All see the same samples on the same points, and are trained by the same loop. Rates, batches and
radii were chosen on samples of the training that were held out, with another seed of the networks.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases.operators._problems import SINGLE, ridge_error
from benchmarks.cases.operators.equal_time._learning import (
    SEEDS,
    Candidate,
    Samples,
    burgers,
    darcy,
    learn_all,
    shown,
    thin,
)
from benchmarks.runner.case import Case, Run
from jaxsci.operators import FNO, UNO, LocalNO, MetaMixer, SliceTransformer, UNet, data

SECONDS = {"smoke": 0.3, "quick": 2.0, "full": 5.0}  # of CPU time, a network


def sharp_burgers():
    """Burgers at ν = 0.01, on every other point of `burgers`."""
    *fields, factor = burgers(0.01)
    return Samples(*(thin(v, 2) for v in fields), factor=factor)


def kuramoto_sivashinsky():
    """The flow on the attractor over 5 units of time, 128 points; also shifted to eight places."""
    pair = data.kuramoto_sivashinsky(jax.random.key(0), 1100, 128)
    scale = jnp.std(pair[0])
    a, u = ((v / scale).astype(SINGLE) for v in pair)

    def shifted(v):
        return jnp.concatenate([jnp.roll(v[:1000], 16 * place, axis=1) for place in range(8)])

    return Samples(shifted(a), shifted(u), a[1000:], u[1000:], jnp.ones((1, 1), SINGLE))


def navier_stokes():
    """Vorticity after a quarter turn of an eddy, on 32x32 of 64x64 points of a torus."""
    pair = data.navier_stokes(jax.random.key(0), 1100, 32, time=0.25, steps=50)
    scale = jnp.std(pair[0])
    a, u = ((v / scale).astype(SINGLE) for v in pair)
    return Samples(a[:1000], u[:1000], a[1000:], u[1000:], jnp.ones((1, 1, 1), SINGLE))


def on_points(place):
    """Attends to all points of the grid, with the coordinates `place(x)` of x in [0, 1)ᵈ."""

    def field(f):
        def on_grid(params, a):
            n, dim = len(a), a.ndim - 1
            grid = np.stack(np.meshgrid(*[np.arange(n) / n] * dim, indexing="ij"), -1)
            x = jnp.asarray(place(grid.reshape(-1, dim)), a.dtype)
            weights = jnp.full(len(x), 1 / len(x), a.dtype)
            return f(params, a.reshape(-1, 1), x, weights).reshape(a.shape)

        return on_grid

    return field


def harmonics(number):
    """Coordinates on a torus without a seam: the first waves along each axis."""

    def place(x):
        angles = 2 * np.pi * np.concatenate([n * x for n in range(1, number + 1)], -1)
        return np.concatenate([np.cos(angles), np.sin(angles)], -1)

    return place


def between_walls(x):
    """Coordinates in a box: the first four waves of zero slope at the walls."""
    return np.concatenate([np.cos(np.pi * n * x) for n in range(1, 5)], -1)


def with_boundary(f):
    """For networks that do not know where they are: a second channel that vanishes at the walls."""

    def on_grid(params, a):
        wave = np.sin(np.pi * np.arange(len(a)) / len(a))
        wall = jnp.asarray(np.outer(wave, wave)[..., None], a.dtype)
        return f(params, jnp.concatenate([a, wall], -1))

    return on_grid


def on_circle(place):
    """Networks of 128 points on a circle, of 20,500 to 21,600 parameters."""
    h, some = 1 / 128, partial(Candidate, rate=6e-3, batch=5)
    fast = partial(Candidate, rate=1.5e-2, batch=5)
    slices = partial(SliceTransformer, dim=dimension(place, 1), width=32, heads=4, slices=16)
    return {
        "FNO": some(partial(FNO, 1, 1, width=16, modes=12, depth=3)),
        "UNO": some(partial(UNO, 1, 1, width=8, modes=12, levels=2)),
        "LocalNO": some(partial(LocalNO, 1, 1, width=15, modes=11, depth=3, radius=3 * h)),
        "UNet": fast(partial(UNet, 1, 1, dim=1, width=8, levels=3, radius=4 * h)),
        "MetaMixer": fast(partial(MetaMixer, 1, 1, dim=1, width=30, depth=4, radius=12 * h)),
        "slice Transformer": some(partial(slices, 1, 1, depth=2), on_points(place)),
    }


def on_square(padding, channels, boundary, field, place):
    """Networks of 32x32 points, of 26,000 to 28,500 parameters."""
    h, fast = 1 / 32, partial(Candidate, rate=1.5e-2, batch=4)
    slices = partial(SliceTransformer, dim=dimension(place, 2), width=32, heads=2, slices=16)
    return {
        "FNO": fast(partial(FNO, 1, 1, width=6, modes=(6, 6), depth=4, padding=padding)),
        "UNO": fast(partial(UNO, 1, 1, width=4, modes=(6, 6), levels=2, padding=padding)),
        "LocalNO": fast(
            partial(LocalNO, 1, 1, width=8, modes=(4, 4), depth=4, radius=2.5 * h, padding=padding)
        ),
        "UNet": fast(partial(UNet, channels, 1, dim=2, width=11, levels=2, radius=1.5 * h), field),
        "MetaMixer": fast(
            partial(
                MetaMixer, channels, 1, dim=2, width=28, depth=4, radius=2.5 * h, boundary=boundary
            ),
            field,
        ),
        "slice Transformer": Candidate(
            partial(slices, 1, 1, depth=3), on_points(place), rate=6e-3, batch=4
        ),
    }


def dimension(place, dim):
    """The number of coordinates."""
    return place(np.zeros((1, dim))).shape[-1]


class Flow(NamedTuple):
    """A data set and its networks, by name."""

    title: str
    drawn: str
    samples: Callable[[], Samples]
    networks: dict[str, Candidate]


FLOWS = {
    "burgers": Flow(
        "Burgers, nu = 0.01", "500 samples of 128 points, at 16 places", sharp_burgers,
        on_circle(harmonics(1)),
    ),
    "kuramoto-sivashinsky": Flow(
        "Kuramoto-Sivashinsky, 5 units of time", "1000 samples of 128 points, at 8 places",
        kuramoto_sivashinsky, on_circle(harmonics(1)),
    ),
    "darcy": Flow(
        "Darcy, 32x32", "1000 samples of 32x32 points and their transposes", partial(darcy, 32),
        on_square(0.25, 2, "zero", with_boundary, between_walls),
    ),
    "navier-stokes": Flow(
        "Navier-Stokes, 32x32", "1000 samples of 32x32 points", navier_stokes,
        on_square(0.0, 1, "periodic", lambda f: f, harmonics(1)),
    ),
}  # fmt: skip


def blocks(which, size):
    """Three seeds of each network."""
    flow, seconds = FLOWS[which], SECONDS[size]
    samples = flow.samples()
    linear = ridge_error(*samples[:4])
    return Run(
        partial(learn_all, {n: (c, samples) for n, c in flow.networks.items()}, seconds),
        (),
        error=lambda learned: max(learned["FNO"][0]),
        host=True,
        note=f"{flow.drawn}; {seconds:g} CPU seconds a network, {SEEDS} seeds",
        figures=lambda learned: shown(learned) | {"best linear map": f"{linear:.1e}"},
    )


TOLERANCE = {"burgers": 2e-2, "kuramoto-sivashinsky": 2e-1, "darcy": 5e-2, "navier-stokes": 2e-1}
CASES = [
    Case(f"operators.blocks-{which}", "operators", f"{flow.title}: networks by their blocks",
         partial(blocks, which), "full", reference="held-out samples", tolerance=TOLERANCE[which],
         error_name="worst relative L2 of the FNO")
    for which, flow in FLOWS.items()
]  # fmt: skip
