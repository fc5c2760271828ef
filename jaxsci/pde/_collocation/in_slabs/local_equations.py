"""An equation by derivatives of the features at its points, which are the same in all slabs.

An equation that looks at u nowhere else than at its own point sees no more of F than derivatives,

    r = R(T, x),   T_α = D^α F(z) = D^α F(z) at the start of the slab + Σ_j c_j M_αj

with z where the trial function evaluates F. For R, F is the Taylor polynomial Σ T_α (y - z)^α / α!.
With F's own term (t - t_k)^m Σ_j c_j φ_j(x, (t - t_k) / h), the matrix M_α is h^(m - α_t) times
that of h = 1. So the features are differentiated once, and every further slab and step costs
products of matrices.

What looks elsewhere, such as an integral, a delay, or a trial function of several places, is found
by a test function whose derivatives are known, at the points of each slab, and left to others.
"""

import functools
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ....core import compiled_call, program, vmap
from ..rows import flat_residual, require_numbers
from .slabs import Orders, State

Alphas = Sequence[tuple[int, ...]]

_HIGHEST = 4  # of the derivatives that an equation may have
_AT_ONCE = 2048  # points
_MOST = 2**26  # numbers that are kept: half a GiB
_ROUNDING = 1e-9


class Elsewhere(Exception):
    """The trial function does not evaluate F once at one place, the same in all slabs."""


