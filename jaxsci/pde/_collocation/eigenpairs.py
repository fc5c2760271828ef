"""Eigenpairs of linear operators in the span of given features: solved, not trained."""

import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, PRNGKeyArray

from ...core import require_x64, residual
from .pencil import clusters, eigenpairs_of, orthonormalised, refined, sizes_of
from .relinearisation import warn_of_interpolation
from .rows import (
    Rows,
    count,
    derivatives,
    drawn,
    has_samplers,
    require_finite,
    require_numbers,
    rows_at,
)

# Of eigenpairs of the projected matrix, those with a larger residual are no eigenpairs at all.
_PLAUSIBLE = 0.1


class Eigenpairs(NamedTuple):
    """What `eigenpairs` returns.

    - `values`: the eigenvalues, `(found,)`, complex where one of them is.
    - `params`: coefficients of the eigenfunctions, `(found, n)` or `(found, outputs, n)`, scaled to
        a mean square of M u of 1 at the points.
    - `field`: `u(params[i], x)`, the eigenfunction `i` at one point.
    - `residuals`: |L u - λ M u| / |λ M u| of each on fresh points; for λ = 0 the smallest other
        |λ| is taken.
    - `rank`: independent features that were used.
    """

    values: Inexact[Array, " found"]
    params: Inexact[Array, "found *outputs n"]
    field: Callable
    residuals: Float[Array, " found"]
    rank: int


def eigenpairs(
    op: Callable,
    trial: Callable[[Callable], Callable],
    features: Callable,
    points: Any,
    *,
    weight: Callable | None = None,
    states: int = 4,
    near: complex | None = None,
    fresh: Any = None,
    key: PRNGKeyArray | None = None,
    outputs: int | Literal["scalar"] = "scalar",
    tolerance: float = 1e-6,
) -> Eigenpairs:
    """Find eigenvalues and eigenfunctions of a linear operator in the span of given features.

        L u = λ M u at the points,   u = trial(f),   f(x) = Σ_j c_j φ_j(x)

    The rows A of L and B of M at the points are a pencil with more rows than columns. B is
    orthonormalised by its singular values, A projected, and the eigenpairs of the square matrix
    are refined by inverse iteration, min |(A - λ B) c' - B c|. Nothing is assumed symmetric: L may
    have complex eigenvalues. A pair is kept only if it holds on fresh points as well.

    **Arguments:**

    - `op`: L as `op(u, x)`, linear and without a source, such as `schroedinger(potential)`.
    - `trial`: makes the trial function of `f(params, x)`, zero for f = 0, such as
        `lambda f: jsci.pde.dirichlet(f, square)`.
    - `features`: `φ(x) -> (n,)` for one point, such as `polynomial_features` or `random_features`.
    - `points`: `(m, d)` or a sampler such as `sobol(domain, m)`.
    - `weight`: M as `weight(u, x)`, of as many components as L: `lambda u, x: w(x) * u(x)` for a
        weight, or an operator; M u = u by default.
    - `states`: the number of eigenpairs, a multiple eigenvalue counted as often as it occurs.
    - `near`: take those nearest to this number; by default those of smallest real part.
    - `fresh`: other points, as `points`, on which the residuals are taken; a sampler draws its own
        with another key. Without any they are those at `points`, which are smaller.
    - `key`: of the samplers; `jax.random.key(0)` by default.
    - `outputs`: components of `f`, "scalar" for a number.
    - `tolerance`: of the relative residual of each pair.

    **Returns:** an `Eigenpairs`, in ascending order of the real part or of the distance to `near`;
    `result.field(result.params[0], x)` is the first eigenfunction at a point. A complex pair has
    complex coefficients.

    **Raises:** `ValueError` for an operator or a weight that is not linear, a trial function or an
    operator that is not zero for u = 0, more states than independent features, fewer equations than
    coefficients, values that are not finite, or single precision; `TypeError`
    under jit, vmap or grad.

    **Notes:** warns of states that were not found, and of an eigenvalue that is left out between
    others since its residual exceeds the tolerance. An eigenvalue of an operator that is far from
    normal may be further off than its residual. Where M vanishes the features have to be
    independent elsewhere. Where a coefficient jumps at a, smooth features converge slowly: add
    those whose second derivative jumps, max(x - a, 0)² times polynomials.

    **Good values:** in one dimension `polynomial_features` of 5 functions per state and twice as
    many as the highest state has half-waves; three points per feature.

    **Source:** Hashemi, Nakatsukasa & Trefethen, "Rectangular eigenvalue problems" (2022).

    ```python
    op = lambda u, x: -jsci.laplacian(u)(x)
    features = jsci.pde.polynomial_features(square, [8, 8])
    trial = lambda f: jsci.pde.dirichlet(f, square)
    points = jsci.pde.sobol(square, 192)
    result = jsci.pde.eigenpairs(op, trial, features, points, states=1, tolerance=1e-3)
    ```
    """
    require_x64("eigenpairs()")
    _require_options(states, near, tolerance)
    field = trial(lambda params, x: params @ features(x))
    mass = (lambda u, x: u(x)) if weight is None else weight
    sides = {"op": residual(op, field), "weight": residual(mass, field)}
    now, later = jax.random.split(jax.random.key(0) if key is None else key)
    several = fresh is not None or has_samplers({"points": points})
    inside = drawn({"op": points}, {"op": op}, True, now)["op"]
    again = points if fresh is None else fresh
    outside = drawn({"op": again}, {"op": op}, True, later)["op"] if several else inside
    shape = count(features, inside[0], outputs)
    a, b = _rows(sides, inside, shape)
    pencil = orthonormalised(a, b)
    length, rank = pencil.operator.shape
    if states > rank:
        raise ValueError(
            f"states must be in 1 … {rank}: the features have {rank} independent functions, got "
            f"{states}. Give about {5 * states} features."
        )
    if not several:
        warn_of_interpolation(length, rank, "give more points, or fresh=")
    others = _rows(sides, outside, shape) if several else (a, b)
    values, vectors, residuals = _found(pencil, others, states, near, tolerance)
    params = _scaled(pencil.basis @ vectors).T.reshape(-1, *shape)
    made = map(jnp.asarray, (values, params, residuals))
    found, coefficients, left = made
    return Eigenpairs(found, coefficients, field, left, pencil.matrix.shape[0])


