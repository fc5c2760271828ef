"""Evolution equations solved in time slabs, the nonlinear ones by linearisation in each.

The time of a row is that of the whole solution, compilation included. Peers train their networks.
"""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.cases.pde import _exact_problems as problems
from benchmarks.cases.pde._problems import grid, lines, odd_waves, trained_by_peers
from benchmarks.runner.case import Case, Run
from jaxsci import derivative, pde

_HALF = pde.Interval(0.0, 1.0)


class Marched(NamedTuple):
    """An evolution equation, how it is solved, and its solution at some points."""

    op: Callable
    trial: Callable
    space: Any
    sizes: Sequence[int]
    times: np.ndarray
    points: jax.Array
    expected: jax.Array
    periodic: bool = False
    breaks: Sequence[float] | None = None  # between pieces of the space
    along: Callable = lambda x: x  # the coordinate of space in which the features are polynomials
    order: Literal[1, 2] = 1
    odd: bool = False  # waves that are odd about both ends of the space


def burgers():
    """Pieces and slabs are short where and when the front forms, at x = 0 from t = 1/π on."""
    p = problems.burgers()

    def trial(f):
        return pde.hard(
            f, lift=lambda x: -jnp.sin(jnp.pi * x[0]), factor=lambda x: 4 * x[0] * (1 - x[0])
        )

    times = _graded_times((0.0, 0.25, 3), (0.25, 0.5, 7), (0.5, 1.0, 5))
    breaks = (0.01, 0.035, 0.1, 0.25, 0.6)
    return Marched(
        p.op, trial, _HALF, (14, 8), times, p.points, jax.vmap(p.exact)(p.points), breaks=breaks
    )


def allen_cahn():
    """On the half, in x², as the solution is even; a layer forms at x = 0.5."""
    p = problems.allen_cahn()

    def trial(f):
        lift = lambda x: x[0] ** 2 * jnp.cos(jnp.pi * x[0])  # noqa: E731
        return pde.hard(f, lift=lift, factor=lambda x: 1 - x[0] ** 2)

    return Marched(
        p.op,
        trial,
        _HALF,
        (14, 8),
        _graded_times((0.0, 0.01, 2), (0.01, 0.1, 2), (0.1, 0.8, 4), (0.8, 1.0, 4)),
        p.points,
        p.exact,
        breaks=(0.06, 0.15, 0.3, 0.42, 0.5, 0.58, 0.75, 0.93),
        along=lambda x: x**2,
    )


def kuramoto_sivashinsky(end=0.2):
    """To t = 0.2, as in `pde.accuracy-kuramoto_sivashinsky`. The solution is odd about π/2."""
    p = problems.kuramoto_sivashinsky(end)

    def trial(f):
        lift = lambda x: jnp.cos(x[0]) * (1 + jnp.sin(x[0]))  # noqa: E731
        return pde.hard(f, lift=lift, factor=lambda x: 1.0)

    half = pde.Interval(np.pi / 2, 3 * np.pi / 2)
    times = np.linspace(0.0, end, round(100 * end) + 1)
    return Marched(p.op, trial, half, (88, 5), times, p.points, p.exact, odd=True)


def kuramoto_sivashinsky_long():
    """The same to t = 0.5, where it has been chaotic for a while."""
    return kuramoto_sivashinsky(0.5)


def korteweg_de_vries():
    """u_t + u u_x + 0.022² u_xxx = 0 from cos πx, to t = 1: solitons overtake each other."""
    dispersion, n, times = 0.022**2, 512, np.linspace(0.0, 1.0, 33)
    x = -1 + 2 / n * jnp.arange(n)
    u, points, values = jnp.cos(jnp.pi * x), [], []
    for end in times[8::8]:
        u = pde.reference.etdrk4(
            lambda k: 1j * dispersion * k**3,
            lambda u, d: -u * d(u),
            u,
            length=2.0,
            time=0.25,
            steps=4000,
        )
        points.append(jnp.stack([x, jnp.full(n, end)], axis=-1))
        values.append(u)

    def op(u, x):
        slope = derivative(u, 0)
        third = derivative(derivative(slope, 0), 0)
        return derivative(u, 1)(x) + u(x) * slope(x) + dispersion * third(x)

    def trial(f):
        return pde.hard(f, lift=lambda x: jnp.cos(jnp.pi * x[0]), factor=lambda x: 1.0)

    period = pde.Interval(-1.0, 1.0)
    points, values = jnp.concatenate(points), jnp.concatenate(values)
    return Marched(op, trial, period, (201, 5), times, points, values, periodic=True)


def wave():
    """u_tt = 4 u_xx from sin πx + sin(4πx)/2 at rest, to t = 1."""

    def mode(x, k):
        return jnp.sin(k * jnp.pi * x[0]) * jnp.cos(2 * k * jnp.pi * x[1])

    def exact(x):
        return mode(x, 1) + mode(x, 4) / 2

    def trial(f):
        start = lambda x: exact(x.at[1].set(0.0))  # noqa: E731
        return pde.hard(f, lift=start, factor=lambda x: 4 * x[0] * (1 - x[0]))

    points, times = grid(_HALF.during(0.0, 1.0), 101), np.linspace(0.0, 1.0, 5)
    expected = jax.vmap(exact)(points)
    return Marched(pde.wave(2.0), trial, _HALF, (32, 14), times, points, expected, order=2)


