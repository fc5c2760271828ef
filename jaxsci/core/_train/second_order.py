"""Second-order optimisers for least squares, as optax transformations.

All three solve the same damped linear problem in each step,

    δ = argmin ‖J δ - b‖² + λ ‖δ‖²  =  Jᵀ (J Jᵀ + λ)⁻¹ b  =  (Jᵀ J + λ)⁻¹ Jᵀ b,

in sample space, in parameter space or by conjugate gradients (`least_squares`).
Damping is given relative to the trace of J Jᵀ, so that it has no units.
"""

import functools
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._run.platform import require_x64
from .least_squares.damped import Space, linear_model
from .least_squares.own_units import in_own_units
from .least_squares.sketch import sketched_model
from .line_search import best_halving
from .objective import BatchResiduals

# The least damping, relative to tr(J Jᵀ). In float32 less than the rounding of J Jᵀ is of no use.
_SMALLEST = {"float64": 1e-18, "float32": float(np.finfo(np.float32).eps) / 8}


class LevenbergMarquardtState(NamedTuple):
    """The initial damping of the next step, how unequal the terms were, the key of the sketches."""

    damping: Float[Array, ""]
    imbalance: Float[Array, ""]
    key: PRNGKeyArray | None = None


class GaussNewtonState(NamedTuple):
    """How unequal the terms were in the last step."""

    imbalance: Float[Array, ""]


class NaturalGradientState(NamedTuple):
    """The previous direction, for the momentum, and how unequal the terms were."""

    direction: Float[Array, " p"]
    imbalance: Float[Array, ""]


class Update(NamedTuple):
    """The `update` of an optimiser that reads residuals and their Jacobian, and no gradient.

    `step(state, params, residuals)` also returns the mean squares of the terms at `params`, so that
    `fit` need not evaluate the residuals once more for its history.
    """

    name: str
    step: Callable[[Any, PyTree, BatchResiduals], tuple[PyTree, Any, dict[str, Array]]]

    def __call__(self, updates, state, params=None, *, residual_fn: Any = None, **extra_args):
        del updates, extra_args
        if not isinstance(residual_fn, BatchResiduals):
            raise TypeError(
                f"{self.name} needs the residuals, not only the loss: give fit() an objective made "
                "by jsci.objective({...}) instead of a plain loss function."
            )
        return self.step(state, params, residual_fn)[:2]


SecondOrderState = LevenbergMarquardtState | GaussNewtonState | NaturalGradientState