class LocalEquation:
    """R and M of one equation at points whose last coordinate is the share of a slab.

    Raises `Elsewhere` where the equation sees more than derivatives, at the times of `whole`.
    """

    def __init__(
        self,
        op: Callable,
        trial: Callable,
        features: Callable,
        orders: Orders,
        points: Float[Array, "m dim"],
        shape: tuple[int, ...],
        whole: State,
        first: State,
    ):
        self.points, self.shape = points, shape
        self.orders = np.broadcast_to(np.asarray(orders), (math.prod(shape[:-1]),))
        dim = points.shape[1]
        self.alphas = _up_to(_HIGHEST, dim)
        taylor = functools.partial(_taylor, self.alphas)
        x = points_at(points, whole)
        place = functools.partial(_place, trial, shape)
        self._places = program(lambda x: jax.vmap(place)(x), x)
        z = self._place_of(x)
        table = np.zeros((len(x), *shape[:-1], len(self.alphas)))
        self._residual = program(_Local(op, trial, taylor, shape), jnp.asarray(table), x, z)
        self._test = _TestFunction.over(z, shape)
        self._direct = program(_Direct(op, trial, shape), self._test, x)
        found = [self._values(t, x, z)[1] for t in (table, self._test.table(self.alphas, z))]
        seen = np.any([(g != 0).reshape(-1, g.shape[-1]).any(0) for g in found], axis=0)
        self.used = np.flatnonzero(seen).tolist()
        if not (seen.any() and self._sees_no_more(x, z)):
            raise Elsewhere
        x = points_at(points, first)
        z = self._place_of(x)
        self._where = self._in_slab(z, first)
        used = [self.alphas[i] for i in self.used]
        distinct = sorted(set(self.orders.tolist()))
        self._times = np.array([alpha[-1] for alpha in used])
        spatial = sorted({alpha[:-1] for alpha in used})
        self._spatial = np.array([spatial.index(alpha[:-1]) for alpha in used])
        ends = 0 if not max(distinct) else len(spatial) * (1 if max(distinct) < 2 else 2)
        if len(z) * shape[-1] * (len(used) * len(distinct) + ends) > _MOST:
            raise Elsewhere
        at = jnp.asarray(self._where)
        own = _Jets(features, tuple(used), tuple(distinct), shape[-1])
        end = _EndJets(features, tuple(spatial), max(distinct) > 1, shape[-1])
        found = compiled_call(lambda at: (own(at), end(at)), at)
        require_numbers(found, "A feature")
        of_own, self._end = map(np.asarray, found)
        self._own = dict(zip(distinct, of_own, strict=True))

    def fits(self, state: State) -> bool:
        """Whether the equation is R at the points of this slab, with F where it was."""
        x = points_at(self.points, state)
        z = self._place_of(x)
        start, h = float(state.time), float(state.length)
        rounding = 1e-12 + 8 * np.finfo(float).eps * abs(start) / h
        gap = np.abs(self._in_slab(z, state) - self._where)
        size = 1 + np.abs(self._where)
        return bool((gap <= rounding * size).all()) and self._sees_no_more(x, z)

    def at(self, state: State) -> Callable:
        """`f(c, with_matrix)`: values (m, p), and the matrix (m p, c.size) or None."""
        x = points_at(self.points, state)
        z, begin = self._place_of(x), self._begin(state)
        scale = {o: float(state.length) ** (o - self._times) for o in self._own}

        def values(c: np.ndarray, with_matrix: bool):
            rows = np.reshape(c, (-1, self.shape[-1]))
            parts = [
                self._own[o] @ row * scale[o] for o, row in zip(self.orders, rows, strict=True)
            ]
            table = np.zeros((len(x), len(rows), len(self.alphas)))
            table[..., self.used] = begin + np.stack(parts, axis=1)
            table = table.reshape(len(x), *self.shape[:-1], -1)
            value, slopes = self._values(table, x, z)
            if not with_matrix:
                return value, None
            slopes = slopes.reshape(*value.shape, len(rows), -1)[..., self.used]
            by_component = [
                (slopes[:, :, k] * scale[o]) @ self._own[o] for k, o in enumerate(self.orders)
            ]
            return value, np.stack(by_component, axis=2).reshape(value.size, -1)

        return values

    def _begin(self, state: State) -> Float[np.ndarray, "m outputs used"]:
        """D^α of what the earlier slabs hand over."""

        def handed(coefficients: Sequence[Array]) -> np.ndarray:
            rows = [np.reshape(c, (-1, self.shape[-1])).T for c in coefficients]
            parts = [jets @ row for jets, row in zip(self._end, rows, strict=False)]
            return np.sum(parts, axis=0)[:, self._spatial]  # (m, used, outputs)

        value = handed([state.value, state.slope_value])
        if max(self.orders) < 2:
            found = np.where(self._times[:, None] == 0, value, 0.0)
        else:
            rate = handed([state.rate, state.slope_rate])
            since = float(state.length) * self._where[:, -1, None, None]
            choices = [value + since * rate, rate, 0 * rate]
            found = np.choose(np.minimum(self._times, 2)[:, None], choices)
        return np.moveaxis(found, 1, 2)

    def _values(self, table, x, z) -> tuple[np.ndarray, np.ndarray]:
        slopes, values = compiled_call(self._residual, jnp.asarray(table), x, z)
        return np.asarray(values), np.asarray(slopes)

    def _sees_no_more(self, x: Array, z: Array) -> bool:
        """Whether R is the equation for a function whose derivatives are known."""
        table = self._test.table(self.alphas, z)
        value, slopes = self._values(table, x, z)
        direct = np.asarray(compiled_call(self._direct, self._test, x))
        slopes = slopes.reshape(*value.shape, -1, len(self.alphas))
        terms = np.abs(slopes * table.reshape(len(x), 1, -1, len(self.alphas))).sum((-1, -2))
        unused = np.delete(slopes, self.used, axis=-1)
        gap = np.abs(value - direct)
        return bool(np.all(gap <= _ROUNDING * (terms + np.abs(direct)))) and not unused.any()

    def _place_of(self, x: Array) -> Array:
        try:
            z = compiled_call(self._places, x)
        except jax.errors.UnexpectedTracerError as e:  # F is evaluated within a derivative
            raise Elsewhere from e
        return z

    @staticmethod
    def _in_slab(z: Array, state: State) -> np.ndarray:
        """Places with the time as a share of the slab."""
        shares = (np.asarray(z[:, -1:]) - float(state.time)) / float(state.length)
        return np.concatenate([np.asarray(z[:, :-1]), shares], axis=1)


def points_at(points: Float[Array, "m dim"], state: State) -> Float[Array, "m dim"]:
    """Points whose last coordinate is the time in the slab of a state."""
    return points.at[:, -1].set(state.time + state.length * points[:, -1])


def _up_to(order: int, dim: int) -> Alphas:
    """Multi-indices of this total order at most."""
    counts = itertools.product(range(order + 1), repeat=dim)
    return [alpha for alpha in counts if sum(alpha) <= order]


def _place(trial: Callable, shape: tuple[int, ...], x: Float[Array, " dim"]) -> Array:
    """Where the trial function of x evaluates F."""
    seen = []

    def probe(_, y):
        seen.append(y)
        return jnp.zeros(shape[:-1])

    trial(probe)(jnp.zeros(shape), x)
    if len(seen) != 1 or jnp.shape(seen[0]) != x.shape:
        raise Elsewhere
    return seen[0]


def _taylor(alphas: Alphas, table: Array, place: Array) -> Callable:
    """F(params, y) = Σ_α T_α (y - z)^α / α!, whose derivatives at z are T."""
    index = np.array(alphas)
    factorials = np.array([math.prod(map(math.factorial, alpha)) for alpha in alphas], float)

    def free(_, y):
        since = y - place
        powers = [jnp.ones_like(since)]
        for _ in range(index.max(initial=0)):
            powers.append(powers[-1] * since)
        powers = jnp.stack(powers)
        each = [powers[index[:, i], i] for i in range(len(place))]
        return table @ (functools.reduce(operator.mul, each) / factorials)

    return free


