"""FIRE: descent by inertia, which is lost where the way goes up."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

# With the parameters of its paper: growth and decay of the step, damping, and patience.
_GROW, _SHRINK, _DAMP, _CALM, _PATIENCE = 1.1, 0.5, 0.25, 0.99, 20
_FIRST, _LARGEST = 0.1, 0.5  # steps of time


class Fire(NamedTuple):
    """The velocity, and how the next step is taken."""

    v: Array
    dt: Array
    damping: Array
    good: Array  # steps downhill in a row


def start(x: Array) -> Fire:
    first, damp = (jnp.asarray(value, x.dtype) for value in (_FIRST, _DAMP))
    return Fire(jnp.zeros_like(x), first, damp, jnp.array(0))


def move(s: Fire, _: Array, force: Array) -> tuple[Array, Fire]:
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
    return dt * v, Fire(v, dt, damping, good)