def _graded_times(*pieces: tuple[float, float, int]) -> np.ndarray:
    """The bounds of some equal slabs in each of several intervals."""
    inner = [np.linspace(low, high, n + 1)[1:] for low, high, n in pieces]
    return np.concatenate([[pieces[0][0]], *inner])


def _discretised(p: Marched, sizes: Sequence[int]) -> tuple[Callable, Any]:
    """Features and points over a slab."""
    if p.odd or p.periodic:
        slab, points = p.space.during(0.0, 1.0), lines(p.space, int(1.3 * sizes[0]), sizes[1])
        whole = functools.partial(pde.polynomial_features, slab, periodic=(True, False))
        return (odd_waves(p.space, *sizes) if p.odd else whole(sizes)), points
    breaks = None if p.breaks is None else [p.breaks, 1]
    along = breaks and [[p.along(b) for b in breaks[0]], 1]
    lower, upper = (p.along(float(bound[0])) for bound in p.space.bounds)
    features = pde.polynomial_features(
        pde.Interval(lower, upper).during(0.0, 1.0), sizes, breaks=along
    )
    (count,) = jax.eval_shape(features, jnp.zeros(2)).shape
    return features, pde.graded(p.space.during(0.0, 1.0), 2 * count, breaks)


def _make(problem: Callable[[], Marched]):
    def make(size):
        p = problem()
        sizes, times = (p.sizes, p.times) if size == "full" else ((9, 5), p.times[:2])
        seconds = []

        def trial(f):
            return p.trial(lambda params, x: f(params, x.at[0].set(p.along(x[0]))))

        def step():
            start, begin = time.process_time(), time.perf_counter()
            features, points = _discretised(p, sizes)
            result = pde.march(
                p.op, trial, features, points, times, order=p.order, tolerance=np.inf
            )
            inside = np.asarray(p.points[:, 1]) <= times[-1]
            found = jax.jit(jax.vmap(result.field, (None, 0)))(result.params, p.points[inside])
            found.block_until_ready()
            seconds.append(time.process_time() - start)
            wall = time.perf_counter() - begin
            gap = found - p.expected[inside]
            error = float(jnp.linalg.norm(gap) / jnp.linalg.norm(p.expected[inside]))
            return error, [(wall, error)]

        return Run(
            step,
            (),
            error=float,
            host=True,
            note=f"{'x'.join(map(str, sizes))} functions in {len(p.breaks or ()) + 1} pieces, "
            f"{len(times) - 1} slabs; float64",
            figures=lambda _: {"CPU-s": f"{seconds[-1]:.1f}"},
        )

    return make


def pendulum(size):
    """θ'' = -sin θ from 2 at rest to t = 50, seven periods: points are times alone."""
    end, slabs = (50.0, 50) if size == "full" else (2.0, 2)
    slab, times, seconds = pde.Interval(0.0, 1.0), np.linspace(0.0, end, slabs + 1), []
    swing = solve_ivp(
        lambda _, y: [y[1], -np.sin(y[0])], (0, end), [2.0, 0.0], "DOP853", rtol=1e-13,
        atol=1e-13, t_eval=np.linspace(0.0, end, 1001),
    )  # fmt: skip

    def op(u, x):
        return derivative(u, 0, 0)(x) + jnp.sin(u(x))

    def step():
        start = time.process_time()
        result = pde.march(
            op,
            lambda f: lambda params, x: 2.0 + f(params, x),
            pde.polynomial_features(slab, [12]),
            pde.graded(slab, 30),
            times,
            order=2,
            tolerance=np.inf,
        )
        at = jnp.asarray(swing.t[:, None])
        found = jax.vmap(lambda x: result.field(result.params, x))(at)
        seconds.append(time.process_time() - start)
        return float(np.linalg.norm(found - swing.y[0]) / np.linalg.norm(swing.y[0]))

    return Run(
        step,
        (),
        error=float,
        host=True,
        note=f"12 polynomials, {slabs} slabs; float64",
        figures=lambda _: {"CPU-s": f"{seconds[-1]:.1f}"},
    )


def _case(problem, title, tolerance, peers=()):
    return Case(
        f"pde.marched-{problem.__name__}",
        "pde",
        f"{title}, in slabs",
        pendulum if problem is pendulum else _make(problem),
        "full",
        reference="analytic",
        tolerance=tolerance,
        error_name="relative L2",
        peers=peers,
    )


CASES = [
    _case(burgers, "Burgers at 0.01/π", 1e-7, trained_by_peers(problems.burgers, 3000)),
    _case(allen_cahn, "Allen-Cahn", 1e-7, trained_by_peers(problems.allen_cahn, 1200)),
    _case(kuramoto_sivashinsky, "Kuramoto-Sivashinsky to 0.2", 1e-5),
    _case(kuramoto_sivashinsky_long, "Kuramoto-Sivashinsky to 0.5", 1e-4),
    _case(pendulum, "Pendulum to 50", 1e-5),
    _case(korteweg_de_vries, "Korteweg-de Vries to 1", 1e-6),
    _case(wave, "Wave of two modes", 1e-6),
]
