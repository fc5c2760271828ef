"""Dual activations in closed form: E φ(u) φ(v) and E φ'(u) φ'(v) of two Gaussian variables.

Each takes the covariance c of u and v and their variances q1, q2, arrays of one shape, and
returns both expectations; the second is the derivative of the first with respect to c.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .angle import angle, safe_sqrt

Covariance = Float[Array, "*#entries"]
Dual = tuple[Covariance, Covariance]


def root_determinant(c: Covariance, q1: Covariance, q2: Covariance) -> Covariance:
    """√(q1 q2 - c²) = √(q1 q2) sin θ, zero for angles within rounding.

    Kernels of rectifiers have a slope of 1/θ here: an input with itself must have none.
    """
    gap1, gap2 = q1 - jnp.abs(c), q2 - jnp.abs(c)
    square = jnp.abs(c) * (gap1 + gap2) + gap1 * gap2
    return safe_sqrt(jnp.where(square > 4 * jnp.finfo(c.dtype).eps * q1 * q2, square, 0))


def rectifier(c: Covariance, q1: Covariance, q2: Covariance, below: float, above: float) -> Dual:
    """φ(x) = above x for x > 0, below x for x < 0 (Cho and Saul 2009, orders 0 and 1).

    Kernels of this homogeneous function grow or vanish with depth; their products, unlike their
    ratios, would leave the range of float32.
    """
    scale = safe_sqrt(q1) * safe_sqrt(q2)
    unit = jnp.where(scale > 0, scale, 1)
    cosine = c / unit
    sine = root_determinant(cosine, q1 / unit, q2 / unit)
    bend, through = (above - below) ** 2, above * below
    steps = (jnp.pi - angle(cosine, sine)) / (2 * jnp.pi)
    value = bend * (scale * sine / (2 * jnp.pi) + steps * c) + through * c
    return value, bend * steps + through


def erf(c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
    """φ = erf (Williams 1997)."""
    root = jnp.sqrt((1 + 2 * q1) * (1 + 2 * q2) - 4 * c**2)
    return 1 - 2 / jnp.pi * angle(2 * c, root), 4 / jnp.pi / root


def gelu(c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
    """φ(x) = x Φ(x), by Stein's lemma on the orthant probability of Φ(u) Φ(v)."""

    product, scale = q1 * q2, (1 + q1) * (1 + q2)
    root = jnp.sqrt(scale - c**2)
    orthant = (jnp.pi - angle(c, root)) / (2 * jnp.pi)  # E Φ(u) Φ(v)
    bend = (1 - product) / scale
    smooth = (product + c**2 * bend) / root
    value = c * orthant + smooth / (2 * jnp.pi)
    slope = orthant + c * (1 + 2 * bend + smooth / root) / (2 * jnp.pi * root)
    return value, slope


def sine(c: Covariance, q1: Covariance, q2: Covariance, frequency: float, phase: float) -> Dual:
    """φ(x) = sin(frequency x + phase), by the characteristic function of u ± v."""
    square = frequency**2
    near = jnp.exp(-square * (q1 + q2 - 2 * c) / 2) / 2
    far = jnp.exp(-square * (q1 + q2 + 2 * c) / 2) / 2 * jnp.cos(2 * jnp.asarray(phase, c.dtype))
    return near - far, square * (near + far)
