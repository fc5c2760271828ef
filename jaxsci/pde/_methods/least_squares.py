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
from .collocation import (
    Equations,
    Rows,
    count,
    drawn,
    has_samplers,
    require_finite,
    rows_at,
    weighted,
)
from .truncated_svd import truncated_solve

# A whole step that leaves more than this share of the residual is the last one.
_STAGNATION = 0.9
_SHORTEST_STEP = 1e-4
# Points this much better than fresh ones are too few.
_OVERFITTED = 10.0


class LeastSquares(NamedTuple):
    """What `least_squares` returns.

    - `field`: `u(params, x)`, the trial function, for one point.
    - `params`: the coefficients of the features, `(n,)` or `(outputs, n)`.
    - `features`: those of `field`; of several that were given, the best.
    - `residuals`: root mean square of each equation's residual on fresh points, in its unit.
    - `relative_residual`: of all together, relative to that without features.
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
    - `max_steps`: linear systems solved at most; 1 refuses equations that are not linear.
    - `tolerance`: of the relative residual; a warning says how many features a larger one may need.

    **Returns:** a `LeastSquares`; `result.field(result.params, x)` is the solution at a point.

    **Raises:** `ValueError` for fewer equations than coefficients, residuals that are complex or
    not finite, names that do not agree, or a nonlinear equation with `max_steps=1`; `RuntimeError`
    in single precision.

    **Notes:** the residual says how well the equations hold, not how far u is from the solution.
    Random features resolve no front that is thin against their waves: add features that do, or
    train a network.

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
    named = isinstance(op, Mapping)
    equations: Equations = op if isinstance(op, Mapping) else {"equation": op}
    factors = weighted(weights, equations)
    now, later = jax.random.split(jax.random.key(0) if key is None else key)
    training = drawn(points, equations, named, now)
    others = training
    if fresh is not None or has_samplers(points):
        others = drawn(points if fresh is None else fresh, equations, named, later)

    def solved(phi: Callable) -> tuple[LeastSquares, Rows]:
        shape = count(phi, next(iter(training.values()))[0], outputs)
        field = trial(lambda params, x: params @ phi(x))
        residuals = {name: residual(f, field) for name, f in equations.items()}
        at = functools.partial(rows_at, residuals, factors)
        found = _minimise(lambda params: at(params, training), _initial(guess, shape), max_steps)
        before, after = at(np.zeros(shape), others), at(found.params, others)
        return _result(found, field, phi, before, after, factors), found.rows

    several = features if isinstance(features, Sequence) else [features]
    result, rows = min(map(solved, several), key=lambda pair: pair[0].relative_residual)
    _judge(result, rows, tolerance)
    return result


class _Minimum(NamedTuple):
    """Coefficients at which the residual is smallest, and the rows there."""

    params: Float[np.ndarray, "*outputs n"]
    rows: Rows
    rank: int
    steps: int
    linear: bool
    converged: bool


def _minimise(at: Callable[..., Rows], params: np.ndarray, max_steps: int) -> _Minimum:
    """Gauss-Newton with halved steps; linear equations are solved twice, to refine."""
    rows = at(params)
    require_finite(rows)
    _require_enough(rows, params)
    linear, rank = True, 0
    for steps in range(1, max_steps + 1):
        # The second time a linear system is solved for what rounding left of the first. Others are
        # solved for all coefficients, which stay small then.
        base = params if linear and steps == 2 else np.zeros(params.shape)
        target = rows.matrix @ (params - base).ravel() - rows.values
        found, rank = truncated_solve(rows.matrix, target)
        step = base + found.reshape(params.shape) - params
        whole = at(params + step)
        if steps == 1:
            linear = _is_linear(rows, step, whole)
            _require_steps(linear, max_steps)
        share, new = _shortened(at, params, step, rows, whole)
        stagnant = share == 1 and _norm(new) > _STAGNATION * _norm(rows)
        params, rows = params + share * step, new
        exact = _norm(rows) < 10 * _rounding(rows, params)
        if share == 0 or stagnant or (linear and steps == 2) or (exact and not linear):
            return _Minimum(params, rows, rank, steps, linear, True)
    return _Minimum(params, rows, rank, max_steps, linear, linear)


def _shortened(at, params, step, rows, whole) -> tuple[float, Rows]:
    """The first of 1, 1/2, 1/4, ... of a step that lowers the residual, and the rows there."""
    share, new = 1.0, whole
    while not _norm(new) < _norm(rows):  # NaN is no lower
        share /= 2
        if share < _SHORTEST_STEP:
            return 0.0, rows
        new = at(params + share * step)
    return share, new


def _is_linear(rows: Rows, step: np.ndarray, whole: Rows) -> bool:
    """Whether a step did what its linear system says, to the rounding of its sums."""
    change = rows.matrix @ step.ravel()
    gap = np.linalg.norm(whole.values - rows.values - change)
    return bool(gap <= 1e-8 * np.linalg.norm(change) + 100 * _rounding(rows, step))


def _rounding(rows: Rows, params: np.ndarray) -> float:
    """The rounding of the sums over features."""
    sizes = np.abs(rows.matrix) @ np.abs(params.ravel())
    return float(np.finfo(sizes.dtype).eps * np.linalg.norm(sizes))


def _require_steps(linear: bool, max_steps: int) -> None:
    if not linear and max_steps == 1:
        raise ValueError(
            "The equations are not linear in u, and max_steps=1 solves them as if they were: allow "
            "max_steps=20."
        )


def _require_enough(rows: Rows, params: np.ndarray) -> None:
    if len(rows.values) < params.size:
        raise ValueError(
            f"least_squares() has {len(rows.values)} equations for {params.size} coefficients, "
            "which can fulfil each and be wrong between the points: give about "
            f"{3 * params.size}."
        )


def _initial(guess: Any, shape: tuple[int, ...]) -> np.ndarray:
    params = np.zeros(shape) if guess is None else np.array(guess, float)
    if params.shape != shape:
        raise ValueError(f"guess has shape {params.shape}; the coefficients have {shape}.")
    return params


def _norm(rows: Rows) -> float:
    return float(np.linalg.norm(rows.values))


def _result(found, field, features, before, after, factors) -> LeastSquares:
    """With the residuals on fresh points, before and after."""
    residuals = {
        name: float(np.linalg.norm(after.of(name)) / np.sqrt(factor))
        for name, factor in factors.items()
    }
    relative = _norm(after) / (_norm(before) or 1.0)
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


def _judge(result: LeastSquares, rows: Rows, tolerance: float) -> None:
    """Warn of a residual above the tolerance, with the likely remedy."""
    if result.relative_residual <= tolerance:
        return
    fresh = np.sqrt(sum(r**2 for r in result.residuals.values()))
    if not result.converged:
        remedy = f"{result.steps} steps did not converge: allow more, or give a guess"
    elif rows.values.size and fresh > _OVERFITTED * _norm(rows):
        remedy = f"at the points given it is {fresh / _norm(rows):.0f} times smaller: give more"
    else:
        remedy = _more_features(result, rows, tolerance)
    warnings.warn(
        f"least_squares() leaves {result.relative_residual:.1e} of the residual without features, "
        f"above the tolerance of {tolerance:.0e}: {remedy}.",
        stacklevel=3,
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
    fall = np.log(of_half / _norm(rows))
    if not fall > np.log(2):
        return "more features of this kind hardly lower it; give others, or train a network"
    missing = np.log(result.relative_residual / tolerance)
    return f"about {int(np.ceil(n * (1 + missing / fall / 2) / 10)) * 10} features may reach it"
