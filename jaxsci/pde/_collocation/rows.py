"""Equations at points as rows of a linear system for the coefficients of features."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ...core import compiled_call, program, vmap

# Numbers of a Jacobian that are made at once: 32 MiB.
_AT_ONCE = 2**22

Equations = Mapping[str, Callable]
Points = Mapping[str, Float[Array, "_ dim"]]


class Rows(NamedTuple):
    """Residuals of weighted equations, and their derivatives by the coefficients.

    The squares of `values` sum up to the weighted mean squares of the equations.
    """

    values: Float[np.ndarray, " rows"]
    matrix: Float[np.ndarray, "rows coefficients"]
    names: tuple[str, ...]

    def of(self, name: str) -> Float[np.ndarray, " some"]:
        """The values of one equation."""
        return self.values[np.array(self.names) == name]


def derivatives(
    residuals: Equations, params: Float[np.ndarray, "*outputs n"], points: Points, *held: PyTree
) -> Equations:
    """Programs of r(params, x, *held) and ∂r/∂params, traced once for points of these shapes."""
    return _programs(_Derivatives, residuals, params, points, *held)


def rows_at(
    programs: Equations,
    factors: Mapping[str, float],
    points: Points,
    params: Float[np.ndarray, "*outputs n"],
    *held: PyTree,
) -> Rows:
    """The rows of all equations at some coefficients, and what else their residuals take."""
    values, matrices, names = [], [], []
    for name, call in programs.items():
        found = compiled_call(call, jnp.asarray(params), points[name], *held)
        require_numbers(found, f"The equation {name!r}")
        jacobian, value = map(np.asarray, found)
        factor = np.sqrt(factors[name] / value.size)
        values.append(factor * value.ravel())
        matrices.append(factor * jacobian.reshape(-1, params.size))
        names += [name] * value.size
    return Rows(np.concatenate(values), np.concatenate(matrices), tuple(names))


def valued(
    residuals: Equations, params: Float[np.ndarray, "*outputs n"], points: Points, *held: PyTree
) -> Equations:
    """Programs of r(params, x, *held) alone, as `derivatives`."""
    return _programs(_Values, residuals, params, points, *held)


def _programs(of: Callable, residuals: Equations, params, points: Points, *held) -> Equations:
    batch_size = max(16, _AT_ONCE // params.size)
    return {
        name: program(of(r, batch_size), jnp.asarray(params), points[name], *held)
        for name, r in residuals.items()
    }


def values_at(
    programs: Equations,
    factors: Mapping[str, float],
    points: Points,
    params: Float[np.ndarray, "*outputs n"],
    *held: PyTree,
) -> Float[np.ndarray, " rows"]:
    """The values of `rows_at`, without their derivatives."""
    values = []
    for name, call in programs.items():
        value = np.asarray(compiled_call(call, jnp.asarray(params), points[name], *held)).ravel()
        values.append(np.sqrt(factors[name] / value.size) * value)
    return np.concatenate(values)


class _Values(eqx.Module):
    """r(params, x, *held) at all points, in chunks."""

    r: Callable
    batch_size: int = eqx.field(static=True)

    def __call__(self, params, points, *held):
        return vmap(lambda x: self.r(params, x, *held), batch_size=self.batch_size)(points)


class _Derivatives(eqx.Module):
    """r(params, x, *held) and ∂r/∂params at all points, in chunks."""

    r: Callable
    batch_size: int = eqx.field(static=True)

    def __call__(self, params, points, *held):
        def value(params, x):
            y = flat_residual(self.r(params, x, *held))
            return y, y

        derivatives = jax.jacrev(value, has_aux=True)
        return vmap(derivatives, (None, 0), batch_size=self.batch_size)(params, points)


def flat_residual(y: Any) -> Float[Array, " p"]:
    """The value of an equation as a vector; raises if it is not a residual."""
    if not hasattr(y, "dtype") or not jnp.issubdtype(y.dtype, jnp.inexact):
        raise TypeError(
            "An equation returns its residual, an array of floats that depends on u; got "
            f"{_kind(y)}. Several are one array, jnp.stack([r1, r2])."
        )
    if jnp.iscomplexobj(y):
        raise ValueError("A residual is complex: return its parts, jnp.stack([r.real, r.imag]).")
    return jnp.ravel(y)


def _kind(value: Any) -> str:
    return str(getattr(value, "dtype", type(value).__name__))


def drawn(points: Any, equations: Equations, named: bool, key: PRNGKeyArray) -> Points:
    """Points by the name of their equation, from arrays and samplers."""
    if not equations:
        raise ValueError("op has no equations: give one, or several by name.")
    if not named and not isinstance(points, Mapping):
        points = {name: points for name in equations}
    if callable(points):
        points = points(key)
    if not isinstance(points, Mapping) or set(points) != set(equations):
        found = sorted(points) if isinstance(points, Mapping) else type(points).__name__
        raise ValueError(
            f"Points must be a mapping with the names of the equations, {sorted(equations)}, got "
            f"{found}."
        )
    keys = jax.random.split(key, len(points))
    made = {
        name: jnp.asarray(value(k) if callable(value) else value, float)
        for k, (name, value) in zip(keys, points.items(), strict=True)
    }
    for name, value in made.items():
        if value.ndim != 2 or not value.size:
            raise ValueError(
                f"The points of {name!r} must have shape (n, dim), got {tuple(value.shape)}."
            )
        require_numbers(value, f"Of the points, {name!r}")
        if not np.isfinite(np.asarray(value)).all():
            raise ValueError(f"The points of {name!r} must be finite.")
    return made


def has_samplers(points: Any) -> bool:
    """Whether points are drawn anew with each key."""
    parts = points.values() if isinstance(points, Mapping) else [points]
    return any(map(callable, parts))


def weighted(weights: Mapping[str, float] | None, equations: Equations) -> dict[str, float]:
    """The weight of each equation, 1 where none is given."""
    if unknown := set(weights or {}) - set(equations):
        raise ValueError(f"weights has {sorted(unknown)}; the equations are {sorted(equations)}.")
    found = {name: float((weights or {}).get(name, 1.0)) for name in equations}
    if any(not (np.isfinite(w) and w > 0) for w in found.values()):
        raise ValueError(f"weights must be positive, got {dict(weights or {})}.")
    return found


def count(features: Callable, x: Float[Array, " dim"], outputs: int | Literal["scalar"]) -> tuple:
    """The shape of the coefficients."""
    if outputs != "scalar" and (not isinstance(outputs, int | np.integer) or outputs < 1):
        raise ValueError(f"outputs must be 'scalar' or a number of at least 1, got {outputs!r}.")
    shape = jax.eval_shape(features, x).shape
    if len(shape) != 1:
        raise ValueError(f"features(x) must have shape (n,) for one point x, got {shape}.")
    return shape if outputs == "scalar" else (outputs, *shape)


def require_numbers(tree: Any, what: str) -> None:
    """Refuse what JAX is tracing: the steps and the rank are chosen by numbers."""
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree)):
        raise TypeError(
            f"{what} depends on a value that jit, vmap or grad is tracing. least_squares(), "
            "march() and eigenpairs() choose by numbers, outside of these; their "
            "field(params, x) may be within."
        )


def least_met(before: Rows, after: Rows, params: np.ndarray) -> tuple[str, float]:
    """The equation of which the largest share of its own size is left, and that share.

    Its size is the residual without features, or if that is zero, the size of its terms. What
    the rounding of the coefficients leaves is none.
    """
    rounding = 10 * np.finfo(after.values.dtype).eps * np.linalg.norm(params)
    terms = Rows(np.linalg.norm(after.matrix * params.ravel(), axis=1), after.matrix, after.names)
    shares = {}
    for name in dict.fromkeys(after.names):
        size, of_terms = (np.linalg.norm(rows.of(name)) for rows in (before, terms))
        size = size if size > 1e-9 * of_terms else of_terms
        left, own = np.linalg.norm(after.of(name)), after.matrix[np.array(after.names) == name]
        rounded = left <= rounding * np.linalg.norm(own)
        shares[name] = 0.0 if rounded else float(left / (size or 1.0))
    worst = max(shares, key=lambda name: shares[name])
    return worst, shares[worst]


def require_finite(rows: Rows) -> None:
    """Refuse residuals or derivatives that are not finite, naming the equation."""
    bad = ~(np.isfinite(rows.values) & np.isfinite(rows.matrix).all(axis=1))
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(
            f"{int(bad.sum())} of {len(bad)} residuals or their derivatives are not finite, the "
            f"first in {rows.names[first]!r}: its equation or its features have no derivative "
            "there."
        )
