"""Whole trainings in rounds by Levenberg-Marquardt: new points, some steps, the error."""

import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

import jaxsci as jsci
from benchmarks.cases._errors import relative_l2
from benchmarks.remote import DEEPXDE, JINNS, remote_training
from benchmarks.runner.case import Run
from benchmarks.runner.curves import Curve
from jaxsci import pde


def grid(domain: Any, n: int) -> jax.Array:
    """n equidistant points along each side of the box around a domain."""
    lower, upper = domain.bounds
    axes = [jnp.linspace(a, b, n) for a, b in zip(lower, upper, strict=True)]
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1).reshape(n**domain.dim, -1)


def lines(space: pde.Interval, n: int, k: int) -> jax.Array:
    """n equidistant places of an interval at each of k Chebyshev times of a slab.

    For waves: from Sobol points, those that are left out spoil those that are there a thousand
    times more.
    """
    (low,), (high,) = space.bounds
    places = low + (high - low) * (jnp.arange(n) + 0.5) / n
    times = (1 - jnp.cos(jnp.pi * (jnp.arange(k) + 0.5) / k)) / 2
    return jnp.stack(jnp.meshgrid(places, times, indexing="ij"), axis=-1).reshape(-1, 2)


def odd_waves(space: pde.Interval, n: int, degrees: int) -> Callable:
    """sin kπs times polynomials of the share of the slab, s the share of an interval, for k ≤ n."""
    (low,), (high,) = space.bounds
    in_time = pde.polynomial_features(pde.Interval(0.0, 1.0), [degrees])
    waves = jnp.pi * jnp.arange(1, n + 1)

    def features(x):
        along = jnp.sin(waves * (x[0] - low) / (high - low))
        return (along[:, None] * in_time(x[1:])).ravel()

    return features


def walls(box: pde.Box, n: int) -> Callable:
    """n points on the sides of a box of equal edges, `sample(key)`."""
    inside = pde.uniform(box, n)
    lower, upper = (jnp.asarray(corner) for corner in box.bounds)

    def to_wall(x, side):
        axis = side // 2
        return x.at[axis].set(jnp.where(side % 2, upper, lower)[axis])

    def sample(key):
        points_key, side_key = jax.random.split(key)
        sides = jax.random.randint(side_key, (n,), 0, 2 * box.dim)
        return jax.vmap(to_wall)(inside(points_key), sides)

    return sample


class Watch:
    """The error of a training against the seconds that it has taken.

    The clock stops while the error, which a user could not see, is evaluated.
    """

    def __init__(self, error: Callable):
        self.error = error
        self.curve: Curve = []
        self._start, self._hidden = time.perf_counter(), 0.0

    def look(self, params: PyTree) -> None:
        now = time.perf_counter()
        self.curve.append((now - self._start - self._hidden, float(self.error(params))))
        self._hidden += time.perf_counter() - now


def train(
    loss: Any,
    params: PyTree,
    data: Callable,
    error: Callable,
    *,
    rounds: int,
    steps: int,
    damping: float = 1e-6,
    judges: PyTree = None,
) -> tuple[PyTree, Curve]:
    """Some steps on the points of `data(round, params)`, in each round.

    Each round starts from `damping`: between what a new network needs and a nearly trained one.
    With samples that judge, the result is that of the round with the least loss on them so far.

    **Returns:** the parameters, and the seconds and the error after each round.
    """
    optimizer = jsci.levenberg_marquardt(damping)
    watch, best = Watch(error), None if judges is None else jsci.EarlyStopping()
    how = {} if best is None else {"validation": judges, "callback": best, "report_every": steps}
    for i in range(rounds):
        batch = data(i, params)
        fit = jsci.fit(loss, params, batch, optimizer, steps=steps, progress=False, **how)
        params = jax.block_until_ready(fit.params)
        watch.look(params if best is None else best.params)
    return (params if best is None else best.params), watch.curve


def training_run(
    train: Callable, error: Callable, note: str, plot: Callable | None = None, **figures: Any
) -> Run:
    """The `Run` of a training `train() -> (params, curve)`; `plot(axes, params)` may draw it."""
    return Run(
        train,
        (),
        error=lambda params: float(error(params)),
        host=True,
        note=f"{note}; float64",
        figures=figures,
        plot=plot,
    )


class Training:
    """One equation for a field that fulfils its conditions exactly."""

    def __init__(self, op, domain, u, params, exact, points):
        self.r = jsci.residual(op, u)
        self.loss = jsci.objective({"pde": self.r})
        self.domain, self.params = domain, params
        self.error = relative_l2(u, points, exact)

    def run(self, points, steps, rounds, *, candidates=8, floor=1.0, seed=0):
        """New points where the residual is large after each round."""
        start = pde.sobol(self.domain, points)
        adapt = eqx.filter_jit(
            pde.residual_adaptive(self.domain, points, self.r, candidates=candidates, floor=floor)
        )
        first, later = (jax.random.fold_in(jax.random.key(k), seed) for k in (1, 2))

        def data(i, params):
            return {"pde": adapt(jax.random.fold_in(later, i), params) if i else start(first)}

        return train(self.loss, self.params, data, self.error, rounds=rounds, steps=steps)


def trained_by_peers(problem, points):
    """DeepXDE and both optimizers of jinns, at their published settings, on the same problem."""
    rows = (
        (DEEPXDE, "DeepXDE", "deepxde_pinn", "1", "0.002"),
        (JINNS, "jinns, natural gradient", "jinns_pinn", "natural 300", "natural 2"),
        (JINNS, "jinns, SSBroyden", "jinns_pinn", "ssbroyden 1000", "ssbroyden 2"),
    )

    def peer(environment, name, module, full, short):
        def make(size):
            p = problem()
            values = np.asarray(jax.vmap(p.exact)(p.points) if callable(p.exact) else p.exact)
            how = f"{points} {full}" if size == "full" else f"50 {short}"
            return remote_training(
                environment.variable,
                f"benchmarks.remote.peers.{module}",
                f"{problem.__name__} {how}",
                p.points,
                lambda found: float(np.linalg.norm(found - values) / np.linalg.norm(values)),
            )

        return environment.peer(name, make)

    return tuple(peer(*row) for row in rows)