def _require_options(states: int, near: complex | None, tolerance: float) -> None:
    require_numbers(near, "near")
    if not isinstance(states, int | np.integer) or states < 1:
        raise ValueError(f"states must be a number of at least 1, got {states!r}.")
    if near is not None and not np.isfinite(near):
        raise ValueError(f"near must be finite, got {near!r}.")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be positive, got {tolerance!r}.")


def _rows(sides: dict[str, Callable], x: Array, shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The matrices of both sides at points, refused where they do not say all of the operators."""
    zero, places = np.zeros(shape), dict.fromkeys(sides, x)
    programs, factors = derivatives(sides, zero, places), dict.fromkeys(sides, 1.0)
    rows = rows_at(programs, factors, places, zero)
    require_finite(rows)
    a, b = (rows.matrix[np.array(rows.names) == name] for name in sides)
    if len(a) != len(b):
        raise ValueError(
            f"op has {len(a) // len(x)} components per point and weight {len(b) // len(x)}: L u = "
            "λ M u needs as many of both."
        )
    if len(a) < a.shape[1]:
        raise ValueError(
            f"eigenpairs() has {len(a)} equations for {a.shape[1]} coefficients: give about "
            f"{3 * a.shape[1]}."
        )
    _require_homogeneous(rows)
    elsewhere = np.random.default_rng(0).standard_normal(shape)
    _require_linear(rows, rows_at(programs, factors, places, elsewhere), elsewhere)
    return a, b


def _require_homogeneous(rows: Rows) -> None:
    for name, culprit in (
        ("weight", "The trial function or the weight"),
        ("op", "The operator"),
    ):
        if rows.of(name).any():
            worst = np.abs(rows.of(name)).max() * np.sqrt(len(rows.of(name)))
            raise ValueError(
                f"{culprit} is {worst:.2g} where all coefficients are zero, and must be zero "
                "there: an eigenproblem has neither sources nor boundary values other than zero."
            )


def _require_linear(rows: Rows, elsewhere: Rows, params: np.ndarray) -> None:
    expected = rows.matrix @ params.ravel()
    size = np.abs(rows.matrix) @ np.abs(params.ravel())
    for name, called in (("op", "The operator"), ("weight", "The weight")):
        here = np.array(rows.names) == name
        gap = np.linalg.norm((elsewhere.values - expected)[here])
        if not gap <= 1e-8 * np.linalg.norm(size[here]):
            raise ValueError(
                f"{called} is not linear in u: it differs by {gap:.2g} from the sum over its "
                "features. Solve a nonlinear problem by fit, with the eigenvalue as a parameter."
            )


def _found(pencil, others, states, near, tolerance):
    """The pairs that hold on other points, in order, refined until there are enough."""
    values, vectors = eigenpairs_of(pencil)
    sizes = sizes_of(values)
    plausible = _residuals(pencil, others, values, vectors, sizes) < _PLAUSIBLE
    values, vectors, sizes = values[plausible], vectors[:, plausible], sizes[plausible]
    order = _order(values, near)
    values, vectors, sizes = values[order], vectors[:, order], sizes[order]
    kept, dropped = [], []
    for i in clusters(values, sizes):
        if len(kept) >= states:
            break
        new, of_new = refined(pencil, values[i], vectors[:, i])
        left = _residuals(pencil, others, new, of_new, sizes[i])
        for pair in zip(new, of_new.T, left, strict=True):
            (kept if pair[2] <= tolerance else dropped).append(pair)
    _judge(kept, dropped, states, near, tolerance)
    if not kept:
        return np.zeros(0), np.zeros((len(pencil.matrix), 0)), np.zeros(0)
    found, of_found, left = (np.array(part) for part in zip(*kept, strict=True))
    order = _order(found, near)[:states]
    return found[order], of_found[order].T, left[order]


def _residuals(pencil, others, values, vectors, sizes) -> np.ndarray:
    a, b = (side @ (pencil.basis @ vectors) for side in others)
    return np.linalg.norm(a - b * values, axis=0) / (sizes * np.linalg.norm(b, axis=0))


def _order(values: np.ndarray, near: complex | None) -> np.ndarray:
    return np.argsort(np.real(values) if near is None else np.abs(values - near), kind="stable")


def _judge(kept: list, dropped: list, states: int, near: complex | None, tolerance: float) -> None:
    """Warn of states that are missing, at the end or between others."""
    count = min(len(kept), states)
    remedy = "give more features, those with the kinks of u if it has any, or a larger tolerance"
    if count < states:
        best = f", the best other one {min(d[2] for d in dropped):.1e}" if dropped else ""
        warnings.warn(
            f"eigenpairs() found {count} of {states} states with a residual on fresh points below "
            f"{tolerance:.0e}{best}: {remedy}.",
            stacklevel=4,
        )
        return
    rank = lambda pair: np.real(pair[0]) if near is None else abs(pair[0] - near)  # noqa: E731
    last = sorted(map(rank, kept))[states - 1]
    between = [pair for pair in dropped if rank(pair) < last]
    if between:
        value, _, left = min(between, key=lambda pair: pair[2])
        warnings.warn(
            f"eigenpairs() leaves out {len(between)} eigenvalues before the last one, such as "
            f"{value:.6g} with a residual of {left:.1e}: {remedy}.",
            stacklevel=4,
        )


def _scaled(vectors: np.ndarray) -> np.ndarray:
    """With the largest coefficient positive: |B c| is 1, and the sign or phase free."""
    if not vectors.size:
        return vectors
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], 0)
    return vectors * (largest.conj() / np.abs(largest))
