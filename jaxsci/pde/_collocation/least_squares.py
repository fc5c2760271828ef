"""Equations whose solution is a sum of given features: solved, not trained."""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ...core import require_x64, residual
from .relinearisation import minimise, norm_of, warn_of_interpolation
from .rows import (
    Equations,
    Rows,
    count,
    derivatives,
    drawn,
    has_samplers,
    least_met,
    require_finite,
    require_numbers,
    rows_at,
    weighted,
)
from .truncated_svd import truncated_solve
from .variable_projection import Projection

# Points this much better than fresh ones are too few.
_OVERFITTED = 10.0
# An equation of which more is left was outweighed by the others.
_UNMET = 1e-3


class LeastSquares(NamedTuple):
    """What `least_squares` returns.

    - `field`: `u(params, x)`, the trial function, for one point.
    - `params`: the coefficients of the features, `(n,)` or `(outputs, n)`.
    - `features`: those of `field`; of several that were given, the best.
    - `residuals`: root mean square of each equation's residual on fresh points, in its unit.
    - `relative_residual`: of all together, relative to that without features, or at the guess if
        there is none.
    - `rank`: independent features that were used, at most `outputs` times `n`.
    - `steps`: linear systems solved.
    - `linear`: whether the equations are.
    - `converged`: False if `max_steps` ended it.
    """

    field: Callable
    params: Float[Array, "*outputs n"]
    features: Callable
    residuals: dict[str, float]
    relative_residual: float
    rank: int
    steps: int
    linear: bool
    converged: bool


def least_squares(
    op: Callable | Mapping[str, Callable],
    trial: Callable[[Callable], Callable],
    features: Callable | Sequence[Callable],
    points: Any,
    *,
    fresh: Any = None,
    key: PRNGKeyArray | None = None,
    outputs: int | Literal["scalar"] = "scalar",
    weights: Mapping[str, float] | None = None,
    guess: Float[Array, "*outputs n"] | None = None,
    train: int = 0,
    max_steps: int = 20,
    tolerance: float = 1e-6,
) -> LeastSquares:
    """Solve equations for the coefficients of given features by linear least squares.

        min over c of Σ_k w_k mean_i |op_k(u, x_i)|²,   u = trial(f),   f(x) = Σ_j c_j φ_j(x)

    Where the equations are linear in u this is one linear system, and the error is that of the best
    combination of the features: near rounding for smooth solutions, in seconds. Where they are not,
    they are linearised and solved again, with a line search (Gauss-Newton). Singular values are
    kept down to the level at which rounding outweighs them.

    **Arguments:**

    - `op`: an equation `op(u, x)`, or several by name, boundary conditions such as `robin` among
        them.
    - `trial`: makes the trial function of `f(params, x)`, such as
        `lambda f: jsci.pde.dirichlet(f, square)`, or `lambda f: f` if the conditions are equations.
    - `features`: `φ(x) -> (n,)` for one point, such as `random_features` or a function of your own
        that concatenates several; or a list of these, of which the one with the smallest residual
        on fresh points is taken.
    - `points`: `(m, d)` or a sampler such as `sobol(domain, m)`; for several equations a mapping by
        name, or what `joint` returns.
    - `fresh`: other points, as `points`, on which the residual is reported; a sampler draws its own
        with another key. Without any the residual is that at `points`, which is smaller.
    - `key`: of the samplers; `jax.random.key(0)` by default.
    - `outputs`: components of `f`, "scalar" for a number.
    - `weights`: of the equations by name, 1 by default.
    - `guess`: coefficients to begin with; zero by default. Only nonlinear equations depend on it.
    - `train`: steps of training for the arrays that the features hold, by variable projection: the
        coefficients are solved for at every step, and only the features are trained.
    - `max_steps`: linear systems solved at most; 1 refuses equations that are not linear.
    - `tolerance`: of the relative residual; a warning says how many features a larger one may need.

    **Returns:** a `LeastSquares`; `result.field(result.params, x)` is the solution at a point.

    **Raises:** `ValueError` for fewer equations than coefficients, residuals that are complex or
    not finite, names that do not agree, a nonlinear equation with `max_steps=1`, features
    without real arrays to train, or single precision; `TypeError` under jit, vmap or
    grad.

    **Notes:** warns of a residual above the tolerance, of one equation that is left beside larger
    ones, and of points that are too few to say so. The residual says how well the equations hold,
    not how far u is from the solution. Random features resolve no front that is thin against their
    waves: give `breaks` around it, add features that do, train them, or train a network. Training
    features pays for linear equations; from a poor guess of a nonlinear one it ends anywhere.

    **Good values:** three points per feature. For corners and jumps, features that have them, such
    as r^(2/3) sin(2φ/3) at a corner of 270°.

    **Source:** Dwivedi & Srinivasan, "Physics informed extreme learning machine (PIELM)" (2020);
    Chen, Chi, E & Yang, "Bridging traditional and machine learning-based algorithms for solving
    PDEs: the random feature method" (2022).

    ```python
    op = jsci.pde.poisson(lambda x: 2 * jnp.pi**2 * jnp.prod(jnp.sin(jnp.pi * x)))
    features = jsci.pde.random_features(square, 200, key=jax.random.key(0), scale=2.0)
    trial = lambda f: jsci.pde.dirichlet(f, square)
    result = jsci.pde.least_squares(op, trial, features, jsci.pde.sobol(square, 600))
    ```
    """
    require_x64("least_squares()")
    if not isinstance(train, int | np.integer) or train < 0:
        raise ValueError(f"train must be a number of steps, 0 for none, got {train!r}.")
    named = isinstance(op, Mapping)
    equations: Equations = op if isinstance(op, Mapping) else {"equation": op}
    factors = weighted(weights, equations)
    now, later = jax.random.split(jax.random.key(0) if key is None else key)
    training = drawn(points, equations, named, now)
    others = training
    if fresh is not None or has_samplers(points):
        others = drawn(points if fresh is None else fresh, equations, named, later)

    def field_of(phi: Callable) -> Callable:
        return trial(lambda params, x: params @ phi(x))

    def residuals_of(phi: Callable) -> Equations:
        return {name: residual(f, field_of(phi)) for name, f in equations.items()}

    def solved(phi: Callable) -> tuple[LeastSquares, Rows, tuple[str, float]]:
        shape = count(phi, next(iter(training.values()))[0], outputs)
        start = _initial(guess, shape)
        if train:
            phi, start = Projection(residuals_of, phi, start, training, factors).train(train)
        field, residuals = field_of(phi), residuals_of(phi)
        inside, outside = (
            functools.partial(rows_at, derivatives(residuals, start, x), factors, x)
            for x in (training, others)
        )
        found = minimise(inside, start, max_steps)
        before, after = outside(0 * start), outside(found.params)
        require_finite(after)
        if not np.isfinite(before.values).all():
            before = outside(start)
        met = least_met(before, after, found.params)
        return _result(found, field, phi, before, after, factors), found.rows, met

    several = features if isinstance(features, Sequence) else [features]
    if not several:
        raise ValueError("features has none: give a function of one point, or several.")
    result, rows, met = min(map(solved, several), key=lambda three: three[0].relative_residual)
    _judge(result, rows, met, tolerance)
    if others is training:
        warn_of_interpolation(len(rows.values), result.rank, "give more points, or fresh=")
    return result


