"""Rows of equations in a slab: by the derivatives of its features, or as they stand."""

import functools
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Array, Float

from ....core import residual
from ..rows import Equations, Rows, derivatives, rows_at, valued, values_at
from .local_equations import Elsewhere, LocalEquation, points_at
from .slabs import Orders, State, initial_state, slab_function

# Of rows by derivatives, relative to the equations for F at rest.
_ROUNDING = 1e-10


class SlabEquations:
    """Weighted equations for coefficients of features, at points with shares of a slab."""

    def __init__(
        self,
        equations: Equations,
        trial: Callable,
        features: Callable,
        orders: Orders,
        points: Mapping[str, Float[Array, "_ dim"]],
        factors: Mapping[str, float],
        shape: tuple[int, ...],
        bounds: Float[np.ndarray, " bounds"],
    ):
        self.points, self.factors = points, factors
        self._first = first = initial_state(bounds[0], bounds[1] - bounds[0], shape)
        whole = initial_state(bounds[0], bounds[-1] - bounds[0], shape)
        free = slab_function(features, orders)

        def of_slab(op):
            return lambda c, x, state: residual(op, trial(functools.partial(free, state)))(c, x)

        self._residuals = {name: of_slab(op) for name, op in equations.items()}
        self._as_local = functools.partial(
            LocalEquation, trial=trial, features=features, orders=orders, shape=shape,
            whole=whole, first=first,
        )  # fmt: skip
        self._equations = equations

    @functools.cached_property
    def _local(self) -> dict[str, LocalEquation]:
        """By the derivatives of features, which are taken once this is asked for; or none."""
        try:
            return {
                name: self._as_local(op, points=self.points[name])
                for name, op in self._equations.items()
            }
        except Elsewhere:
            return {}

    def hold(self, state: State, c: Float[np.ndarray, "*outputs n"]) -> bool:
        """Whether the rows are the equations at these coefficients too; if not, as they stand now.

        Derivatives that an equation does not see at two functions it may see at the solution.
        """
        if not self._local:
            return True
        direct = self.as_they_stand(state)[1]
        there, found = direct(c), self.at(state)[1](c)
        gap, left = np.linalg.norm(there - found), np.linalg.norm(found)
        if gap <= left or gap <= _ROUNDING * np.linalg.norm(direct(0 * c)):
            return True
        self._local = {}
        return False

    def at(self, state: State) -> tuple[Callable, Callable]:
        """The rows at coefficients in a slab, and their values alone."""
        if self._local and all(local.fits(state) for local in self._local.values()):
            return self._by_derivatives(state)
        return self.as_they_stand(state)

    def as_they_stand(self, state: State) -> tuple[Callable, Callable]:
        """The same of the equations themselves; each is traced where it is called."""
        points = self._points(state)
        rows = lambda c: rows_at(self._of_rows, self.factors, points, c, state)  # noqa: E731
        values = lambda c: values_at(self._of_values, self.factors, points, c, state)  # noqa: E731
        return rows, values

    @functools.cached_property
    def _of_rows(self) -> Equations:
        return derivatives(self._residuals, *self._example)

    @functools.cached_property
    def _of_values(self) -> Equations:
        return valued(self._residuals, *self._example)

    @property
    def _example(self) -> tuple:
        return np.zeros(self._first.value.shape), self._points(self._first), self._first

    def _by_derivatives(self, state: State) -> tuple[Callable, Callable]:
        parts = {name: local.at(state) for name, local in self._local.items()}

        def scaled(name: str, value: np.ndarray) -> float:
            return np.sqrt(self.factors[name] / value.size)

        def rows(c: np.ndarray) -> Rows:
            values, matrices, names = [], [], []
            for name, part in parts.items():
                value, matrix = part(c, True)
                values.append(scaled(name, value) * value.ravel())
                matrices.append(scaled(name, value) * matrix)
                names += [name] * value.size
            return Rows(np.concatenate(values), np.concatenate(matrices), tuple(names))

        def values(c: np.ndarray) -> np.ndarray:
            found = [(name, part(c, False)[0]) for name, part in parts.items()]
            return np.concatenate([scaled(name, value) * value.ravel() for name, value in found])

        return rows, values

    def _points(self, state: State) -> dict[str, Array]:
        return {name: points_at(x, state) for name, x in self.points.items()}
