"""Pulses of a detector with noise, and the Cramér-Rao bound of their times and heights."""

import jax
import jax.numpy as jnp

import jaxsci as jsci

TIMES, _NOISE = jnp.arange(32.0), 10 ** (-47.4 / 20)
_LOW, _HIGH = jnp.array([6.0, 0.5]), jnp.array([10.0, 1.0])
middle, spread = (_LOW + _HIGH) / 2, (_HIGH - _LOW) / 12**0.5


def _pulse(p, t):
    z = jax.nn.softplus(8 * (t - p[0])) / 8
    return 1.9 * p[1] * (jnp.exp(-z / 6) - jnp.exp(-z / 1.5))


waveform = jax.vmap(_pulse, (None, 0))


def simulate(key, n):
    """Signals (n, 32) of random pulses, and their times and heights (n, 2)."""
    of_pulse, of_noise = jax.random.split(key)
    pulses = jax.random.uniform(of_pulse, (n, 2), minval=_LOW, maxval=_HIGH)
    clean = jax.vmap(waveform, (0, None))(pulses, TIMES)
    return clean + _NOISE * jax.random.normal(of_noise, (n, 32)), pulses


def variances(p):
    """The bound for a pulse."""
    posterior = jsci.laplace(_pulse, p, TIMES, prior=0.0, noise=_NOISE)
    return jnp.diagonal(posterior.covariance)
