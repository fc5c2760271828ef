"""Non-negative factors of a tensor of any order."""

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Shaped

Loss = Literal["squared", "kl"]
_MOST_AXES = 25  # each has a letter, and the components have one more


class Factorisation(NamedTuple):
    """What `factorise` returns, for a tensor of shape (n₁, ..., n_d).

    - `weights`: of the components, (rank,), the largest first; not finite where the tensor was
        refused under `jit`.
    - `factors`: d of them, (n_m, rank), with columns of norm 1.
    - `error`: of the best restart, as a share of the tensor: |X - M| / |X|, or D(X | M) / Σ X.
    - `errors`: of all restarts, (restarts,).
    - `converged`: whether the last sweep of the best restart gained less than the tolerance.
    """

    weights: Float[Array, " rank"]
    factors: tuple[Float[Array, "_ rank"], ...]
    error: Float[Array, ""]
    errors: Float[Array, " restarts"]
    converged: Bool[Array, ""]

    @property
    def tensor(self) -> Float[Array, "..."]:
        """M, the sum of the components, of the shape of X."""
        return _model((self.factors[0] * self.weights[None], *self.factors[1:]))


def factorise(
    X: Shaped[Array | np.ndarray, "..."],
    rank: int,
    key: PRNGKeyArray,
    *,
    loss: Loss = "squared",
    mask: Shaped[Array | np.ndarray, "..."] | None = None,
    restarts: int = 1,
    max_steps: int = 500,
    tolerance: float = 1e-8,
) -> Factorisation:
    """Write a non-negative tensor as a sum of few non-negative products.

        X[i, j, ...] ≈ M[i, j, ...] = Σᵣ wᵣ a[i, r] b[j, r] ...,   all ≥ 0

    **Arguments:**

    - `X`: a matrix or a tensor of any order, (n₁, ..., n_d), without negative entries.
    - `rank`: the number of components.
    - `key`: a PRNG key for the initial factors.
    - `loss`: `"squared"` is the sum of squares, by hierarchical alternating least squares.
        `"kl"` is Σ X log(X/M) - X + M, the likelihood of counts, by multiplicative updates.
    - `mask`: of the shape of X, where it is known; other entries may be anything, also NaN.
    - `restarts`: of which the best is returned. They run side by side by `vmap`.
    - `max_steps`: sweeps over all factors.
    - `tolerance`: a restart ends once a sweep lowers its loss by no more than this share.

    **Returns:** `Factorisation`: `.weights`, `.factors`, `.tensor`, `.error`.

    **Raises:** `ValueError` for negative entries, entries that are not finite and not masked, a
    tensor of order below 2 or above 25, without entries or zero everywhere, a mask of another shape
    or one that hides all entries of an index, a rank, restarts or steps below 1, and a tolerance
    below 0; `TypeError` for complex X or a mask that is not boolean. Under `jit` such entries make
    weights and error NaN.

    **Notes:** the optimum is a local one, so use restarts. Not differentiable. Masked entries are
    filled with M before each sweep, so that the more are hidden the more sweeps it takes.

    **Good values:** 5 to 20 restarts; `"kl"` for counts with many zeros.

    **Source:** Cichocki & Phan, IEICE Trans. Fundam. E92-A, 708 (2009); Lee & Seung, NIPS 13
    (2001).

    ```python
    X = np.outer([1.0, 2.0], [3.0, 4.0])[:, :, None] * np.ones(5)
    out = jsci.analysis.factorise(X, 1, key)
    out.weights  # 25.00
    ```
    """
    if loss not in get_args(Loss):
        raise ValueError(f"loss must be one of {get_args(Loss)}, got {loss!r}.")
    if any(n < 1 or n % 1 for n in (rank, restarts, max_steps)):
        raise ValueError(
            "rank, restarts and max_steps must be whole numbers of at least 1, got "
            f"{rank}, {restarts} and {max_steps}."
        )
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be at least 0, got {tolerance}.")
    x, seen = _checked(X, mask)
    keys = jax.random.split(key, restarts)
    limits = jnp.asarray(max_steps), jnp.asarray(tolerance, x.dtype)
    return _solve(x, seen, keys, limits, rank, loss)


