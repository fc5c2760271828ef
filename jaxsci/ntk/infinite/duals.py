"""Dual activations in closed form: E φ(u) φ(v) and E φ'(u) φ'(v) of two Gaussian variables.

Each takes the covariance c of u and v and their variances q1, q2, arrays of one shape, and
returns both expectations; the second is the derivative of the first with respect to c.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Covariance = Float[Array, "*#entries"]
Dual = tuple[Covariance, Covariance]


def safe_sqrt(x: Covariance) -> Covariance:
    """√x, zero with a zero derivative where rounding made x negative or zero."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)


def root_determinant(c: Covariance, q1: Covariance, q2: Covariance) -> Covariance:
    """√(q1 q2 - c²) = √(q1 q2) sin θ, zero for angles that are no more than rounding.

    Kernels of rectifiers have a slope of 1/θ here: an input with itself must have none.
    """
    gap1, gap2 = q1 - jnp.abs(c), q2 - jnp.abs(c)
    square = jnp.abs(c) * (gap1 + gap2) + gap1 * gap2
    return safe_sqrt(jnp.where(square > 4 * jnp.finfo(c.dtype).eps * q1 * q2, square, 0))


def rectifier(c: Covariance, q1: Covariance, q2: Covariance, below: float, above: float) -> Dual:
    """φ(x) = above x for x > 0, below x for x < 0 (Cho and Saul 2009, orders 0 and 1)."""
    sine = root_determinant(c, q1, q2)
    both_zero = (sine == 0) & (c == 0)
    angle = jnp.arctan2(sine, jnp.where(both_zero, 1, c))
    bend, through = (above - below) ** 2, above * below
    steps = (jnp.pi - angle) / (2 * jnp.pi)
    value = bend * (sine / (2 * jnp.pi) + steps * c) + through * c
    return value, bend * steps + through


def erf(c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
    """φ = erf (Williams 1997)."""
    a, b = 1 + 2 * q1, 1 + 2 * q2
    value = 2 / jnp.pi * jnp.arcsin(2 * c / jnp.sqrt(a * b))
    return value, 4 / jnp.pi / jnp.sqrt(a * b - 4 * c**2)


def gelu(c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
    """φ(x) = x Φ(x), by Stein's lemma on the orthant probability of Φ(u) Φ(v)."""

    def value(c):
        a, b = 1 + q1, 1 + q2
        root = jnp.sqrt(a * b - c**2)
        orthant = c / 4 + c * jnp.arcsin(c / jnp.sqrt(a * b)) / (2 * jnp.pi)
        return orthant + (q1 * q2 + c**2 * (1 - q1 / a - q2 / b)) / (2 * jnp.pi * root)

    return jax.jvp(value, (c,), (jnp.ones_like(c),))


def sine(c: Covariance, q1: Covariance, q2: Covariance, frequency: float, phase: float) -> Dual:
    """φ(x) = sin(frequency x + phase), by the characteristic function of u ± v."""
    square = frequency**2
    near = jnp.exp(-square * (q1 + q2 - 2 * c) / 2) / 2
    far = jnp.exp(-square * (q1 + q2 + 2 * c) / 2) / 2 * jnp.cos(2 * jnp.asarray(phase, c.dtype))
    return near - far, square * (near + far)
