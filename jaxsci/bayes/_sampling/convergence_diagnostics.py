"""Whether chains agree, and how many independent draws they are worth."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree

from ...core import compiled_call


class Health(NamedTuple):
    """What `health` returns, pytrees like the parameters.

    - `r_hat`: the deviation over all chains, relative to that inside each: 1 if they agree.
    - `effective`: how many independent draws would give the mean as well.
    """

    r_hat: PyTree
    effective: PyTree

    def __str__(self) -> str:
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(self)):
            return repr(self)
        most, least = worst(self)
        return f"Health(R̂ at most {most:.3f}, effective draws at least {least:.0f})"


def worst(found: Health) -> tuple[float, float]:
    """The largest R̂ and the fewest effective draws.

    A parameter that is NaN, or never moved, is shown; one of no numbers has none.
    """
    r_hat = [np.max(leaf, initial=0.0) for leaf in jax.tree.leaves(found.r_hat)]
    effective = [np.min(leaf, initial=np.inf) for leaf in jax.tree.leaves(found.effective)]
    return float(np.max(r_hat)), float(np.min(effective))


def health(params: PyTree) -> Health:
    """Whether chains have converged: split R̂ and the effective sample size.

        R̂² = (n - 1)/n + B/W,   effective = m n / (1 + 2 Σₜ ρₜ)

    B is the variance of the means of half chains, W the mean of their variances, and ρ the
    autocorrelation, summed until pairs of it are no longer positive.

    **Arguments:**

    - `params`: draws of m chains, a pytree with axes (m, n) in front, such as `.params` of
        `jax.vmap` over `draws`.

    **Returns:** `Health`: `.r_hat` and `.effective` for each parameter.

    **Raises:** `ValueError` for fewer than eight draws of a chain, or leaves that differ in the
    numbers of chains or draws.

    **Notes:** NaN for a parameter that never moved.

    **Good values:** R̂ below 1.01, and 100 effective draws for each chain.

    **Source:** Gelman et al., "Bayesian data analysis" (2013), sections 11.4 and 11.5; Geyer,
    Stat. Sci. 7, 473 (1992).

    ```python
    found = jsci.bayes.health({"w": jax.random.normal(key, (4, 500, 2))})
    found.r_hat["w"].shape  # (2,)
    ```
    """
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(params)]
    if not all(len(shape) >= 2 and shape[0] >= 1 and shape[1] >= 8 for shape in shapes):
        raise ValueError(
            "health() needs axes (chains, draws) in front, at least (1, 8): got the shapes "
            f"{shapes}."
        )
    if len({shape[:2] for shape in shapes}) > 1:
        raise ValueError(
            "health() needs the same axes (chains, draws) in front of each leaf: got the shapes "
            f"{shapes}. For a single chain add an axis, a[None]."
        )
    params = jax.tree.map(lambda a: jnp.asarray(a, jnp.result_type(a, 0.0)), params)
    return compiled_call(lambda p: Health(*map(_each(p), (_r_hat, _effective))), params)


def _each(params):
    return lambda statistic: jax.tree.map(lambda draws: statistic(_halves(draws)), params)


def _halves(draws: Float[Array, "m n ..."]) -> Float[Array, "mm nn ..."]:
    # Digits are those of the differences, which a common offset would take.
    draws, half = draws - draws[:1, :1], draws.shape[1] // 2
    return jnp.concatenate([draws[:, :half], draws[:, -half:]])


def _variances(chains):
    """Over all chains, and inside each."""
    n = chains.shape[1]
    within = jnp.mean(jnp.var(chains, axis=1, ddof=1), axis=0)
    return (n - 1) / n * within + jnp.var(jnp.mean(chains, 1), axis=0, ddof=1), within


def _r_hat(chains):
    total, within = _variances(chains)
    return jnp.sqrt(total / within)


def _effective(chains):
    m, n = chains.shape[:2]
    total, within = _variances(chains)
    correlation = 1 - (within[None] - _autocovariance(chains)) / total[None]
    pairs = correlation[: n // 2 * 2].reshape(n // 2, 2, *correlation.shape[1:]).sum(1)
    positive = jnp.cumprod(pairs > 0, axis=0)
    time = 2 * jnp.sum(positive * jax.lax.cummin(jnp.maximum(pairs, 0)), axis=0) - 1
    # Draws that are better than independent are believed up to a factor.
    return m * n / jnp.maximum(time, 1 / math.log10(m * n))


def _autocovariance(chains):
    """The mean over chains at each lag, (n, ...), by a Fourier transform."""
    n = chains.shape[1]
    centred = chains - jnp.mean(chains, axis=1, keepdims=True)
    spectrum = jnp.abs(jnp.fft.rfft(centred, 2 * n, axis=1)) ** 2
    return jnp.mean(jnp.fft.irfft(spectrum, 2 * n, axis=1)[:, :n], axis=0) / (n - 1)
