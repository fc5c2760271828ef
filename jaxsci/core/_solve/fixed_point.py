"""Fixed points y = step(params, y), differentiable through the implicit function theorem."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jaxtyping import PyTree

from .._run.program import program, strongly_typed
from .extrapolation import Anderson


def fixed_point(
    step: Callable,
    params: PyTree,
    y0: PyTree,
    *,
    solver: optx.AbstractFixedPointSolver[Any, Any, Any] | None = None,
    max_steps: int = 256,
    throw: bool = True,
    adjoint: optx.AbstractAdjoint | None = None,
) -> optx.Solution[Any, Any]:
    """Solve y = step(params, y), with gradients that do not depend on how it was solved.

        y* = g(θ, y*),   dy*/dθ = (1 - ∂g/∂y)⁻¹ ∂g/∂θ

    **Arguments:**

    - `step`: `step(params, y) -> y`, over any pytree of floating arrays.
    - `params`: the parameters of the step; the solution is differentiable with respect to them.
    - `y0`: the initial guess; it does not influence the gradient.
    - `solver`: `Anderson` (default), `DIIS`, or any Optimistix fixed-point solver.
    - `max_steps`: evaluations of `step` before giving up.
    - `throw`: raise on failure. Under `vmap` use `throw=False` and read `.result` of each
        element: then one bad element does not stop the others.
    - `adjoint`: `optimistix.ImplicitAdjoint` (default, with GMRES, never forming ∂g/∂y) or
        `optimistix.RecursiveCheckpointAdjoint()` to differentiate through the iterations.

    **Returns:** an `optimistix.Solution` with `.value`, `.result` and `.stats["num_steps"]`.

    **Raises:** `RuntimeError` without convergence if `throw`; `ValueError` if `step` changes the
    structure of `y`.

    **Notes:** implicit gradients hold only at a converged solution.

    **Good values:** for contractions the default; `DIIS` where another error than the step vanishes
    faster, such as the commutator of a matrix with a projector made from it.

    ```python
    step = lambda a, y: jnp.cos(a * y)
    y = jsci.fixed_point(step, jnp.array(1.0), jnp.array(0.5)).value  # 0.739085...
    jax.grad(lambda a: jsci.fixed_point(step, a, jnp.array(0.5)).value)(1.0)
    ```
    """
    _check(step, params, y0, max_steps)
    # A number of Python has no type of its own, and a step would return it with another.
    params, y0 = jax.tree.map(strongly_typed, (params, y0))
    tolerance = _tolerance(y0)
    if solver is None:
        solver = Anderson(rtol=tolerance, atol=tolerance)
    if adjoint is None:
        linear_solver = lx.GMRES(
            rtol=tolerance, atol=1e-3 * tolerance, restart=30, stagnation_iters=60
        )
        adjoint = optx.ImplicitAdjoint(linear_solver)
    return optx.fixed_point(
        _Step(program(step, params, y0)),
        solver,
        y0,
        params,
        max_steps=max_steps,
        throw=throw,
        adjoint=adjoint,
    )


class _Step(eqx.Module):
    """The step with its arguments in Optimistix's order; two of the same step are equal.

    A new function at each call would be compiled at each call.
    """

    step: Callable

    def __call__(self, y: PyTree, params: PyTree) -> PyTree:
        return self.step(params, y)


def _tolerance(y0: PyTree) -> float:
    """7e-11 in float64 and 3e-5 in float32: above the rounding of steps with long sums."""
    eps = max(float(jnp.finfo(jnp.result_type(leaf)).eps) for leaf in jax.tree.leaves(y0))
    return eps**0.65


def _check(step: Any, params: PyTree, y0: PyTree, max_steps: int) -> None:
    if not callable(step):
        raise TypeError(f"step must be a function step(params, y), got {type(step).__name__}.")
    if max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, got {max_steps}.")
    leaves = jax.tree.leaves(y0)
    wrong = [x for x in leaves if not jnp.issubdtype(jnp.result_type(x), jnp.inexact)]
    if not leaves or wrong:
        raise TypeError(
            "y0 must be a pytree of floating arrays, got "
            f"{wrong[0]!r:.60}. Write 0.0, or jnp.zeros(...), rather than integers."
            if wrong
            else "y0 must be a pytree of floating arrays, got an empty one."
        )
    y1 = eqx.filter_eval_shape(step, params, y0)
    want = jax.tree.map(lambda x: (jnp.shape(x), jnp.result_type(x)), y0)
    got = jax.tree.map(lambda x: (x.shape, x.dtype), y1)
    if jax.tree.structure(y0) != jax.tree.structure(y1) or want != got:
        raise ValueError(
            f"step(params, y) must return what y is, shapes and dtypes alike: y0 is {want}, "
            f"step returned {got}."
        )