@functools.lru_cache(maxsize=None, typed=True)
def levenberg_marquardt(
    damping: float = 1e-3,
    *,
    factor: float = 4.0,
    max_tries: int = 12,
    acceleration: bool = True,
    scaled: bool = False,
    sketch: int | None = None,
    seed: int = 0,
    space: Space = "auto",
) -> optax.GradientTransformationExtraArgs:
    """Gauss-Newton steps whose damping adapts until the loss falls.

        δ = -(Jᵀ J + λ tr(J Jᵀ))⁻¹ Jᵀ r;   λ ← λ / factor if L(θ + δ) < L(θ), else λ · factor

    The default for residual problems in float64: it reaches many digits where first-order methods
    stop at three. With `acceleration` each step also follows the curvature of the residual surface,
    δ₂ = -½ (Jᵀ J + λ tr(J Jᵀ))⁻¹ Jᵀ r″(δ, δ), whenever δ + δ₂ is better than δ: two more
    evaluations and one more solve, for steps that stay in narrow curved valleys.

    **Arguments:**

    - `damping`: the initial λ, relative to tr(J Jᵀ). In float32 none is below 1.5e-8.
    - `factor`: the factor by which λ grows and shrinks.
    - `max_tries`: number of trial steps before a step is given up and the parameters stay.
    - `acceleration`: whether to try δ + δ₂.
    - `scaled`: whether to damp by Marquardt's diag(Jᵀ J) in place of the identity, so that no step
        depends on the units of a parameter. In parameter space that is done of itself where the
        gradients of the terms differ by a factor of 3e4, as in raw units.
    - `sketch`: number of rows to which residuals are added, in random groups of one term and with
        random signs, anew in every step (a count sketch). J is that of the sums, for a step in a
        fraction of the time and memory; whether it is taken is judged by the whole loss. Terms
        share the rows equally, and those with few residuals keep theirs. Samples are added whole: a
        sample of many outputs has as many rows at least, so that they can be more than asked for,
        and the samples of a group are evaluated at once, whatever `batch_size`. By default none.
    - `seed`: that of the sketches.
    - `space`: `"auto"`, `"sample"` (J Jᵀ), `"parameter"` (Jᵀ J) or `"matrix_free"`.

    **Returns:** an optax transformation for `fit` with an `Objective`.

    **Raises:** `ValueError` for parameters of several precisions, or a sketch of fewer rows than
    terms; `TypeError` for a plain loss, or for residuals of another precision than the parameters.

    **Notes:** a step is judged by its own batch. Where the solution is smooth, as in Poisson's
    equation, networks of thousands of parameters train soonest on a new batch of a hundred to a few
    hundred samples in every step (`data` as a function of a key). At fronts, and with noise in
    measured values, such batches have no solution in common, and the loss may rise: keep one batch
    there. In float32 it ends where the rounding of the residuals does, six digits at best. With
    `scaled` parameters of little effect move far: fronts are found later, and a loss on too few
    points is lowered between them as well, which `validation=` of `fit` shows. Sketches lower the
    loss of many residuals sooner than exact steps, and stall before the last digits: go on without.
    A quarter of the residuals is a good number of rows; as many rows as residuals are the exact
    step. `"auto"` takes no sketch, and solves by conjugate gradients where both matrices exceed
    8,192 rows.

    **Source:** Marquardt, "An algorithm for least-squares estimation" (1963); Transtrum & Sethna,
    "Improvements to the Levenberg-Marquardt algorithm for nonlinear least-squares minimization"
    (2012), section on geodesic acceleration, whose difference step of 0.1 this uses; Woodruff,
    "Sketching as a tool for numerical linear algebra" (2014), section 2.1, for the count sketch,
    here with groups of equal size.

    ```python
    loss = jsci.objective({"pde": r})
    result = jsci.fit(loss, params, {"pde": points}, jsci.levenberg_marquardt(), steps=200)
    ```
    """
    _check_positive(damping=damping, max_tries=max_tries)
    if not factor > 1:
        raise ValueError(f"factor must be above 1, got {factor}.")
    if sketch is not None and (
        not isinstance(sketch, Integral) or isinstance(sketch, bool) or sketch < 1
    ):
        raise ValueError(f"sketch must be a number of rows, an integer from 1, got {sketch!r}.")
    largest = 1e6

    def init(params) -> Any:
        dtype = _one_precision(params)
        first = max(damping, _SMALLEST[dtype.name])
        # The number of rows too: a checkpoint is not resumed with another one.
        key = None if sketch is None else jax.random.fold_in(jax.random.key(seed), sketch)
        return LevenbergMarquardtState(jnp.array(first, dtype), jnp.ones((), dtype), key)

    # Some GPUs round the factors of float32 products to three digits, and J Jᵀ would not be one.
    @jax.default_matmul_precision("highest")
    def step(state, params, residuals):
        smallest = _SMALLEST[state.damping.dtype.name]
        if sketch is None:
            key, model = None, linear_model(residuals, params, space)
        else:
            key, now = jax.random.split(state.key)
            model = sketched_model(residuals, params, space, sketch, now)
        flat, unravel = ravel_pytree(params)
        # Below this by more than rounding: a step that only rounding favours could raise the loss.
        goal = jnp.sum(model.residual**2) * (1 - 8 * jnp.finfo(flat.dtype).eps)

        def failed(trial):
            tries, _, _, new_value = trial
            return (tries < max_tries) & ~(new_value < goal)

        def attempt(trial):
            tries, damping, _, _ = trial
            # The first try uses the damping as it is; each further one is `factor` times larger.
            damping = jnp.where(tries == 0, damping, damping * factor)
            solve = model.damped(damping * model.trace)

            def residual(step):
                return residuals.vector(unravel(flat + step))

            step, new_value = _best_step(residual, model.residual, solve, flat, acceleration)
            return tries + 1, damping, step, new_value

        start = (jnp.array(0), state.damping, jnp.zeros_like(flat), jnp.full_like(goal, jnp.inf))
        _, damping, step, new_value = jax.lax.while_loop(failed, attempt, start)
        better = new_value < goal
        # Once for a sketch: the next one may do with a damping at which this one failed.
        after_failure = (damping if sketch is None else state.damping) * factor
        damping = jnp.where(better, damping / factor, after_failure)
        damping = jnp.clip(damping, smallest, largest)
        new_state = LevenbergMarquardtState(damping, model.imbalance, key)
        return unravel(jnp.where(better, step, 0.0)), new_state, model.terms

    return optax.GradientTransformationExtraArgs(
        init, Update("levenberg_marquardt()", in_own_units(step) if scaled else step)
    )


