"""Anderson and DIIS: fixed-point solvers that extrapolate from a short history.

Both choose weights cᵢ with Σ cᵢ = 1 that minimise ‖Σ cᵢ eᵢ‖ over the last iterates. Anderson's
error is the step g(y) - y itself; DIIS takes any error that vanishes at the solution, such as a
commutator.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import optimistix as optx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree, Scalar

from .history import History, empty_history, extrapolate, push


class _State(NamedTuple):
    """`size` is that of the newest error, infinite before the first."""

    history: History
    size: Float[Array, ""]


class _Extrapolation(optx.AbstractFixedPointSolver[Any, Any, _State]):
    """The common part of Anderson and DIIS; they differ in `_candidate` and `_error`."""

    history: eqx.AbstractVar[int]

    def _candidate(self, y: PyTree, gy: PyTree) -> PyTree:
        raise NotImplementedError

    def _error(self, args: PyTree, y: PyTree, gy: PyTree) -> PyTree:
        raise NotImplementedError

    def _scale(self, y: PyTree, error: PyTree) -> Any:
        raise NotImplementedError

    def init(
        self,
        fn: Callable,
        y: PyTree,
        args: PyTree,
        options: dict[str, Any],
        f_struct: PyTree,
        aux_struct: PyTree,
        tags: frozenset[object],
    ) -> _State:
        del options, f_struct, aux_struct, tags
        error = eqx.filter_eval_shape(lambda: self._error(args, y, fn(y, args)[0]))
        history = empty_history(self.history, y, error)
        return _State(history, jnp.array(jnp.inf, jnp.finfo(history.errors.dtype).dtype))

    def step(
        self,
        fn: Callable,
        y: PyTree,
        args: PyTree,
        options: dict[str, Any],
        state: _State,
        tags: frozenset[object],
    ) -> tuple[PyTree, _State, PyTree]:
        del options, tags
        gy, aux = fn(y, args)
        error = self._error(args, y, gy)
        history = push(state.history, self._candidate(y, gy), error)
        size = self.norm(ravel_pytree(error)[0] / self._scale(y, error))
        return extrapolate(history, gy), _State(history, size), aux

    def terminate(
        self,
        fn: Callable,
        y: PyTree,
        args: PyTree,
        options: dict[str, Any],
        state: _State,
        tags: frozenset[object],
    ) -> tuple[Bool[Array, ""], optx.RESULTS]:
        del fn, y, args, options, tags
        return state.size < 1, optx.RESULTS.successful

    def postprocess(
        self,
        fn: Callable,
        y: PyTree,
        aux: PyTree,
        args: PyTree,
        options: dict[str, Any],
        state: _State,
        tags: frozenset[object],
        result: optx.RESULTS,
    ) -> tuple[PyTree, PyTree, dict[str, Any]]:
        del fn, args, options, state, tags, result
        return y, aux, {}


class Anderson(_Extrapolation):
    """Anderson acceleration of a fixed-point iteration.

        yₙ₊₁ = Σᵢ cᵢ (yᵢ + β eᵢ),  eᵢ = g(yᵢ) - yᵢ,  c = argmin ‖Σ cᵢ eᵢ‖, Σ cᵢ = 1

    **Arguments:**

    - `rtol`, `atol`: stop when `norm(e / (atol + rtol |y|)) < 1`.
    - `history`: number of iterates kept; 5 to 10 is usual.
    - `mixing`: β; below 1 damps an iteration that diverges.
    - `norm`: norm of the scaled error, a function of a pytree.

    **Source:** Walker & Ni, "Anderson acceleration for fixed-point iterations" (2011).

    ```python
    solver = jsci.Anderson(rtol=1e-10, atol=1e-10)
    jsci.fixed_point(step, params, y0, solver=solver)
    ```
    """

    rtol: float
    atol: float
    history: int = 6
    mixing: float = 1.0
    norm: Callable[[PyTree], Scalar] = optx.max_norm

    def __check_init__(self) -> None:
        _check_options(self)
        if not 0 < self.mixing <= 1:
            raise ValueError(f"mixing must lie in (0, 1], got {self.mixing}.")

    def _candidate(self, y, gy):
        flat_y, unravel = ravel_pytree(y)
        return unravel(flat_y + self.mixing * (ravel_pytree(gy)[0] - flat_y))

    def _error(self, args, y, gy):
        flat_y, unravel = ravel_pytree(y)
        return unravel(ravel_pytree(gy)[0] - flat_y)

    def _scale(self, y, error):
        return self.atol + self.rtol * jnp.abs(ravel_pytree(y)[0])


class DIIS(_Extrapolation):
    """Pulay's direct inversion in the iterative subspace.

        yₙ₊₁ = Σᵢ cᵢ g(yᵢ),   c = argmin ‖Σ cᵢ error(θ, yᵢ, g(yᵢ))‖, Σ cᵢ = 1

    **Arguments:**

    - `atol`: stop when `norm(error) < atol`.
    - `rtol`: for the default error the tolerance is `atol + rtol |y|`; a given `error` is compared
        with `atol` alone.
    - `history`: number of iterates kept; 8 is usual.
    - `error`: `error(params, y, g(y))`, any pytree that vanishes at the solution; by default
        g(y) - y.
    - `norm`: norm of the error, a function of a pytree.

    **Source:** Pulay, "Improved SCF convergence acceleration" (1982).

    ```python
    solver = jsci.DIIS(rtol=0.0, atol=1e-8, error=lambda theta, fock, new: commutator(fock, new))
    jsci.fixed_point(step, params, fock0, solver=solver)
    ```
    """

    rtol: float
    atol: float
    history: int = 8
    error: Callable[[PyTree, PyTree, PyTree], PyTree] | None = None
    norm: Callable[[PyTree], Scalar] = optx.max_norm

    def __check_init__(self) -> None:
        _check_options(self)

    def _candidate(self, y, gy):
        return gy

    def _error(self, args, y, gy):
        if self.error is not None:
            return self.error(args, y, gy)
        flat_y, unravel = ravel_pytree(y)
        return unravel(ravel_pytree(gy)[0] - flat_y)

    def _scale(self, y, error):
        if self.error is not None:
            return self.atol
        return self.atol + self.rtol * jnp.abs(ravel_pytree(y)[0])


def _check_options(solver):
    if solver.history < 1:
        raise ValueError(f"history must be at least 1, got {solver.history}.")
    if not (solver.rtol >= 0 and solver.atol >= 0 and solver.rtol + solver.atol > 0):
        raise ValueError(
            f"Tolerances must be non-negative and not both zero, got rtol={solver.rtol}, "
            f"atol={solver.atol}."
        )
