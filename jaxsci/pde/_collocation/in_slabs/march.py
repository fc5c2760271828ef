"""Evolution equations in time slabs, each solved for the coefficients of the same features."""

import functools
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ....core import require_x64
from ..._equations.time_order import orders_in_time, require_order, time_responses
from ..relinearisation import Minimum, minimise, require_solvable, warn_of_interpolation
from ..rows import Equations, count, drawn, has_samplers, require_numbers, weighted
from ..truncated_svd import ReusedFactors
from .local_equations import points_at
from .second_resolution import differences, doubled
from .slab_equations import SlabEquations
from .slab_file import Slab, SlabFile
from .slabs import Orders, State, initial_state, next_state, slab_function


class March(NamedTuple):
    """What `march` returns.

    - `field`: `u(params, x)` for one point (x, t) of any slab; NaN at other times.
    - `params`: coefficients and state of each slab, stacked.
    - `times`: the bounds of the slabs that were solved.
    - `residuals`: the relative residual of each slab on fresh points.
    - `completed`: whether all slabs that were asked for are there.
    - `errors`: the relative L2 distance of each slab from a second march with `finer` features, of
        the component where it is largest (norms count as at least 1e-3 of the largest of all
        slabs and components); `None` without them.
    """

    field: Callable
    params: PyTree
    times: Float[np.ndarray, " bounds"]
    residuals: Float[np.ndarray, " slabs"]
    completed: bool
    errors: Float[np.ndarray, " slabs"] | None = None