def _best_step(residual, r, solve, flat, acceleration):
    """The better of δ and δ + δ₂, and ‖r‖² there.

    Round 0 tries δ, round 1 δ + δ₂. In a loop both are one program, as are the residuals at θ + δ
    and at the two points that show the bend: a third of the graph, and of the time to compile it.
    """
    h = 0.1

    def evaluated(step, k, rows):
        return rows.at[k].set(residual(jnp.array([1.0, h, -h], flat.dtype)[k] * step))

    def tried(i, state):
        b, step, best, best_value = state
        step = step - solve(b)
        count = jnp.where(i == 0, 3, 1) if acceleration else 1
        rows = jnp.zeros((3, r.size), flat.dtype)
        rows = jax.lax.fori_loop(0, count, functools.partial(evaluated, step), rows)
        value = jnp.sum(rows[0] ** 2)
        better = (value < best_value) | jnp.isnan(best_value)
        # ½ r″(δ, δ) by a central difference: no rule of forward mode is needed.
        bend = (rows[1] - 2 * r + rows[2]) / (2 * h**2)
        best = jnp.where(better, step, best)
        return bend, step, best, jnp.where(better, value, best_value)

    zero = jnp.zeros_like(flat)
    start = (r, zero, zero, jnp.full((), jnp.inf, flat.dtype))
    _, _, step, value = jax.lax.fori_loop(0, 2 if acceleration else 1, tried, start)
    return step, value


@functools.lru_cache(maxsize=None, typed=True)
def gauss_newton(
    damping: float = 1e-6, *, line_search_steps: int = 20, space: Space = "auto"
) -> optax.GradientTransformationExtraArgs:
    """Gauss-Newton steps with fixed damping and the best of the step lengths 1, 1/2, 1/4, ….

        δ = -η (Jᵀ J + λ tr(J Jᵀ))⁻¹ Jᵀ r,   η = argmin over 2⁻ᵏ of L(θ + δ)

    **Arguments:**

    - `damping`: λ, relative to tr(J Jᵀ).
    - `line_search_steps`: number of lengths tried; the parameters stay if none lowers the loss.
    - `space`: as in `levenberg_marquardt`. In parameter space the damping is λ tr(J Jᵀ) D, D
        being diag(Jᵀ J) over its mean, where the gradients of the terms differ by a factor of 3e4.

    **Returns:** an optax transformation for `fit` with an `Objective`.

    **Raises:** `ValueError` in float32; `TypeError` for a plain loss.

    **Source:** Müller & Zeinhofer, "Achieving high accuracy with PINNs via energy natural
    gradient descent" (2023), whose line search this is.

    ```python
    result = jsci.fit(loss, params, batch, jsci.gauss_newton(1e-8), steps=50)
    ```
    """
    _check_positive(damping=damping, line_search_steps=line_search_steps)

    def init(params):
        _require_float64(params, "gauss_newton()")
        return GaussNewtonState(jnp.ones((), jnp.float64))

    def step(state, params, residuals):
        del state
        model = linear_model(residuals, params, space)
        unravel = ravel_pytree(params)[1]
        direction = -model.damped(damping * model.trace)(model.residual)
        value = jnp.sum(model.residual**2)
        taken = best_halving(direction, params, value, residuals.value, line_search_steps)
        return unravel(taken), GaussNewtonState(model.imbalance), model.terms

    return optax.GradientTransformationExtraArgs(init, Update("gauss_newton()", step))


