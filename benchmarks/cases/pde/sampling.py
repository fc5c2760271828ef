"""Where to put the points: adaptive ones against uniform ones, on peaks in 2, 5 and 10 dimensions,
at equal numbers of points and of steps.

Adaptive is `residual_adaptive` in up to three dimensions and `adversarial` in more, both by default
options. Both kinds are judged by the loss on uniform points that are never trained on, and keep the
round where it was least: adaptive points may leave a network without hold elsewhere. The case is
right if it is no worse than uniform in any seed; the ratio of each seed, and the median errors and
seconds, are its figures.
"""

import functools
import warnings
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases._errors import relative_l2
from benchmarks.cases.pde._problems import train, walls
from benchmarks.runner.case import Case, Run
from jaxsci import nn, pde


class Peaks(NamedTuple):
    """u = Σ exp(-s |x - c|²) on [-1, 1]^d, and the training of one network for it."""

    op: Callable
    centers: tuple[tuple[float, ...], ...]
    sharpness: float
    width: int
    points: int
    outer: int
    steps: int
    rounds: int

    @property
    def box(self):
        dim = len(self.centers[0])
        return pde.Box((-1.0,) * dim, (1.0,) * dim)

    def exact(self, x):
        squares = jnp.sum((x - jnp.array(self.centers)) ** 2, axis=1)
        return jnp.sum(jnp.exp(-self.sharpness * squares))

    def tests(self, n=20_000):
        """Half of them uniform, half near the peaks, with the weights of an integral over the
        box: uniform points alone would miss the peaks, and so their part of the error."""
        box, centers = self.box, jnp.array(self.centers)
        deviation = (4 * self.sharpness) ** -0.5
        away, near, which = jax.random.split(jax.random.key(9), 3)
        far = pde.uniform(box, n)(away)
        offsets = deviation * jax.random.normal(near, far.shape)
        close = centers[jax.random.randint(which, (n,), 0, len(centers))] + offsets
        points = jnp.concatenate([far, close])

        def density(x):
            squares = jnp.sum((x - centers) ** 2, axis=1) / (2 * deviation**2)
            normal = (2 * jnp.pi * deviation**2) ** (box.dim / 2)
            return 0.5 / box.measure + 0.5 * jnp.mean(jnp.exp(-squares)) / normal

        inside = jax.vmap(box.contains)(points)
        return points, jnp.where(inside, 1 / jax.vmap(density)(points), 0)


def convection(u, x):
    """Δu - ∇·(u ∇|x|²)."""
    return jsci.laplacian(u)(x) - 2 * (x @ jsci.grad(u)(x) + x.size * u(x))


def samplers(box, n, residual, seed):
    """`sample(round, params)` of both kinds; a flow trains as it goes."""
    keys = [jax.random.fold_in(jax.random.key(seed), kind) for kind in range(2)]
    uniform = jax.jit(pde.uniform(box, n))
    adaptive = _nearby if box.dim <= 3 else _flowing
    return {
        "uniform": lambda i, params: uniform(jax.random.fold_in(keys[0], i)),
        "adaptive": adaptive(box, n, residual, keys[1]),
    }


def _nearby(box, n, residual, key):
    draw = jax.jit(pde.residual_adaptive(box, n, residual))
    return lambda i, params: draw(jax.random.fold_in(key, i), params)


def _flowing(box, n, residual, key):
    points = pde.adversarial(box, n, residual, key=key, steps=50)
    flow, trained, sample = points.flow, jax.jit(points.train), jax.jit(points.sample)

    def draw(i, params):
        nonlocal flow
        train_key, sample_key = jax.random.split(jax.random.fold_in(key, i))
        flow = trained(train_key, flow, params)
        return sample(sample_key, flow)

    return draw


def _make(peaks, seeds, size):
    if size != "full":
        peaks, seeds = peaks._replace(points=60, outer=40, steps=2, rounds=2), seeds[:1]
    box = peaks.box
    source = pde.reference.manufactured(peaks.op, peaks.exact)
    points, weights = peaks.tests()
    outer = walls(box, peaks.outer)
    far, rim = jax.random.split(jax.random.key(10))
    judges = {"pde": pde.uniform(box, 20 * peaks.points)(far), "walls": outer(rim)}

    def errors_of(seed):
        net, params = jsci.pure(
            nn.MLP(box.dim, "scalar", width=peaks.width, depth=2, key=jax.random.key(seed)),
            dtype=jnp.float64,
        )
        residual = jsci.residual(lambda u, x: peaks.op(u, x) - source(x), net)
        loss = jsci.objective(
            {"pde": residual, "walls": lambda p, x: net(p, x) - peaks.exact(x)}, {"walls": 100.0}
        )
        error = relative_l2(net, points, peaks.exact, weights)
        curves = {}
        for name, sample in samplers(box, peaks.points, residual, seed).items():

            def data(i, params, sample=sample):
                return {"pde": sample(i, params), "walls": outer(jax.random.key(i))}

            with warnings.catch_warnings():  # of a loss between the points, which is measured here
                warnings.filterwarnings("ignore", ".*on the validation samples")
                _, curves[name] = train(
                    loss, params, data, error, rounds=peaks.rounds, steps=peaks.steps, judges=judges
                )
        return curves

    def step():
        found = [errors_of(seed) for seed in seeds]
        return found, found[0]

    def ratios(found):
        return [curves["adaptive"][-1][1] / curves["uniform"][-1][1] for curves in found]

    def figures(found):
        shown = {"ratios": ", ".join(f"{r:.2g}" for r in ratios(found))}
        for name in found[0]:
            seconds, error = np.median([curves[name][-1] for curves in found], axis=0)
            shown[name] = f"{error:.1e} in {seconds:.0f} s"
        return shown

    return Run(
        step,
        (),
        error=lambda found: float(max(ratios(found))),
        host=True,
        note=f"exp(-{peaks.sharpness:g} |x - c|²), tanh 2 x {peaks.width}, {peaks.points} points "
        f"and {peaks.outer} on the walls, {peaks.rounds} x {peaks.steps} steps; worst of "
        f"{len(seeds)} seeds; float64",
        figures=figures,
    )


def _case(name, title, peaks, seeds=(0, 1, 2)):
    return Case(
        f"pde.sampling-{name}",
        "pde",
        f"{title}: adaptive points against uniform ones",
        functools.partial(_make, peaks, seeds),
        "full",
        reference="analytic",
        tolerance=1.0,
        error_name="relative L2 over that of uniform points",
    )


CASES = [
    _case(
        "peak",
        "One peak on a square",
        Peaks(pde.poisson(0.0), ((0.5, 0.5),), 1000.0, 16, 1000, 200, 20, 15),
    ),
    _case(
        "two-peaks",
        "Two peaks on a square",
        Peaks(convection, ((0.5, 0.5), (-0.5, -0.5)), 1000.0, 16, 1000, 200, 20, 15),
    ),
    _case(
        "peak5d",
        "One peak in 5 dimensions",
        Peaks(pde.poisson(0.0), ((0.0,) * 5,), 10.0, 24, 1000, 400, 20, 10),
    ),
    _case(
        "peak10d",
        "One peak in 10 dimensions",
        Peaks(pde.poisson(0.0), ((0.0,) * 10,), 10.0, 24, 1000, 400, 20, 10),
    ),
]
