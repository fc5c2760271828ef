"""Bases of functions of one variable, evaluated for every entry of a vector, for `KAN`s."""

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ._dense import as_floats, check_sizes


class BSpline(eqx.Module):
    """Cubic B-splines on equal intervals of [low, high], in closed form.

        B_c(x) = β((x - x_c)/h),   β(s) = ((2 - |s|)₊³ - 4 (1 - |s|)₊³) / 6

    There is no Cox-de Boor recursion: one expression evaluates every spline at once. The splines
    sum to one on the interval and vanish 2h outside it, where a `KANLayer` continues its edges as
    straight lines.

    **Arguments:**

    - `intervals`: number of intervals; there are `intervals + 3` functions.
    - `low`, `high`: ends of the interval.

    Called with a vector `(inputs,)`; returns `(inputs, functions)`.

    **Raises:** `ValueError` unless `intervals` is positive and low < high.

    **Source:** de Boor, "A Practical Guide to Splines" (1978), chapter IX, for equal knots.

    ```python
    values = jsci.nn.BSpline(5)(jnp.array([0.1, 0.7]))  # (2, 8)
    ```
    """

    intervals: int = eqx.field(static=True, default=5)
    low: float = eqx.field(static=True, default=-1.0, converter=float)
    high: float = eqx.field(static=True, default=1.0, converter=float)

    def __check_init__(self) -> None:
        check_sizes(intervals=self.intervals)
        _check_interval(self.low, self.high)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, "inputs functions"]:
        centres = np.arange(-1, self.intervals + 2)
        unit = (x - self.low) * (self.intervals / (self.high - self.low))
        distance = jnp.abs(unit[:, None] - centres.astype(x.dtype)[None])
        outer, inner = jnp.maximum(2 - distance, 0), jnp.maximum(1 - distance, 0)
        return (outer**3 - 4 * inner**3) / 6


class Chebyshev(eqx.Module):
    """T_0 to T_n of tanh x, by T_{k+1} = 2 t T_k - T_{k-1}.

    **Arguments:**

    - `degree`: n; there are n + 1 functions. Good values: 3 to 8.

    Called with a vector `(inputs,)`; returns `(inputs, functions)`.

    **Raises:** `ValueError` for a degree that is not positive.

    ```python
    values = jsci.nn.Chebyshev(7)(jnp.array([0.1, 0.7]))  # (2, 8)
    ```
    """

    degree: int = eqx.field(static=True, default=7)

    def __check_init__(self) -> None:
        check_sizes(degree=self.degree)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, "inputs functions"]:
        t = jnp.tanh(x)
        rows = [jnp.ones_like(t), t]
        for _ in range(self.degree - 1):
            rows.append(2 * t * rows[-1] - rows[-2])
        return jnp.stack(rows, axis=-1)


class Fourier(eqx.Module):
    """cos kx and sin kx for k = 1 to n, by the angle-addition recursion.

    **Arguments:**

    - `degree`: n; there are 2n functions. Good values: 2 to 6.

    Called with a vector `(inputs,)`; returns `(inputs, functions)`.

    **Raises:** `ValueError` for a degree that is not positive.

    ```python
    values = jsci.nn.Fourier(4)(jnp.array([0.1, 0.7]))  # (2, 8)
    ```
    """

    degree: int = eqx.field(static=True, default=4)

    def __check_init__(self) -> None:
        check_sizes(degree=self.degree)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, "inputs functions"]:
        # Two transcendental functions per input, not 2n.
        cos, sin = [jnp.cos(x)], [jnp.sin(x)]
        for _ in range(self.degree - 1):
            c, s = cos[-1], sin[-1]
            cos.append(c * cos[0] - s * sin[0])
            sin.append(s * cos[0] + c * sin[0])
        return jnp.stack(cos + sin, axis=-1)


class Gaussians(eqx.Module):
    """exp(-((x - x_c)/h)²) at equally spaced centres with spacing h.

    **Arguments:**

    - `centres`: number of functions, at least 2.
    - `low`, `high`: the first and the last centre.

    Called with a vector `(inputs,)`; returns `(inputs, functions)`.

    **Raises:** `ValueError` for fewer than 2 centres, or unless low < high.

    ```python
    values = jsci.nn.Gaussians(8)(jnp.array([0.1, 0.7]))  # (2, 8)
    ```
    """

    centres: int = eqx.field(static=True, default=8)
    low: float = eqx.field(static=True, default=-1.0, converter=float)
    high: float = eqx.field(static=True, default=1.0, converter=float)

    def __check_init__(self) -> None:
        check_sizes(centres=self.centres)
        _check_interval(self.low, self.high)
        if self.centres < 2:
            raise ValueError("Gaussians need at least 2 centres, got 1.")

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, "inputs functions"]:
        step = (self.high - self.low) / (self.centres - 1)
        x = as_floats(x)
        places = np.linspace(self.low, self.high, self.centres).astype(x.dtype)
        return jnp.exp(-(((x[:, None] - places[None]) / step) ** 2))