@functools.lru_cache(maxsize=None, typed=True)
def natural_gradient(
    learning_rate: float = 1e-1,
    *,
    damping: float = 1e-6,
    momentum: float = 0.9,
    space: Space = "auto",
) -> optax.GradientTransformationExtraArgs:
    """Natural gradient with fixed learning rate and momentum, for batches that change every step.

        φₙ = μ φₙ₋₁ + Jᵀ (J Jᵀ + λ tr(J Jᵀ))⁻¹ (r - μ J φₙ₋₁),   δ = -η φₙ

    **Arguments:**

    - `learning_rate`: η.
    - `damping`: λ, relative to tr(J Jᵀ).
    - `momentum`: μ in [0, 1).
    - `space`: as in `levenberg_marquardt`. In parameter space the damping is λ tr(J Jᵀ) D, D
        being diag(Jᵀ J) over its mean, where the gradients of the terms differ by a factor of 3e4.

    **Returns:** an optax transformation for `fit` with an `Objective`.

    **Raises:** `ValueError` in float32; `TypeError` for a plain loss.

    **Source:** Goldshlager et al., "A Kaczmarz-inspired approach to accelerate the optimization
    of neural network wavefunctions" (2024), the SPRING method.

    ```python
    result = jsci.fit(loss, params, sample, jsci.natural_gradient(0.1), steps=500, key=key)
    ```
    """
    _check_positive(learning_rate=learning_rate, damping=damping)
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1), got {momentum}.")

    def init(params):
        _require_float64(params, "natural_gradient()")
        start = jnp.zeros_like(ravel_pytree(params)[0])
        return NaturalGradientState(start, jnp.ones((), jnp.float64))

    def step(state, params, residuals):
        model = linear_model(residuals, params, space)
        carried = momentum * state.direction
        misfit = model.residual - model.apply(carried)
        direction = carried + model.damped(damping * model.trace)(misfit)
        unravel = ravel_pytree(params)[1]
        new_state = NaturalGradientState(direction, model.imbalance)
        return unravel(-learning_rate * direction), new_state, model.terms

    return optax.GradientTransformationExtraArgs(init, Update("natural_gradient()", step))


def _one_precision(params: PyTree) -> np.dtype:
    """That of all parameters, float32 or float64."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    dtypes = {jnp.result_type(leaf) for _, leaf in leaves}
    if len(dtypes) == 1 and (dtype := dtypes.pop()).name in _SMALLEST:
        return dtype
    found = {jax.tree_util.keystr(path): jnp.result_type(leaf).name for path, leaf in leaves}
    raise ValueError(
        "levenberg_marquardt() needs parameters that are all float64, or all float32, but they "
        f"are {found}: cast them with jsci.pure(model, dtype=jnp.float64)."
    )


def _require_float64(params, name):
    require_x64(name)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if jnp.result_type(leaf) != jnp.float64:
            raise ValueError(
                f"{name} squares the condition number and needs float64 parameters, but "
                f"params{jax.tree_util.keystr(path)} is {jnp.result_type(leaf)}: cast them with "
                "jsci.pure(model, dtype=jnp.float64)."
            )


def _check_positive(**values):
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}.")