class _Local(eqx.Module):
    """∂R/∂T and R at all points."""

    op: Callable
    trial: Callable
    taylor: Callable
    shape: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, tables, points, places):
        def value(table, x, place):
            y = _residual(self.op, self.trial, self.shape, self.taylor(table, place), x)
            return y, y

        of_one = jax.jacrev(value, has_aux=True)
        return vmap(of_one, batch_size=_AT_ONCE)(tables, points, places)


class _Direct(eqx.Module):
    """The equation for a given F at all points."""

    op: Callable
    trial: Callable
    shape: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, test, points):
        of_one = lambda x: _residual(self.op, self.trial, self.shape, lambda _, y: test(y), x)  # noqa: E731
        return vmap(of_one, batch_size=_AT_ONCE)(points)


def _residual(op: Callable, trial: Callable, shape: tuple[int, ...], free: Callable, x: Array):
    u = trial(free)
    return flat_residual(op(lambda y: u(jnp.zeros(shape), y), x))


class _TestFunction(eqx.Module):
    """sin(k·(y - m) + shift): every derivative is there, and known."""

    waves: Float[Array, " dim"]
    middle: Float[Array, " dim"]
    shifts: Float[Array, "*outputs"]

    @classmethod
    def over(cls, z: Array, shape: tuple[int, ...]) -> "_TestFunction":
        low, high = np.min(z, axis=0), np.max(z, axis=0)
        half = np.where(high > low, high - low, 1.0) / 2
        waves = (1.0 + 0.3 * np.sin(np.arange(len(low)))) / half
        shifts = 1.0 + np.arange(math.prod(shape[:-1])).reshape(shape[:-1])
        return cls(*map(jnp.asarray, (waves, (low + high) / 2, shifts)))

    def __call__(self, y: Float[Array, " dim"]) -> Array:
        return jnp.sin(self.waves @ (y - self.middle) + self.shifts)

    def table(self, alphas: Alphas, z: Array) -> Float[np.ndarray, "m *outputs alphas"]:
        waves, middle, shifts = map(np.asarray, (self.waves, self.middle, self.shifts))
        angle = ((np.asarray(z) - middle) @ waves).reshape(-1, *[1] * shifts.ndim) + shifts
        factor = np.prod(waves ** np.array(alphas), axis=1)
        return factor * np.sin(angle[..., None] + np.pi / 2 * np.sum(alphas, axis=1))


class _Jets(NamedTuple):
    """D^α τ^m φ(x, τ) at all places, (orders, places, alphas, n), for each order m."""

    features: Callable
    alphas: tuple[tuple[int, ...], ...]
    orders: tuple[int, ...]
    n: int

    def __call__(self, places):
        def of_one(z):
            grown = lambda m: lambda y: y[-1] ** m * self.features(y)  # noqa: E731
            return jnp.stack([_derivatives(grown(m), z, self.alphas) for m in self.orders])

        batch_size = max(16, 2**20 // self.n)
        return jnp.moveaxis(vmap(of_one, batch_size=batch_size)(places), 1, 0)


class _EndJets(NamedTuple):
    """D^α φ(x, 1), and of its slope in time, by space: (1 or 2, places, alphas, n)."""

    features: Callable
    alphas: tuple[tuple[int, ...], ...]
    slope: bool
    n: int

    def __call__(self, places):
        times = range(2 if self.slope else 1)

        def of_one(z):
            z = z.at[-1].set(1.0)
            each = [[(*alpha, k) for alpha in self.alphas] for k in times]
            return jnp.stack([_derivatives(self.features, z, alphas) for alphas in each])

        batch_size = max(16, 2**20 // self.n)
        return jnp.moveaxis(vmap(of_one, batch_size=batch_size)(places), 1, 0)


def _derivatives(f: Callable, z: Float[Array, " dim"], alphas: Alphas) -> Array:
    """D^α f(z), stacked. What they share is computed once, as XLA finds it."""

    def once(f: Callable, axis: int) -> Callable:
        direction = jnp.zeros_like(z).at[axis].set(1.0)
        return lambda y: jax.jvp(f, (y,), (direction,))[1]

    def derivative(alpha: tuple[int, ...]) -> Callable:
        axes = [axis for axis, order in enumerate(alpha) for _ in range(order)]
        return functools.reduce(once, axes, f)

    return jnp.stack([derivative(alpha)(z) for alpha in alphas])
