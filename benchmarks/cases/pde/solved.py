"""Linear equations solved for the coefficients of random features, instead of trained.

The same problems as in `accuracy`, three seeds of features each; peers train their networks. The
time of a row is that of all three, the first of which compiles. Eigenvalues by `eigenpairs` follow;
the wells are those of `forward`.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.pde._exact_problems import (
    SEEDS,
    Problem,
    enriched_corner,
    helmholtz,
    in_log_polar,
    log_polar,
    many_scales,
    poisson1d,
    poisson2d,
    poisson3d,
    stretched_corner,
)
from benchmarks.cases.pde._problems import trained_by_peers, walls
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
            start, begin = time.process_time(), time.perf_counter()
            of_features, of_points = jax.random.split(jax.random.key(seed))
            features = [
                pde.random_features(p.domain, count, key=of_features, scale=scale)
                for scale in scales
            ]
            result = pde.least_squares(
                p.op, p.trial, features, sample, key=of_points, outputs=outputs, tolerance=np.inf
            )
            found = jax.vmap(lambda x: result.field(result.params, x))(p.points)
            found.block_until_ready()
            seconds.append(time.process_time() - start)
            error = float(jnp.linalg.norm(found - expected) / jnp.linalg.norm(expected))
            return time.perf_counter() - begin, error

        def step():
            points = [one(seed) for seed in range(SEEDS)]
            curves = {f"seed {seed}": [point] for seed, point in enumerate(points)}
            return [error for _, error in points], curves

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


def _case(problem, name, title, tolerance, *settings, peers=()):
    return Case(
        f"pde.solved-{name}",
        "pde",
        f"{title}, solved",
        _make(problem, *settings),
        "full",
        reference="analytic",
        tolerance=tolerance,
        error_name="relative L2",
        peers=peers,
    )


_LINE, _UNIT = pde.Interval(-1.0, 1.0), pde.Interval(0.0, 1.0)
_SQUARE = pde.Box((0.0, 0.0), (1.0, 1.0))


class _Eigenproblem(NamedTuple):
    op: Callable
    domain: pde.Box
    features: Callable
    points: int
    exact: Sequence[float]


def _kinked(domain: pde.Box, degree: int, places: Sequence[float]) -> Callable:
    """Polynomials, and for each place those times max(x - a, 0)²: all with continuous slopes."""
    smooth = pde.polynomial_features(domain, [degree])

    def features(x):
        factors = jnp.stack([jnp.ones(())] + [jnp.maximum(x[0] - a, 0) ** 2 for a in places])
        return (factors[:, None] * smooth(x)).ravel()

    return features


def _well(edges: Sequence[float], values: Sequence[float]) -> Callable[[], _Eigenproblem]:
    def problem():
        op = pde.schroedinger(lambda x: jnp.where(jnp.abs(x[0]) < edges[2], values[1], values[0]))
        exact = pde.reference.well_energies(edges, values, states=3)
        return _Eigenproblem(
            op, _LINE, _kinked(_LINE, 20, edges[1:-1]), 240, np.asarray(exact).tolist()
        )

    return problem


def _convection() -> _Eigenproblem:
    exact = ((np.pi * np.arange(1, 7)) ** 2 + 25).tolist()
    features = pde.polynomial_features(_UNIT, [40])
    op = lambda u, x: -jsci.laplacian(u)(x) + 10 * jsci.grad(u)(x)[0]  # noqa: E731
    return _Eigenproblem(op, _UNIT, features, 120, exact)


def _square() -> _Eigenproblem:
    exact = (np.pi**2 * np.array([2, 5, 5, 8, 10, 10])).tolist()
    features = pde.polynomial_features(_SQUARE, [16, 16])
    return _Eigenproblem(lambda u, x: -jsci.laplacian(u)(x), _SQUARE, features, 640, exact)


def _polynomial_make(problem, sizes, features_of, points_of):
    """Of one set of features: `features_of(problem, sizes)` and `points_of(problem, sizes)`."""

    def make(size):
        p, seconds = problem(), []
        own = sizes if size == "full" else (6, 6)
        features, points = features_of(p, own), points_of(p, own)
        expected = jax.vmap(p.exact)(p.points)

        def step():
            start = time.process_time()
            result = pde.least_squares(p.op, p.trial, features, points, tolerance=np.inf)
            found = jax.vmap(lambda x: result.field(result.params, x))(p.points)
            seconds.append(time.process_time() - start)
            return float(jnp.linalg.norm(found - expected) / jnp.linalg.norm(expected))

        return Run(
            step,
            (),
            error=float,
            host=True,
            note=f"{np.prod(own)} polynomials; float64",
            figures=lambda _: {"CPU-s": f"{seconds[-1]:.1f}"},
        )

    return make


def _polynomial_case(problem, title, tolerance, *how):
    return Case(
        f"pde.solved-{problem.__name__}",
        "pde",
        f"{title}, solved",
        _polynomial_make(problem, *how),
        "full",
        reference="analytic",
        tolerance=tolerance,
        error_name="relative L2",
    )


def _in_log_polar(_, sizes):
    smooth = pde.polynomial_features(_SQUARE, sizes)
    return lambda x: smooth(log_polar(x))


def _sum_make(dim: int, degree: int):
    """Poisson in many dimensions, whose solution is a sum of functions of one coordinate each as
    its source and its values are: the features are polynomials of one coordinate."""
    box = pde.Box((0.0,) * dim, (1.0,) * dim)

    def exact(x):
        return jnp.sum(jnp.sin(jnp.pi / 2 * x))

    def make(size):
        own = pde.polynomial_features(_UNIT, [degree if size == "full" else 4])
        # 1 belongs to all coordinates, and is there once.
        features = lambda x: jnp.append(jax.vmap(own)(x[:, None])[:, 1:].ravel(), 1.0)  # noqa: E731
        count, seconds = dim * (degree - 1) + 1, []
        op = {
            "pde": pde.poisson(lambda x: jnp.pi**2 / 4 * exact(x)),
            "walls": lambda u, x: u(x) - exact(x),
        }
        points = {"pde": pde.uniform(box, count), "walls": walls(box, count)}
        far = pde.uniform(box, 4000)(jax.random.key(9))

        def step():
            start = time.process_time()
            result = pde.least_squares(op, lambda f: f, features, points, tolerance=np.inf)
            seconds.append(time.process_time() - start)
            return result

        def error(result):
            found = jax.vmap(lambda x: result.field(result.params, x) - exact(x))(far)
            return float(jnp.linalg.norm(found) / jnp.linalg.norm(jax.vmap(exact)(far)))

        return Run(
            step,
            (),
            error=error,
            host=True,
            note=f"{count} polynomials of one coordinate each, {count} points and as many on the "
            "walls; float64",
            figures=lambda result: {
                "relative residual": f"{result.relative_residual:.1e}",
                "CPU-s": f"{seconds[-1]:.1f}",
            },
        )

    return make


def _sum_case(dim: int, degree: int, tolerance: float) -> Case:
    return Case(
        f"pde.solved-poisson{dim}d",
        "pde",
        f"Poisson in {dim} dimensions, solved",
        _sum_make(dim, degree),
        "full",
        reference="analytic",
        tolerance=tolerance,
        error_name="relative L2",
    )


def _eigen_make(problem: Callable[[], _Eigenproblem]):
    def make(size):
        p = problem()
        exact, seconds = np.array(p.exact), []

        def step():
            start = time.process_time()
            found = pde.eigenpairs(
                p.op,
                lambda f: pde.dirichlet(f, p.domain),
                p.features,
                pde.sobol(p.domain, p.points),
                key=jax.random.key(0),
                states=len(exact),
            )
            seconds.append(time.process_time() - start)
            return found

        def error(found):
            if len(found.values) < len(exact):
                return float("inf")
            return float(np.abs(np.asarray(found.values) / exact - 1).max())

        return Run(
            step,
            (),
            error=error,
            host=True,
            note=f"{len(exact)} states, polynomials, {p.points} Sobol points; float64",
            figures=lambda found: {
                "residuals": ", ".join(f"{r:.1e}" for r in found.residuals),
                "CPU-s, first and another": f"{seconds[0]:.1f}, {seconds[-1]:.1f}",
            },
        )

    return make


def _eigen_case(
    name: str, title: str, problem: Callable[[], _Eigenproblem], reference: str
) -> Case:
    return Case(
        f"pde.eigenpairs-{name}",
        "pde",
        f"{title}, solved",
        _eigen_make(problem),
        "full",
        reference=reference,
        tolerance=1e-8,
        error_name="relative eigenvalue",
    )


CASES = [
    _case(
        poisson1d,
        "poisson1d",
        "Poisson on a line",
        1e-12,
        60,
        200,
        (4.0,),
        peers=trained_by_peers(poisson1d, 200),
    ),
    _case(
        poisson2d,
        "poisson2d",
        "Poisson on the square",
        1e-11,
        300,
        900,
        (4.0,),
        peers=trained_by_peers(poisson2d, 600),
    ),
    _case(poisson3d, "poisson3d", "Poisson on the cube", 1e-6, 1000, 3000, (2.0,)),
    _case(
        helmholtz,
        "helmholtz",
        "Helmholtz (1, 4)",
        1e-8,
        700,
        2100,
        (8.0,),
        peers=trained_by_peers(helmholtz, 900),
    ),
    _sum_case(10, 10, 1e-8),
    _sum_case(100, 8, 1e-4),
    _case(enriched_corner, "corner", "Corner of an L, enriched", 1e-9, 300, 1800, (3.0,)),
    _polynomial_case(
        stretched_corner,
        "Corner of an L in log r and the angle",
        1e-4,
        (26, 26),
        _in_log_polar,
        lambda _, sizes: in_log_polar(int(1.5 * sizes[0])),
    ),
    _polynomial_case(
        many_scales,
        "Poisson of scales 1 to 16, ratio 10⁴",
        1e-4,
        (40, 40),
        lambda p, sizes: pde.polynomial_features(p.domain, sizes),
        lambda p, sizes: pde.graded(p.domain, 2 * int(np.prod(sizes))),
    ),
    _eigen_case(
        "finite_well",
        "Finite quantum well",
        _well((-1.0, -0.5, 0.5, 1.0), (20.0, 0.0, 20.0)),
        "transcendental roots",
    ),
    _eigen_case(
        "barrier",
        "Quantum barrier",
        _well((-1.0, -0.25, 0.25, 1.0), (0.0, 20.0, 0.0)),
        "transcendental roots",
    ),
    _eigen_case("convection", "-u'' + 10 u' on a line", _convection, "analytic"),
    _eigen_case("square", "-Δ on the square", _square, "analytic"),
]