class ActivationProducts(eqx.Module):
    """Bumps made of two activations, normalised over the entries of one sample.

        B_c(x) = (σ(x - l_c) σ(u_c - x))²,   divided by their L2 norm, then scaled to [0, 1]

    The bounds l_c and u_c are those of cubic B-splines. The authors' code normalises over a whole
    batch, so that the output of a sample depends on the others; here it does not.

    **Arguments:**

    - `intervals`: number of intervals of [low, high]; there are `intervals + 3` functions.
    - `low`, `high`: ends of the interval.
    - `activation`: σ, elementwise.

    Called with a vector `(inputs,)`; returns `(inputs, functions)`.

    **Raises:** `ValueError` unless `intervals` is positive and low < high.

    **Source:** Ta et al., "AF-KAN: Activation Function-Based Kolmogorov-Arnold Networks", 2025.

    ```python
    values = jsci.nn.ActivationProducts(5)(jnp.array([0.1, 0.7]))  # (2, 8)
    ```
    """

    intervals: int = eqx.field(static=True, default=5)
    low: float = eqx.field(static=True, default=-1.0, converter=float)
    high: float = eqx.field(static=True, default=1.0, converter=float)
    activation: Callable = eqx.field(static=True, default=jax.nn.silu)

    def __check_init__(self) -> None:
        check_sizes(intervals=self.intervals)
        _check_interval(self.low, self.high)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, "inputs functions"]:
        x = as_floats(x)
        step = (self.high - self.low) / self.intervals
        centres = self.low + step * np.arange(-1, self.intervals + 2)
        lower, upper = (centres + s * 2 * step for s in (-1, 1))
        rising = self.activation(x[:, None] - lower.astype(x.dtype)[None])
        falling = self.activation(upper.astype(x.dtype)[None] - x[:, None])
        bumps = (rising * falling) ** 2
        tiny = jnp.finfo(x.dtype).tiny
        bumps = bumps * jax.lax.rsqrt(jnp.sum(bumps**2) + tiny)
        low, high = jnp.min(bumps), jnp.max(bumps)
        return (bumps - low) / (high - low + jnp.finfo(x.dtype).eps)


class Mixture(eqx.Module):
    """Several bases side by side with learned shares, so that training also selects the basis.

        φ(x) = Σ_q α_q Σ_c w_qc B_qc(x),   α = softmax(logits)

    `KANLayer.select` keeps the bases with the largest shares. Outside its interval each basis
    continues as in a `KANLayer`.

    **Arguments:**

    - `bases`: the bases, such as `BSpline`; at least one.

    Called with a vector `(inputs,)`; returns `(inputs, functions)`, the functions of all bases.

    **Raises:** `ValueError` without bases.

    **Source:** selection among bases by a learned gate, as in S-KAN (selectable activations).

    ```python
    basis = jsci.nn.Mixture([jsci.nn.BSpline(5), jsci.nn.Chebyshev(7)])
    ```
    """

    bases: tuple[Callable[..., Any], ...]
    logits: Float[Array, " bases"]

    def __init__(self, bases: Sequence[Callable[..., Any]]):
        if not bases:
            raise ValueError("Mixture needs at least one basis, got none.")
        self.bases = tuple(bases)
        self.logits = jnp.zeros(len(self.bases))

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, "inputs functions"]:
        shares = jax.nn.softmax(self.logits).astype(x.dtype)
        return jnp.concatenate(
            [s * continued(basis, x) for s, basis in zip(shares, self.bases, strict=True)], -1
        )


def continued(basis: Callable, x: Float[Array, " inputs"]) -> Float[Array, "inputs functions"]:
    """The values of a basis; splines and Gaussians continue as straight lines outside their
    interval.

    They would otherwise vanish there, and sooner on finer grids.
    """
    return _continued(basis, as_floats(x)) if isinstance(basis, BSpline | Gaussians) else basis(x)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _continued(basis, x):
    inside, ends = _nearest_inside(basis, x), _end_slopes(basis, x.dtype)
    slopes = jnp.where((x > basis.high)[:, None], ends[None, 1], ends[None, 0])
    return basis(inside) + (x - inside)[:, None] * slopes


@_continued.defjvp
def _continued_jvp(basis, primals, tangents):
    # By hand: the slope is that of the basis at the nearest point inside, which halves the work.
    (x,), (dx,) = primals, tangents
    inside = _nearest_inside(basis, x)
    slopes = jax.jvp(basis, (inside,), (jnp.ones_like(inside),))[1]
    return _continued(basis, x), dx[:, None] * slopes


def _nearest_inside(basis, x):
    low, high = np.array([basis.low, basis.high]).astype(x.dtype)
    # With `where`, since `clip` has half the slope at an end.
    return jnp.where((x >= low) & (x <= high), x, jnp.clip(x, low, high))


@lru_cache(maxsize=64)
def _end_slopes(basis, dtype) -> Float[np.ndarray, "2 functions"]:
    with jax.ensure_compile_time_eval():
        ends = jnp.asarray([basis.low, basis.high], dtype)
        return np.asarray(jax.jvp(basis, (ends,), (jnp.ones_like(ends),))[1])


def warn_outside(basis: Callable, x: Float[Array, " inputs"], name: str):
    """Warn of inputs outside the interval of a basis, if their values are known."""
    bases = basis.bases if isinstance(basis, Mixture) else (basis,)
    limited = [b for b in bases if isinstance(b, BSpline | Gaussians | ActivationProducts)]
    if not limited or isinstance(x, Tracer):
        return
    low, high = max(b.low for b in limited), min(b.high for b in limited)
    values = np.asarray(x)
    slack = 1e-5 * (high - low)  # for rounding
    outside = values[(values < low - slack) | (values > high + slack)]
    if outside.size:
        warnings.warn(
            f"{name} got inputs outside the interval [{low:g}, {high:g}] of its basis, such as "
            f"{float(outside[0]):.4g}: its functions are only learned inside. Scale the inputs, or "
            "choose low and high of the basis to contain them.",
            stacklevel=3,
        )


def count(basis: Callable) -> int:
    """The number of functions of a basis."""
    x = jax.ShapeDtypeStruct((1,), jnp.result_type(float))
    return eqx.filter_eval_shape(basis, x).shape[-1]


def _check_interval(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"low must be below high, got {low} and {high}.")
