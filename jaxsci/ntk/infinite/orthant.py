"""Orthant probabilities of two correlated Gaussian variables, and the dual of ELU from them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr

from .duals import Covariance, Dual, rectifier, root_determinant, safe_sqrt

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


def scaled_orthant(
    h: Covariance, k: Covariance, cosine: Covariance, sine: Covariance, log_scale: Covariance
) -> Covariance:
    """exp(log_scale) P(z₁ < h, z₂ < k) for standard Gaussians of correlation ρ = cos θ.

        P = Φ(h) Φ(k) + 1/(2π) ∫ exp(-(h - k)² / (2 cos² t) - h k / (1 + sin t)) dt,  0 < t < asin ρ

    The scale goes into the exponents, so that large scales of small probabilities stay exact.
    For ρ < 0 the integral is that of -ρ and -k with a minus sign. Near ρ = 1 the integrand bends
    at cos t ~ |h - k|: nodes in the fourth root of the distance from the end resolve that at any
    size.
    """
    sign = jnp.where(cosine < 0, -1.0, 1.0).astype(cosine.dtype)
    angle = jnp.arctan2(sine, jnp.abs(cosine))
    low, high = safe_sqrt(safe_sqrt(angle)), (jnp.pi / 2) ** 0.25
    nodes, weights = (jnp.asarray(a, cosine.dtype) for a in ((_NODES + 1) / 2, _WEIGHTS / 2))

    def add(i, total):
        w = low + (high - low) * nodes[i]
        far, near = (h - sign * k) ** 2, sign * h * k
        exponent = far / (2 * jnp.sin(w**4) ** 2) + near / (1 + jnp.cos(w**4))
        measure = weights[i] * (high - low) * 4 * w**3 / (2 * jnp.pi)
        return total + sign * measure * jnp.exp(log_scale - exponent)

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

    def ramp_and_tail(q1, s1, q2, s2):
        """E relu(u) (eᵛ - 1) 1(v < 0), and E 1(u > 0) eᵛ 1(v < 0)."""
        inside = across(c, s1, q2, s2, q2 / 2)
        spread = root / s1
        edge = s1 / jnp.sqrt(2 * jnp.pi)
        ramp = c * inside + edge * (jnp.exp(spread**2 / 2 + log_ndtr(-spread)) - 0.5)
        return ramp, inside

    ramp1, step1 = ramp_and_tail(q1, s1, q2, s2)
    ramp2, step2 = ramp_and_tail(q2, s2, q1, s1)
    value = ramps + alpha * (ramp1 + ramp2) + alpha**2 * tails
    slope = steps + alpha * (step1 + step2) + alpha**2 * both
    return scale**2 * value, scale**2 * slope
