"""Filters of series: beside the dense normal distribution, and against published numbers."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.runner.case import Baseline, Case, Run

# The 320 binary observations that pyhgf comes with, and its log density at ω = -4 and -6.
_BITS = 0xF7FBBFFF7F0480050043DC96FCF7A2DF5D4485020CFBEF7710C4280AFA59FA1673B36D0904100880
_KNOWN = -207.28131967


def _hgf(size):
    """The log density and its gradient, for as many parameter values as a sampler may need."""
    node = jsci.bayes.Node
    net = jsci.bayes.hgf(
        (
            node("binary", value_parents=(1,)),
            node("continuous", volatility_parents=(2,)),
            node("continuous"),
        )
    )
    u = jnp.asarray([float(bit) for bit in f"{_BITS:0320b}"])
    start = net.params()

    def density(volatilities):
        params = start | {"tonic_volatility": jnp.concatenate([jnp.zeros(1), volatilities])}
        return jsci.bayes.filter(net.step, params, net.init(params), u).log_density

    step, at = jax.value_and_grad(density), jnp.array([-4.0, -6.0])

    def batched(n):
        shift = jax.random.normal(jax.random.key(0), (n, 2))
        return jax.vmap(step), (at[None] + 0.3 * shift,)

    return Run(
        step,
        (at,),
        error=lambda out: abs(float(out[0]) - _KNOWN),
        batched=batched,
        note="three levels, 320 observations; value and gradient in two parameters",
    )


def _kalman(size):
    """A value and its drift, seen with noise."""
    n = {"smoke": 50, "quick": 400, "full": 1000}[size]
    rate, q, r = np.array([[1.0, 1.0], [0.0, 1.0]]), np.diag([0.01, 0.02]), 0.5
    kalman = jsci.bayes.kalman(
        lambda p, x, dt: jnp.asarray(rate) @ x,
        lambda p, x: x[0],
        process_noise=lambda p, dt: p * jnp.asarray(q),
        observation_noise=lambda p: jnp.asarray(r),
    )
    y = np.cumsum(np.random.default_rng(0).normal(size=n))

    def step(scale, y):
        first = kalman.init(jnp.zeros(2), jnp.eye(2))
        return jsci.bayes.filter(kalman.step, scale, first, y).log_density

    def dense():
        """The covariance of the whole series, and its Cholesky factor."""
        p, covariance = np.eye(2), np.zeros((n, n))
        for k in range(n):
            p = later = rate @ p @ rate.T + q
            for j in range(k, n):
                covariance[j, k] = covariance[k, j] = later[0, 0]
                later = rate @ later
        factor = np.linalg.cholesky(covariance + r * np.eye(n))
        square = np.sum(np.linalg.solve(factor, y) ** 2)
        return -0.5 * (square + n * np.log(2 * np.pi)) - np.sum(np.log(np.diag(factor)))

    known = dense()
    return Run(
        step,
        (jnp.array(1.0), jnp.asarray(y)),
        error=lambda out: abs(float(out) / known - 1),
        baseline=Baseline("dense normal, NumPy", dense, (), host=True, error=lambda _: 0.0),
        note=f"{n} observations of two hidden values",
    )


CASES = [
    Case(
        "bayes.hgf", "bayes", "Hierarchical Gaussian filter: log density and gradient", _hgf,
        "smoke", reference="pyhgf 0.2.12", tolerance=1e-7, error_name="log density",
        batches=(1, 10, 100, 1000), item="parameter values",
    ),
    Case(
        "bayes.kalman", "bayes", "Kalman's filter: the log density of a series", _kalman, "smoke",
        reference="dense normal distribution", tolerance=1e-10, error_name="relative",
    ),
]  # fmt: skip
