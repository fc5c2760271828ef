"""Langevin dynamics over four orders of magnitude, with exact gradients and with noisy ones."""

import jax
import jax.numpy as jnp

import jaxsci as jsci
from benchmarks.runner.case import Case, Run

_VARIANCES = jnp.logspace(-3, 1, 20)


def _density(x):
    return -0.5 * jnp.sum(x**2 / _VARIANCES)


def _noisy(x, key):
    """With noise of one posterior standard deviation in the gradient, the mean of two batches."""
    noise = jnp.sqrt(2) * jax.random.normal(key, x.shape) / jnp.sqrt(_VARIANCES)
    return _density(x) + x @ noise


def _langevin(log_density, batches, size):
    steps = {"smoke": 6000, "quick": 20_000, "full": 50_000}[size]
    sampler = jsci.bayes.langevin()
    keys = jax.random.split(jax.random.key(0), 16)

    def chain(key):
        start = jnp.zeros(20)
        found = jsci.bayes.draws(key, sampler, log_density, start, steps=steps, batches=batches)
        return found.params

    def ratios(params):
        return jnp.mean(params**2, axis=(0, 1)) / _VARIANCES

    def figures(params):
        gradients = 16 * steps * (1 if batches is None else 2)
        effective = float(jnp.min(jsci.bayes.health(params).effective))
        return {
            "least ratio": float(jnp.min(ratios(params))),
            "largest ratio": float(jnp.max(ratios(params))),
            "effective draws a gradient": effective / gradients,
        }

    return Run(
        jax.vmap(chain),
        (keys,),
        error=lambda params: float(jnp.max(jnp.abs(ratios(params) - 1))),
        figures=figures,
        note=f"20 dimensions, 16 chains, {steps} steps of 0.3; adaptation included",
    )


CASES = [
    Case(
        "bayes.langevin", "bayes", "Variances of a normal density, condition 1e4",
        lambda size: _langevin(_density, None, size), "smoke",
        reference="exact variances", tolerance=0.05, error_name="relative, largest",
    ),
    Case(
        "bayes.langevin_noisy", "bayes", "The same with noise in its gradients",
        lambda size: _langevin(_noisy, lambda key: key, size), "smoke",
        reference="exact variances", tolerance=0.1, error_name="relative, largest",
    ),
]  # fmt: skip