def march(
    op: Callable | Mapping[str, Callable],
    trial: Callable[[Callable], Callable],
    features: Callable,
    points: Any,
    times: Sequence[float] | Float[np.ndarray, " bounds"],
    *,
    order: Literal[1, 2] = 1,
    key: PRNGKeyArray | None = None,
    outputs: int | Literal["scalar"] = "scalar",
    weights: Mapping[str, float] | None = None,
    max_steps: int = 20,
    tolerance: float = 1e-3,
    finer: Callable | None = None,
    callback: Callable[[int, float], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> March:
    """Solve an evolution equation slab by slab in time, by `least_squares` in each.

        u = trial(F),   F(x, t) = F(x, t_k) + (t - t_k) Σ_j c_kj φ_j(x, (t - t_k) / h_k)

    Where a solution needs thousands of features over all times, a few hundred do over a short one.
    The state at the end of a slab is handed over exactly, as a sum of coefficients, and so is its
    slope in time for equations of second order. All slabs of equal shapes are one program. Of a
    system each component is handed over by the order of its own highest derivative in time. One
    that has none, such as a pressure, is no state: each slab solves for it anew, without the factor
    t - t_k, whatever `trial` has at the initial time.

    **Arguments:**

    - `op`: an equation `op(u, x)` with the time last in `x`, or several by name.
    - `trial`: makes the trial function of `F(params, x)`; where F is zero it must have the initial
        values, such as `lambda f: jsci.pde.hard(f, lift=initial, factor=wall)` with a `wall` that
        is zero at the sides of the space alone.
    - `features`: `φ(x, τ) -> (n,)` for one point whose last coordinate is the share τ of a slab,
        from 0 to 1, such as `random_features(space.during(0.0, 1.0), n, key=key)`.
    - `points`: points whose last coordinate is τ, or a sampler of them such as
        `sobol(space.during(0.0, 1.0), m)`; for several equations a mapping by name.
    - `times`: the bounds of the slabs, ascending, from the initial time to the final one. Put them
        close where the solution changes quickly.
    - `order`: of the equation in time, the highest of several; with 2 the initial slope is that of
        `trial` at F = 0.
    - `key`: of the samplers; `jax.random.key(0)` by default.
    - `outputs`: components of F, "scalar" for a number.
    - `weights`: of the equations by name, 1 by default.
    - `max_steps`: linear systems per slab at most.
    - `tolerance`: a slab whose relative residual on fresh points is larger ends the march, and the
        slabs before it are returned.
    - `finer`: more features, for a second march whose distance from this one estimates the error of
        each slab, with what the slabs before it have handed on. Samplers give it twice as many
        points. It costs as much as a march with these features.
    - `callback`: called after each slab as `callback(slab, relative_residual)`, for progress.
    - `checkpoint`: a file, rewritten atomically after each slab. If it exists, its slabs are taken
        from it, and `times` may go on from them.

    **Returns:** a `March`; `result.field(result.params, x)` is the solution at a point (x, t).

    **Raises:** as `least_squares`; `ValueError` if times do not ascend, no slab could be solved,
    the equations are not of this order in time, the points do not fill a slab, or the checkpoint
    is that of another march or of a larger tolerance.

    **Notes:** warns if it ends early. Errors of a slab are carried on by the equation. The relative
    residual is that of the equation, relative to that at F = F(x, t_k), a state that stands still.
    It is no error of u: `finer` estimates that, if the finer march is much closer to the solution.

    **Good values:** 200 to 500 features and slabs over which the solution changes by its own size.
    `finer` with half as many again, random ones with another key. For waves points at equal
    distances, 1.3 for each: what they leave out then spoils what they hold least.
    For fronts `polynomial_features` with `breaks` at the front, points from `graded`, and shorter
    slabs while it forms.

    **Source:** Chen, Chi, E & Yang, "Bridging traditional and machine learning-based algorithms for
    solving PDEs: the random feature method" (2022) for features over slabs.

    ```python
    line = jsci.pde.Interval(0.0, 1.0)
    slab = line.during(0.0, 1.0)
    features = jsci.pde.random_features(slab, 60, key=jax.random.key(0), scale=3.0)
    rest = lambda x: jnp.sin(jnp.pi * x[0])
    trial = lambda f: jsci.pde.hard(f, lift=rest, factor=lambda x: x[0] * (1 - x[0]))
    op = jsci.pde.heat(0.1)
    result = jsci.pde.march(op, trial, features, jsci.pde.sobol(slab, 200), [0.0, 0.5, 1.0])
    ```
    """
    require_x64("march()")
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order!r}.")
    bounds = _bounds(times)
    named = isinstance(op, Mapping)
    equations: Equations = op if isinstance(op, Mapping) else {"equation": op}
    factors = weighted(weights, equations)
    now, later = jax.random.split(jax.random.key(0) if key is None else key)

    def posed(features: Callable, points: Any, bounds: np.ndarray) -> _Posed:
        return _pose(
            equations, trial, features, order, outputs, factors, bounds,
            *(drawn(points, equations, named, k) for k in (now, later)),
        )  # fmt: skip

    first = posed(features, points, bounds)
    second = None if finer is None else posed(finer, doubled(points), bounds)
    if second is not None:
        require_solvable(second.training.at(second.state)[0](second.start))
    found, solved, residuals = _solve_slabs(
        first, bounds, max_steps, tolerance, callback=callback, checkpoint=checkpoint
    )
    if not solved:
        raise ValueError(
            "march() could not solve its first slab: see the warning, and take shorter slabs, more "
            "features, or another scale of them."
        )
    if found is not None and not has_samplers(points):
        held = len(found.rows.values)
        warn_of_interpolation(held, found.rank, "give more points, or a sampler")
    result = _result(first, trial, solved, residuals, bounds)
    if second is None:
        return result
    bounds = result.times
    found, solved, residuals = _solve_slabs(second, bounds, max_steps, np.inf)
    if not solved:
        raise ValueError(
            "march() could not solve its first slab with the `finer` features: see the warning."
        )
    errors = differences(result, _result(second, trial, solved, residuals, bounds), first.shares)
    return result._replace(errors=errors)


class _Posed(NamedTuple):
    """A march before its first slab: what is solved, and on what it is judged."""

    free: Callable
    orders: Orders
    state: State
    start: np.ndarray
    training: SlabEquations
    others: SlabEquations

    @property
    def shares(self) -> Mapping[str, Array]:
        """The points on which a slab is judged."""
        return self.others.points

    def share_left(self, state: State, params: np.ndarray) -> float:
        """The residual of a slab on fresh points, relative to that of a state that stands still."""
        values = self.others.as_they_stand(state)[1]
        left, whole = (np.linalg.norm(values(c)) for c in (params, 0 * params))
        return float(left / (whole or 1.0))


def _pose(equations, trial, features, order, outputs, factors, bounds, training, others) -> _Posed:
    """The equations in slabs, once their points, features and orders in time are as they should."""
    _require_shares(training)
    shape = count(features, next(iter(training.values()))[0], outputs)
    state, start = initial_state(bounds[0], bounds[1] - bounds[0], shape), np.zeros(shape)
    _check_trial(trial, start, next(iter(_at_times(training, state).values()))[0])
    _check_equations(equations, trial, start, _at_times(training, state), order)
    orders = _orders(equations, trial, start, training, bounds, order)
    at = functools.partial(SlabEquations, equations, trial, features, orders)
    first = at(training, factors, shape, bounds)
    same = all(np.array_equal(training[name], others[name]) for name in training)
    second = first if same else at(others, factors, shape, bounds)
    return _Posed(slab_function(features, orders), orders, state, start, first, second)


def _solve_slabs(
    posed: _Posed, bounds, max_steps, tolerance, *, callback=None, checkpoint=None
) -> tuple[Minimum | None, list[Slab], list[float]]:
    """One slab after another, and the last of the minima."""
    state, start, lengths = posed.state, posed.start, np.diff(bounds)
    store = None if checkpoint is None else SlabFile(checkpoint, bounds, start, state)
    solved, residuals = ([], []) if store is None else store.restore(posed.share_left, tolerance)
    found, solve = None, ReusedFactors()
    for k in range(len(lengths)):
        if k >= len(solved):
            rows, values = posed.training.at(state)
            found = minimise(rows, start, max_steps, values_at=values, solve=solve)
            if not posed.training.hold(state, found.params):
                rows, values = posed.training.at(state)
                found = minimise(rows, start, max_steps, values_at=values, solve=solve)
            relative = posed.share_left(state, found.params)
            if not (found.converged and relative <= tolerance):
                _warn_of_the_end(k, state, relative, found.converged, tolerance)
                break
            solved.append((state, jnp.asarray(found.params)))
            residuals.append(relative)
            if store is not None:
                store.write(solved, residuals)
            if callback is not None:
                callback(k, relative)
        start = np.asarray(solved[k][1])
        following = lengths[min(k + 1, len(lengths) - 1)]
        state = next_state(*solved[k], following, posed.orders)
    return found, solved, residuals


def _result(posed: _Posed, trial, solved, residuals, bounds) -> March:
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *solved)
    done = len(solved)
    field = _over_all(trial, posed.free)
    return March(field, params, bounds[: done + 1], np.array(residuals), done == len(bounds) - 1)