def _initial(guess: Any, shape: tuple[int, ...]) -> np.ndarray:
    require_numbers(guess, "The guess")
    params = np.zeros(shape) if guess is None else np.array(guess, float)
    if params.shape != shape:
        raise ValueError(f"guess has shape {params.shape}; the coefficients have {shape}.")
    if not np.isfinite(params).all():
        raise ValueError("guess must be finite.")
    return params


def _result(found, field, features, before, after, factors) -> LeastSquares:
    """With the residuals on fresh points, before and after."""
    residuals = {
        name: float(np.linalg.norm(after.of(name)) / np.sqrt(factor))
        for name, factor in factors.items()
    }
    relative = norm_of(after) / (norm_of(before) or 1.0)
    return LeastSquares(
        field,
        jnp.asarray(found.params),
        features,
        residuals,
        relative,
        found.rank,
        found.steps,
        found.linear,
        found.converged,
    )


def _judge(result: LeastSquares, rows: Rows, met: tuple[str, float], tolerance: float) -> None:
    """Warn of a residual above the tolerance, with the likely remedy."""
    if result.relative_residual <= tolerance:
        _judge_each(*met, tolerance)
        return
    fresh = np.sqrt(sum(r**2 for r in result.residuals.values()))
    if not result.converged:
        remedy = f"{result.steps} steps did not converge: allow more, or give a guess"
    elif rows.values.size and fresh > _OVERFITTED * norm_of(rows):
        remedy = f"at the points given it is {fresh / norm_of(rows):.0f} times smaller: give more"
    else:
        remedy = _more_features(result, rows, tolerance)
    warnings.warn(
        f"least_squares() leaves {result.relative_residual:.1e} of the residual without features, "
        f"above the tolerance of {tolerance:.0e}: {remedy}.",
        stacklevel=3,
    )


def _judge_each(name: str, share: float, tolerance: float) -> None:
    """Warn of an equation that the others outweigh, whose residual is small beside theirs alone."""
    if share > max(_UNMET, tolerance):
        warnings.warn(
            f"least_squares() leaves {share:.1e} of the equation {name!r} itself, which the others "
            "outweigh: bring all to one size by weights=, or give more features.",
            stacklevel=4,
        )


def _more_features(result: LeastSquares, rows: Rows, tolerance: float) -> str:
    """How many features the tolerance takes if the residual falls geometrically with them.

    From the residual of the same linear system with every second feature.
    """
    n = result.params.shape[-1]
    values, matrix = rows.values, rows.matrix
    target = matrix @ np.ravel(result.params) - values
    half = matrix.reshape(len(values), -1, n)[..., ::2].reshape(len(values), -1)
    found = truncated_solve(half, target).solution
    of_half = np.linalg.norm(half @ found - target)
    fall = np.log(of_half / norm_of(rows))
    if not fall > np.log(2):
        return "more features of this kind hardly lower it; give others, or train a network"
    missing = np.log(result.relative_residual / tolerance)
    return f"about {int(np.ceil(n * (1 + missing / fall / 2) / 10)) * 10} features may reach it"
