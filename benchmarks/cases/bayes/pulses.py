"""Time and height of a detector's pulses: errors over the Cramér-Rao bound that `laplace` gives."""

import jax
import jax.numpy as jnp

from benchmarks.cases.bayes._pulses import TIMES, middle, simulate, variances, waveform
from benchmarks.runner.case import Case, Run


def _likeliest(signal):
    """Eight Gauss-Newton steps from the middle of the range."""

    def step(p, _):
        slopes = jax.jacfwd(waveform)(p, TIMES)
        return p + jnp.linalg.lstsq(slopes, signal - waveform(p, TIMES))[0], None

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