def _check_equations(equations, trial, start, at, order) -> None:
    """Refuse equations that depend on traced values, or are of another order in time."""
    still = lambda *_: jnp.zeros(start.shape[:-1])  # noqa: E731
    responses = time_responses(equations, lambda x: trial(still)(start, x), at)
    require_numbers(responses, "An equation")
    require_order(order, responses)


def _check_trial(trial, start, x) -> None:
    """Refuse a trial function that changes the coefficients, which slabs hand over as they are."""
    some = jnp.cos(jnp.arange(start.size)).reshape(start.shape)
    given = []

    def still(c, _):
        given.append(c)
        return jnp.zeros(start.shape[:-1])

    moved = jnp.any(trial(still)(some, x) != trial(still)(0 * some, x))
    changed = [c for c in given[: len(given) // 2] if not isinstance(c, Tracer)]
    if moved or any(jnp.shape(c) != some.shape or jnp.any(c != some) for c in changed):
        raise ValueError(
            "march() hands the coefficients of a slab to the next one, so that trial(f)(c, x) must "
            "give c to f as it is, and use it nowhere else: write a factor on f(c, x) instead."
        )


def _orders(equations, trial, start, points, bounds, order: int) -> Orders:
    """The order in time of each component of a system, at points of all slabs."""
    if start.ndim == 1:
        return order
    whole = initial_state(bounds[0], bounds[-1] - bounds[0], start.shape)
    found = orders_in_time(equations, trial, jnp.asarray(start), _at_times(points, whole))
    return np.minimum(found, order)


def _bounds(times: Any) -> np.ndarray:
    require_numbers(times, "Of the times, one")
    bounds = np.asarray(times, float)
    ascending = bounds.ndim == 1 and len(bounds) > 1 and np.all(np.diff(bounds) > 0)
    if not (ascending and np.isfinite(bounds).all()):
        raise ValueError(f"times must ascend from the initial to the final one, got {times!r}.")
    return bounds


def _require_shares(points: Mapping[str, Array]) -> None:
    """Times of points are shares of a slab: others would leave a part of it without equations."""
    shares = np.concatenate([np.asarray(x[:, -1]) for x in points.values()])
    low, high = shares.min(), shares.max()
    if low < 0 or high > 1 or high - low < 0.5:
        raise ValueError(
            "The last coordinate of the points is the share of a slab, spread from 0 to 1; got "
            f"{low:.3g} to {high:.3g}. Draw them from space.during(0.0, 1.0)."
        )


def _at_times(points: Mapping[str, Array], state: State) -> dict[str, Array]:
    return {name: points_at(x, state) for name, x in points.items()}


def _over_all(trial: Callable, free: Callable) -> Callable:
    """u(params, x), by the slab in which the time of x is; NaN before the first and after the last.

    A time that rounding puts beside the last bound is in the last slab.
    """

    def field(params: PyTree, x: Float[Array, " dim"]) -> Array:
        states, coefficients = params
        k = jnp.clip(jnp.searchsorted(states.time, x[-1], side="right") - 1, 0)
        state, own = jax.tree.map(lambda leaf: leaf[k], (states, coefficients))
        share = (x[-1] - state.time) / state.length
        inside = (share >= -1e-9) & (share <= 1 + 1e-9)
        # A factor, so that derivatives are NaN as well.
        return jnp.where(inside, 1.0, jnp.nan) * trial(functools.partial(free, state))(own, x)

    return field


def _warn_of_the_end(
    slab: int, state: State, relative: float, converged: bool, tolerance: float
) -> None:
    reason = (
        f"leaves a relative residual of {relative:.1e}, above the tolerance of {tolerance:.0e}"
        if converged
        else f"did not converge (relative residual {relative:.1e})"
    )
    warnings.warn(
        f"march() ends at t = {float(state.time):.4g}: slab {slab} {reason}. Take shorter slabs "
        "there, more features, or another scale of them.",
        stacklevel=4,
    )
