"""What a problem of PINNacle is here: a solution, and what it is compared with."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases.pde._problems import walls
from benchmarks.runner.case import Case, Run
from jaxsci import pde

BAR = 1e-3


class Posed(NamedTuple):
    """A problem that is solved: `u(x)` at one point, and values that are not its own.

    `largest` takes the largest deviation instead of the root mean square.
    """

    u: Callable
    points: Any
    expected: Any
    largest: bool = False

    def error(self) -> float:
        """Relative to the expected values; infinite where a march did not get to all times."""
        found = np.asarray(jax.jit(jax.vmap(self.u))(jnp.asarray(self.points)))
        expected = np.asarray(self.expected)
        norm = (lambda a: np.abs(a).max()) if self.largest else np.linalg.norm
        if not np.isfinite(found).all():
            return float("inf")
        return float(norm(found - expected) / norm(expected))


class Bound(NamedTuple):
    """A problem whose error is at most this, relative to the largest value."""

    value: float

    def error(self) -> float:
        """The bound."""
        return self.value


def solved(result: Any) -> Callable:
    """The solution that `least_squares` or `march` found, at one point."""
    return lambda x: result.field(result.params, x)


def of_exact(result: Any, exact: Callable, points: Any) -> Posed:
    """Compared with a solution in closed form."""
    return Posed(solved(result), points, jax.vmap(exact)(jnp.asarray(points)))


def inside(domain: Any, n: int, seed: int = 9) -> jax.Array:
    """Points on which an error is taken."""
    return pde.sobol(domain, n)(jax.random.key(seed))


def rims(circles: Sequence[tuple], n: int) -> Callable:
    """n points on each of several circles or spheres (centre, radius)."""
    pieces = [pde.Ball(tuple(c), r).boundary["sphere"] for c, r in circles]

    def sample(key):
        keys = jax.random.split(key, len(pieces))
        return jnp.concatenate(
            [pde.uniform(piece, n)(k) for piece, k in zip(pieces, keys, strict=True)]
        )

    return sample


def over_time(sample: Callable, start: float, end: float) -> Callable:
    """Points of space with a time each."""

    def draw(key):
        x = sample(key)
        t = jax.random.uniform(jax.random.fold_in(key, 1), (len(x), 1), minval=start, maxval=end)
        return jnp.concatenate([x, t], axis=1)

    return draw


def without(box: pde.Box, circles: Sequence[tuple]) -> Any:
    """A box with round holes."""
    domain = box
    for centre, radius in circles:
        domain = domain - pde.Ball(tuple(centre), radius)
    return domain


def sides(box: pde.Box, n: int) -> Callable:
    """n points on the walls of a box."""
    return walls(box, n)


def case(
    problem: Callable[[bool], Posed | Bound],
    title: str,
    reference: str,
    *,
    until: str = "",
    tolerance: float = BAR,
    published: bool = True,
) -> Case:
    """The case of a problem; `until` is the time to which two CPU-minutes get.

    One that is not of PINNacle itself, but beside one that is, is not `published`.
    """

    def make(size):
        full, seconds = size == "full", []

        def step():
            start = time.process_time()
            posed = problem(full)
            seconds.append(time.process_time() - start)
            return posed

        return Run(
            step,
            (),
            error=lambda posed: posed.error(),
            host=True,
            note=f"not reached: only to {until}; float64" if until else "float64",
            figures=lambda _: {"CPU-s, reference included": f"{seconds[-1]:.1f}"},
        )

    return Case(
        f"pde.{'pinnacle' if published else 'solved'}-{problem.__name__}",
        "pde",
        f"PINNacle: {title}" if published else title,
        make,
        "full",
        reference=reference,
        tolerance=tolerance,
        error_name="relative error",
    )
