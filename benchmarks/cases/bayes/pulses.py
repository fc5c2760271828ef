"""Time and height of a detector's pulses: errors over the Cramér-Rao bound that `laplace` gives."""

import jax
import jax.numpy as jnp

import jaxsci as jsci
from benchmarks.runner.case import Case, Run

_TIMES, _NOISE = jnp.arange(32.0), 10 ** (-47.4 / 20)
_LOW, _HIGH = jnp.array([6.0, 0.5]), jnp.array([10.0, 1.0])
middle, spread = (_LOW + _HIGH) / 2, (_HIGH - _LOW) / 12**0.5


def _pulse(p, t):
    z = jax.nn.softplus(8 * (t - p[0])) / 8
    return 1.9 * p[1] * (jnp.exp(-z / 6) - jnp.exp(-z / 1.5))


_waveform = jax.vmap(_pulse, (None, 0))


def simulate(key, n):
    """Signals (n, 32) of random pulses, and their times and heights (n, 2)."""
    of_pulse, of_noise = jax.random.split(key)
    pulses = jax.random.uniform(of_pulse, (n, 2), minval=_LOW, maxval=_HIGH)
    clean = jax.vmap(_waveform, (0, None))(pulses, _TIMES)
    return clean + _NOISE * jax.random.normal(of_noise, (n, 32)), pulses


def variances(p):
    """The bound for a pulse."""
    posterior = jsci.laplace(_pulse, p, _TIMES, prior=0.0, noise=_NOISE)
    return jnp.diagonal(posterior.covariance)


def _likeliest(signal):
    """Eight Gauss-Newton steps from the middle of the range."""

    def step(p, _):
        slopes = jax.jacfwd(_waveform)(p, _TIMES)
        return p + jnp.linalg.lstsq(slopes, signal - _waveform(p, _TIMES))[0], None

    return jax.lax.scan(step, middle, length=8)[0]


def _likelihood(size):
    n = {"smoke": 4000, "quick": 4000, "full": 40_000}[size]
    signals, pulses = simulate(jax.random.key(0), n)

    def step(signals, pulses):
        """The estimates, and the bounds at the true pulses."""
        return jax.vmap(_likeliest)(signals), jax.vmap(variances)(pulses)

    def over_bound(out):
        estimates, bounds = out
        return jnp.sqrt(jnp.mean((estimates - pulses) ** 2, 0) / jnp.mean(bounds, 0))

    def figures(out):
        time, height = over_bound(out).tolist()
        return {"time over its bound": time, "height over its bound": height}

    return Run(
        step,
        (signals, pulses),
        error=lambda out: float(jnp.max(jnp.abs(over_bound(out) - 1))),
        figures=figures,
        note=f"{n} pulses of 32 samples, noise at -47.4 dB; bounds of all by laplace",
    )


CASES = [
    Case(
        "bayes.pulses", "bayes", "Maximum likelihood of pulses at the Cramér-Rao bound",
        _likelihood, "smoke", reference="Cramér-Rao bound", tolerance=0.03,
        error_name="excess over the bound",
    ),
]  # fmt: skip