@eqx.filter_jit
def _solve(x, seen, keys, limits, rank, loss) -> Factorisation:
    """All restarts, and the best of them."""
    known = jnp.ones(x.shape, bool) if seen is None else seen
    valid = jnp.all(jnp.where(known, (x >= 0) & jnp.isfinite(x), True))
    x = jnp.where(known, x, 0)
    # In units of its mean a tensor needs no other scale, and squares do not overflow.
    scale = jnp.sum(x) / jnp.sum(known)
    x = x / jnp.where(valid, scale, jnp.nan)
    sweep, size = {"squared": (_hals, _norm), "kl": (_multiplicative, jnp.sum)}[loss]
    one = functools.partial(_descend, functools.partial(sweep, x, seen), size(x), limits)
    factors, converged = jax.vmap(lambda key: one(_initial(key, x.shape, rank, x.dtype)))(keys)
    if loss == "squared":  # a zero is infinitely far from a count
        factors = jax.tree.map(_without_floor, factors)
    errors = jax.vmap(functools.partial(_error, x, known, loss))(factors)
    best = jnp.argmin(errors)
    weights, factors = _normalised([a[best] for a in factors])
    return Factorisation(scale * weights, factors, errors[best], errors, converged[best])


def _descend(sweep: Callable, size, limits, factors):
    """Sweeps until one gains little; the factors, and whether that happened."""
    max_steps, tolerance = limits
    rounding = 4 * jnp.finfo(size.dtype).eps * size

    def is_going(state):
        _, value, gain, count = state
        return (count < max_steps) & (gain > tolerance * value + rounding)

    def body(state):
        factors, value, _, count = state
        factors, new = sweep(factors)
        return factors, new, value - new, count + 1

    inf = jnp.full_like(size, jnp.inf)
    first = factors, jnp.zeros_like(size), inf, jnp.asarray(0)
    # The first loss has none before it to gain from.
    first = body(first)[:2] + (inf, jnp.asarray(1))
    factors, value, gain, _ = jax.lax.while_loop(is_going, body, first)
    return factors, gain <= tolerance * value + rounding


def _hals(x, seen, factors):
    """One sweep of least squares, column by column, and the loss after it."""
    if seen is not None:
        x = jnp.where(seen, x, _model(factors))
    factors = list(factors)
    projected = gram = jnp.zeros(())
    for mode in range(x.ndim):
        projected, gram = _project(x, factors, mode), _gram_of_others(factors, mode)
        factors[mode] = _columns(factors[mode], projected, gram)
    last = factors[-1]
    # |X - M|² without forming M.
    rest = jnp.sum(gram * (last.T @ last)) - 2 * jnp.sum(projected * last)
    return _balanced(factors), jnp.sum(x**2) + rest


def _balanced(factors):
    """Columns of one norm in all factors of a component, so that the floor is small in each."""
    logs = jnp.stack([jnp.log(jnp.linalg.norm(f, axis=0)) for f in factors])
    scales = jnp.exp(jnp.mean(logs, axis=0, keepdims=True) - logs)
    return tuple(f * s[None] for f, s in zip(factors, scales, strict=True))


def _columns(factor, projected, gram):
    """Two rounds over the columns, each the least-squares one given the others."""
    floor, rank = jnp.finfo(factor.dtype).eps, factor.shape[1]

    def update(step, factor):
        r = step % rank
        change = (projected[:, r] - factor @ gram[:, r]) / gram[r, r]
        return factor.at[:, r].set(jnp.maximum(factor[:, r] + change, floor))

    return jax.lax.fori_loop(0, 2 * rank, update, factor)


def _multiplicative(x, seen, factors):
    """One sweep of updates that keep signs and lower the divergence, and the divergence."""
    known = jnp.ones_like(x) if seen is None else seen.astype(x.dtype)
    factors = list(factors)
    for mode in range(x.ndim):
        ratio = _project(x / _model(factors), factors, mode) / _project(known, factors, mode)
        factors[mode] = jnp.maximum(factors[mode] * ratio, jnp.finfo(x.dtype).eps)
    return tuple(factors), _divergence(x, known, factors)


def _divergence(x, known, factors):
    return jnp.sum(known * jax.scipy.special.kl_div(x, _model(factors)))


