"""Attention as a pure function: averages of values, with any normaliser."""

import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from .mask import Mask, allowed_points

Normaliser = Literal["softmax", "slices"] | Callable[[Float[Array, " points"]], Array] | None


def attention(
    query: Float[Array, "*heads queries features"],
    key: Float[Array, "*heads points features"],
    value: Float[Array, "*heads points channels"],
    weights: Float[Array, " points"] | None = None,
    *,
    mask: Mask | None = None,
    normaliser: Normaliser = "softmax",
) -> Float[Array, "*heads queries channels"]:
    """Averages of the values of points, weighted by how well their keys fit a query.

        u(y) = ∫ exp(q(y)·k(x)/√d) v(x) dx / ∫ exp(q(y)·k(x)/√d) dx,   ∫ f dx ≈ Σⱼ wⱼ f(xⱼ)

    With equal weights this is ordinary attention; with quadrature weights the result does not
    depend on where the points are dense.

    **Arguments:**

    - `query`, `key`, `value`: d features of each query `(queries, d)`, d features of each point
        `(points, d)`, and the values to average `(points, channels)`; with an axis of heads in
        front, one average per head.
    - `weights`: quadrature weights `(points,)`, positive; 0 leaves a point out. By default all
        are equal.
    - `mask`: True where a query may attend to a point, `(points,)` or `(queries, points)`.
    - `normaliser`: makes the scores of the logits q·k/√d. "softmax" divides every query among the
        points. "slices" divides every point among the queries, and each query averages what it
        gets, so that few queries summarise many points. A function maps the logits of one query to
        its scores, for example `FourierNormaliser` or `jax.nn.relu`; they are multiplied by the
        weights, and by 0 where masked. `None` is "softmax".

    **Returns:** the averages `(queries, channels)`, with the axis of heads in front if there is
    one.

    **Raises:** `ValueError` for shapes that do not fit, an unknown normaliser, weights that are
    negative, or a mask that leaves a query no point; `TypeError` for queries or keys that are
    complex, or a mask that is not of booleans.

    **Notes:** what is masked must be finite. Under jit, a query without a point gets NaN, and
    derivatives of the others stay finite. A function of a masked row gets logits 0 there, so that
    a mask equals leaving points out if it treats every entry by itself.

    **Source:** Vaswani et al., "Attention is all you need" (2017), equation 1; Berner et al.,
    "Principled Approaches for Extending Neural Architectures to Function Spaces" (2025), section on
    attention; slices: Wu et al., "Transolver" (2024), equation 2.

    ```python
    q, k, v = jax.random.normal(key, (3, 4, 50, 8))  # four heads
    u = jsci.nn.attention(q, k, v, jnp.full(50, 1 / 50))  # (4, 50, 8)
    ```
    """
    _check(query, key, value, weights, normaliser)
    logits = jnp.einsum("...qd,...pd->...qp", query, key) / math.sqrt(query.shape[-1])
    if weights is not None:
        weights = jnp.asarray(weights, logits.dtype)
    allowed = allowed_points(mask, logits.shape, "attention")
    if callable(normaliser):
        scores = _scores_by_rows(normaliser, logits, weights, allowed)
    else:
        scores = _softmax(logits, weights, allowed, slices=normaliser == "slices")
    averages = jnp.einsum("...qp,...pc->...qc", scores, value)
    if allowed is None:
        return averages
    return jnp.where(jnp.any(allowed, -1, keepdims=True), averages, jnp.nan)


def _softmax(logits: Array, weights: Array | None, allowed: Array | None, *, slices: bool) -> Array:
    if slices:
        logits = jax.nn.log_softmax(_without(logits, allowed, axis=-2), axis=-2)
    logits = _without(logits, allowed, axis=-1)
    if weights is not None:
        # The weight joins the exponent: a softmax that cannot overflow.
        logits = logits + jnp.log(weights).reshape((1,) * (logits.ndim - 1) + (-1,))
    return jax.nn.softmax(logits, axis=-1)


def _without(logits: Array, allowed: Array | None, axis: int) -> Array:
    """-∞ where not allowed, but where nothing along the axis is: a softmax of that has no slope."""
    if allowed is None:
        return logits
    some = jnp.any(allowed, axis, keepdims=True)
    return jnp.where(allowed, logits, jnp.where(some, -jnp.inf, 0.0).astype(logits.dtype))


def _scores_by_rows(
    normaliser: Callable[[Array], Array],
    logits: Array,
    weights: Array | None,
    allowed: Array | None,
) -> Array:
    logits = logits if allowed is None else jnp.where(allowed, logits, 0.0)
    rows = logits.reshape(-1, logits.shape[-1])
    scores = jax.vmap(normaliser)(rows)
    if scores.shape != rows.shape:
        raise ValueError(
            f"the normaliser must return a score per point, {rows.shape[1:]}; it returned "
            f"{scores.shape[1:]} for the logits of one query."
        )
    scores = scores.reshape(logits.shape)
    if weights is not None:
        scores = scores * weights.reshape((1,) * (logits.ndim - 1) + (-1,))
    return scores if allowed is None else jnp.where(allowed, scores, 0.0)


def _check(query, key, value, weights, normaliser) -> None:
    shapes = {"query": query.shape, "key": key.shape, "value": value.shape}
    fit = (
        min(map(len, shapes.values())) >= 2
        and query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
        and query.shape[-1] == key.shape[-1] >= 1
        and key.shape[-2] == value.shape[-2] >= 1
    )
    if not fit:
        raise ValueError(
            "attention takes queries (*heads, queries, d), keys (*heads, points, d) and values "
            f"(*heads, points, channels) with the same heads, d and points; got {shapes}."
        )
    if jnp.iscomplexobj(query) or jnp.iscomplexobj(key):
        raise TypeError(
            f"attention takes real queries and keys, got {query.dtype} and {key.dtype}: give real "
            "and imaginary parts as features."
        )
    if weights is not None:
        _check_weights(weights, key.shape[-2])
    if not callable(normaliser) and normaliser not in ("softmax", "slices", None):
        raise ValueError(
            f"normaliser is {normaliser!r}; allowed are 'softmax', 'slices' and a function of the "
            "logits of one query."
        )


def _check_weights(weights, points: int) -> None:
    if weights.shape != (points,):
        raise ValueError(f"weights must be one per point, ({points},); got {weights.shape}.")
    if not isinstance(weights, Tracer) and np.any(np.asarray(weights) < 0):
        raise ValueError(
            f"weights must not be negative, the least is {np.min(np.asarray(weights)):g}: "
            "attention needs a quadrature rule with positive weights."
        )
