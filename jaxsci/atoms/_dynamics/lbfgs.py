"""L-BFGS: Newton's steps, with the curvature of the last ones."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_MEMORY, _SOFTNESS = 20, 1 / 70  # steps remembered, and the inverse curvature (Å²/eV) before them
_LEAST = 1e-8  # cosine between a step and the change of forces, below which curvature is noise


class Memory(NamedTuple):
    """The last steps, and how the forces changed."""

    x: Array
    force: Array
    steps: Float[Array, "memory n 3"]  # the latest last, zero where there was none yet
    slopes: Float[Array, "memory n 3"]
    softness: Array


def start(x: Array) -> Memory:
    none = jnp.zeros((_MEMORY, *x.shape), x.dtype)
    return Memory(x, jnp.zeros_like(x), none, none, jnp.asarray(_SOFTNESS, x.dtype))


def move(s: Memory, x: Array, force: Array) -> tuple[Array, Memory]:
    """The step of Newton's method, with the curvature of the last steps."""
    step, slope = x - s.x, s.force - force
    product, size = jnp.sum(step * slope), jnp.sqrt(jnp.sum(step**2) * jnp.sum(slope**2))
    convex = product > _LEAST * size
    steps, slopes = (
        jnp.where(convex, jnp.roll(old, -1, axis=0).at[-1].set(new), old)
        for old, new in ((s.steps, step), (s.slopes, slope))
    )
    softness = jnp.where(convex, product / jnp.where(convex, jnp.sum(slope**2), 1.0), s.softness)
    change = _newton(force, steps, slopes, softness)
    downhill = jnp.sum(change * force) > 0
    steps = jnp.where(downhill, steps, 0.0)  # forgets what led uphill
    change = jnp.where(downhill, change, _SOFTNESS * force)
    return change, Memory(x, force, steps, slopes, softness)


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