def _norm(x):
    return jnp.sum(x**2)


def _error(x, known, loss, factors):
    """As a share of the tensor, from the tensor itself: what the sweeps know has rounding in it."""
    if loss == "kl":
        return _divergence(x, known.astype(x.dtype), factors) / jnp.sum(x)
    return jnp.sqrt(_norm(jnp.where(known, x - _model(factors), 0)) / _norm(x))


def _letters(order: int) -> str:
    return "abcdefghijklmnopqrstuvwxy"[:order]


def _model(factors):
    """The sum of the components."""
    letters = _letters(len(factors))
    return jnp.einsum(",".join(f"{a}z" for a in letters) + f"->{letters}", *factors)


def _project(x, factors, mode):
    """X times all factors but one, (n_mode, rank)."""
    letters = _letters(x.ndim)
    others = [f"{a}z" for m, a in enumerate(letters) if m != mode]
    given = [f for m, f in enumerate(factors) if m != mode]
    return jnp.einsum(f"{','.join([letters, *others])}->{letters[mode]}z", x, *given)


def _gram_of_others(factors, mode):
    others = [f.T @ f for m, f in enumerate(factors) if m != mode]
    return functools.reduce(jnp.multiply, others)


def _initial(key, shape, rank, dtype):
    """Random factors of a tensor whose mean is 1."""
    size = 2.0 * rank ** (-1 / len(shape))
    keys = jax.random.split(key, len(shape))
    return tuple(
        size * jax.random.uniform(k, (n, rank), dtype, 0.01, 1.0)
        for k, n in zip(keys, shape, strict=True)
    )


def _without_floor(factor):
    """Zeros where the sweeps kept a component from dying for good."""
    return jnp.where(factor <= jnp.finfo(factor.dtype).eps, 0, factor)


def _normalised(factors):
    """Weights, the largest first, and columns of norm 1."""
    norms = [jnp.linalg.norm(f, axis=0) for f in factors]
    weights = functools.reduce(jnp.multiply, norms)
    order = jnp.argsort(-weights)
    unit = [f / jnp.where(n > 0, n, 1)[None] for f, n in zip(factors, norms, strict=True)]
    return weights[order], tuple(f[:, order] for f in unit)


def _checked(X, mask):
    """The tensor in floating point, and the mask."""
    x = jnp.asarray(X)
    if jnp.iscomplexobj(x):
        raise TypeError(f"X must be real, got {x.dtype}.")
    if not 2 <= x.ndim <= _MOST_AXES or x.size == 0:
        raise ValueError(
            f"X must be of order 2 to {_MOST_AXES} and have entries, got shape {x.shape}."
        )
    x = x.astype(jnp.result_type(x, 0.0))
    if mask is not None:
        mask = jnp.asarray(mask)
        if mask.dtype != bool:
            raise TypeError(f"mask must be boolean, True where X is known, got {mask.dtype}.")
        if mask.shape != x.shape:
            raise ValueError(f"mask must have the shape of X, {x.shape}, got {mask.shape}.")
    if not isinstance(x, Tracer) and not isinstance(mask, Tracer):
        _check_entries(np.asarray(x), None if mask is None else np.asarray(mask))
    return x, mask


def _check_entries(x, mask):
    """Those that are known: finite, not negative, not all zero, and some of every index."""
    known = np.ones(x.shape, bool) if mask is None else mask
    for axis in range(x.ndim):
        others = tuple(a for a in range(x.ndim) if a != axis)
        if (hidden := np.flatnonzero(~known.any(axis=others))).size:
            raise ValueError(
                f"mask hides all entries of index {hidden[0]} of axis {axis}, so nothing is known "
                "about its factor. Leave that index out."
            )
    entries = x[known]
    if not np.isfinite(entries).all():
        raise ValueError(
            f"X has {np.sum(~np.isfinite(entries))} entries that are not finite. Say by "
            "mask=np.isfinite(X) that they are unknown."
        )
    if (entries < 0).any():
        raise ValueError(
            f"X must not be negative, got {entries.min()} ({np.sum(entries < 0)} entries below "
            "zero). Shift or clip it, if that is what it means."
        )
    if not entries.any():
        raise ValueError("X is zero everywhere, so it has no factors.")
