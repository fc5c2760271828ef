"""Orthant probabilities of two correlated Gaussian variables, and the dual of ELU from them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr

from ....numerics import gauss_legendre
from .angle import safe_sqrt
from .duals import Covariance, Dual, rectifier, root_determinant

_NODES, _WEIGHTS = gauss_legendre(np.array([0.0, 1.0]), 24)


def scaled_orthant(
    h: Covariance, k: Covariance, cosine: Covariance, sine: Covariance, log_scale: Covariance
) -> Covariance:
    """exp(log_scale) P(z₁ < h, z₂ < k) for standard Gaussians of correlation ρ = cos θ.

        P = Φ(h) Φ(k) + 1/(2π) ∫ exp(-(h - k)² / (2 sin² s) - h k / (1 + cos s)) ds,  θ < s < π/2

    The scale is added to the exponents, so that large multiples of small probabilities stay exact.
    For ρ < 0 the integral is that of -ρ and -k with a minus sign. In v = tan(s/2) the integrand has
    no trigonometric functions. Near ρ = 1 it bends at v ~ |h - k|, which nodes in the fourth root
    of v resolve at any scale.
    """
    sign = jnp.where(cosine < 0, -1.0, 1.0).astype(cosine.dtype)
    low = safe_sqrt(safe_sqrt(sine / (1 + jnp.abs(cosine))))
    far, near = (h - sign * k) ** 2 / 8, sign * h * k / 2
    nodes, weights = (jnp.asarray(a, cosine.dtype) for a in (_NODES, _WEIGHTS))

    def add(i, total):
        w = low + (1 - low) * nodes[i]
        v = w**4
        more = 1 + v**2
        measure = sign * weights[i] * (1 - low) * 8 * w**3 / (more * 2 * jnp.pi)
        return total + measure * jnp.exp(log_scale - far * (more / v) ** 2 - near * more)

    product = jnp.exp(log_scale + log_ndtr(h) + log_ndtr(k))
    return jax.lax.fori_loop(0, nodes.size, add, product)


def elu(c: Covariance, q1: Covariance, q2: Covariance, alpha: float, scale: float) -> Dual:
    """φ(x) = scale · (x for x > 0, alpha (eˣ - 1) for x < 0).

    An exponential shifts the means of Gaussians (E eᵘ f(u, v) = e^(q1/2) E f(u + q1, v + c)), so
    every part is an orthant probability or a mean over one.
    """
    tiny = jnp.finfo(c.dtype).tiny ** 0.5
    q1, q2 = jnp.maximum(q1, tiny), jnp.maximum(q2, tiny)
    s1, s2 = jnp.sqrt(q1), jnp.sqrt(q2)
    root = root_determinant(c, q1, q2)
    cosine, sine = c / (s1 * s2), root / (s1 * s2)
    zero = jnp.zeros_like(c)

    def below(m1, m2, log_scale):  # both arguments negative, after shifts of the means
        return scaled_orthant(-m1 / s1 + zero, -m2 / s2 + zero, cosine, sine, log_scale + zero)

    def across(m1, s1, m2, s2, log_scale):  # the first positive, the second negative
        return scaled_orthant(m1 / s1 + zero, -m2 / s2 + zero, -cosine, sine, log_scale + zero)

    both = below(q1 + c, q2 + c, (q1 + q2 + 2 * c) / 2)
    first, second = below(q1, c, q1 / 2), below(c, q2, q2 / 2)
    ramps, steps = rectifier(c, q1, q2, 0.0, 1.0)
    tails = both - first - second + steps  # both are negative as often as both are positive

    def ramp_and_tail(s1, q2, s2):
        """E relu(u) (eᵛ - 1) 1(v < 0), and E 1(u > 0) eᵛ 1(v < 0)."""
        inside = across(c, s1, q2, s2, q2 / 2)
        spread = root / s1
        edge = s1 / jnp.sqrt(2 * jnp.pi)
        ramp = c * inside + edge * (jnp.exp(spread**2 / 2 + log_ndtr(-spread)) - 0.5)
        return ramp, inside

    ramp1, step1 = ramp_and_tail(s1, q2, s2)
    ramp2, step2 = ramp_and_tail(s2, q1, s1)
    value = ramps + alpha * (ramp1 + ramp2) + alpha**2 * tails
    slope = steps + alpha * (step1 + step2) + alpha**2 * both
    return scale**2 * value, scale**2 * slope
