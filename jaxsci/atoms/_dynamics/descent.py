"""Ways downhill: the next step of a relaxation, from the forces so far."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

_FARTHEST = 0.2  # Å, of a coordinate in one step
# FIRE, with the parameters of its paper: growth and decay of the step, damping, and patience.
_GROW, _SHRINK, _DAMP, _CALM, _PATIENCE = 1.1, 0.5, 0.25, 0.99, 20
_FIRST, _LARGEST = 0.1, 0.5  # steps of time
# L-BFGS: steps remembered, and the inverse curvature (Å²/eV) before the first.
_MEMORY, _SOFTNESS = 20, 1 / 70
_LEAST = 1e-8  # cosine between a step and the change of forces, below which curvature is noise


class Descent(NamedTuple):
    """A method as two functions: `start(x)`, and `step(state, x, force)` to `(x, state)`."""

    start: Callable[[Array], PyTree]
    step: Callable[[PyTree, Array, Array], tuple[Array, PyTree]]


class _Fire(NamedTuple):
    v: Array
    dt: Array
    damping: Array
    good: Array  # steps downhill in a row


def _fire_start(x: Array) -> _Fire:
    first, damp = (jnp.asarray(value, x.dtype) for value in (_FIRST, _DAMP))
    return _Fire(jnp.zeros_like(x), first, damp, jnp.array(0))


def _fire_step(s: _Fire, x: Array, force: Array) -> tuple[Array, _Fire]:
    """Speed is kept downhill, and lost where the way goes up."""
    downhill = jnp.sum(force * s.v) > 0
    speed = jnp.sqrt(jnp.sum(s.v**2))
    along = force / jnp.maximum(jnp.sqrt(jnp.sum(force**2)), jnp.finfo(force.dtype).tiny)
    v = jnp.where(downhill, (1 - s.damping) * s.v + s.damping * speed * along, 0.0)
    good = jnp.where(downhill, s.good + 1, 0)
    faster = jnp.minimum(s.dt * _GROW, _LARGEST)
    dt = jnp.where(good > _PATIENCE, faster, jnp.where(downhill, s.dt, s.dt * _SHRINK))
    damping = jnp.where(good > _PATIENCE, s.damping * _CALM, jnp.where(downhill, s.damping, _DAMP))
    v = v + dt * force
    return x + _limited(dt * v), _Fire(v, dt, damping, good)


class _Memory(NamedTuple):
    x: Array
    force: Array
    steps: Float[Array, "memory n 3"]  # the latest last, zero where there was none yet
    slopes: Float[Array, "memory n 3"]
    softness: Array


def _lbfgs_start(x: Array) -> _Memory:
    none = jnp.zeros((_MEMORY, *x.shape), x.dtype)
    return _Memory(x, jnp.zeros_like(x), none, none, jnp.asarray(_SOFTNESS, x.dtype))


def _lbfgs_step(s: _Memory, x: Array, force: Array) -> tuple[Array, _Memory]:
    """The step of Newton's method, with the curvature of the last steps."""
    step, slope = x - s.x, s.force - force
    product, size = jnp.sum(step * slope), jnp.sqrt(jnp.sum(step**2) * jnp.sum(slope**2))
    convex = product > _LEAST * size
    steps, slopes = (
        jnp.where(convex, jnp.roll(old, -1, axis=0).at[-1].set(new), old)
        for old, new in ((s.steps, step), (s.slopes, slope))
    )
    softness = jnp.where(convex, product / jnp.where(convex, jnp.sum(slope**2), 1.0), s.softness)
    move = _newton(force, steps, slopes, softness)
    downhill = jnp.sum(move * force) > 0
    steps = jnp.where(downhill, steps, 0.0)  # forgets what led uphill
    move = jnp.where(downhill, move, _SOFTNESS * force)
    return x + _limited(move), _Memory(x, force, steps, slopes, softness)


def _newton(force: Array, steps: Array, slopes: Array, softness: Array) -> Array:
    """The inverse Hessian times the force, by the recursion of two loops."""
    products = jnp.sum(steps * slopes, axis=(1, 2))
    inverse = jnp.where(products > 0, 1 / jnp.where(products > 0, products, 1.0), 0.0)

    def back(q, pair):
        step, slope, inv = pair
        share = inv * jnp.sum(step * q)
        return q - share * slope, share

    def forth(r, pair):
        step, slope, inv, share = pair
        return r + (share - inv * jnp.sum(slope * r)) * step, None

    q, shares = jax.lax.scan(back, force, (steps, slopes, inverse), reverse=True)
    return jax.lax.scan(forth, softness * q, (steps, slopes, inverse, shares))[0]


def _limited(move: Array) -> Array:
    """No row longer than the farthest step, all shortened alike."""
    longest = jnp.sqrt(jnp.max(jnp.sum(move**2, axis=1)))
    return move * jnp.minimum(1.0, _FARTHEST / jnp.maximum(longest, jnp.finfo(move.dtype).tiny))


METHODS = {
    "fire": Descent(_fire_start, _fire_step),
    "lbfgs": Descent(_lbfgs_start, _lbfgs_step),
}
