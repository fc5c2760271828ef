"""Predictions of draws: mixtures, and how well they predict."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, PyTree

from ...core import compiled_call
from .chains import Chains
from .draws import Draws


class Prediction(NamedTuple):
    """An equal mixture of normal distributions, one for each draw; made by `predict`.

    - `mean`: (m, ...).
    - `variance`: (m, ...), that of the draws and of the noise.
    - `draws`: the predictions of each draw, (draws, m, ...).
    - `noise`: the standard deviation of a measured value, broadcastable to the draws.
    """

    mean: Float[Array, "m ..."]
    variance: Float[Array, "m ..."]
    draws: Float[Array, "k m ..."]
    noise: Float[Array, "..."]

    def log_score(self, y: Float[Array | np.ndarray, "m ..."]) -> Float[Array, "m ..."]:
        """log p(y), of the mixture: the higher, the better.

        **Arguments:**

        - `y`: measured values, (m, ...).

        **Returns:** one number for each value; the negative mean is the test NLL.
        """
        error = (self._like(y)[None] - self.draws) / self.noise
        each = -0.5 * (error**2 + jnp.log(2 * jnp.pi)) - jnp.log(self.noise)
        return logsumexp(each, axis=0) - jnp.log(len(self.draws))

    def quantile(self, y: Float[Array | np.ndarray, "m ..."]) -> Float[Array, "m ..."]:
        """Where a measured value lies in its predicted distribution, P(Y <= y): uniform between 0
        and 1 for a calibrated model.

        **Arguments:**

        - `y`: measured values, (m, ...).

        **Returns:** between 0 and 1.
        """
        error = (self._like(y)[None] - self.draws) / self.noise
        return jnp.mean(jax.scipy.stats.norm.cdf(error), axis=0)

    def coverage(
        self, y: Float[Array | np.ndarray, "m ..."], level: float = 0.9
    ) -> Float[Array, ""]:
        """The part of measured values inside the central intervals of a level.

        **Arguments:**

        - `y`: measured values, (m, ...).
        - `level`: such as 0.9, which is also what a calibrated model covers.

        **Returns:** between 0 and 1; NaN if a value or its prediction is NaN.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level}.")
        quantile = self.quantile(y)
        inside = jnp.abs(quantile - 0.5) < 0.5 * level
        # What is not a number is neither inside nor outside.
        return jnp.mean(jnp.where(jnp.isnan(quantile), jnp.nan, inside))

    def crps(self, y: Float[Array | np.ndarray, "m ..."]) -> Float[Array, "m ..."]:
        """The continuous ranked probability score, E|Y - y| - ½ E|Y - Y'|: the lower, the better.

        **Arguments:**

        - `y`: measured values, (m, ...).

        **Returns:** one number for each value, in its unit.
        """
        noise = jnp.broadcast_to(self.noise, self.draws.shape)
        to_value = jnp.mean(_absolute(self._like(y)[None] - self.draws, noise), axis=0)

        def to_others(one):
            draw, width = one
            both = jnp.sqrt(noise**2 + width[None] ** 2)
            return jnp.mean(_absolute(draw[None] - self.draws, both), axis=0)

        between = jnp.mean(jax.lax.map(to_others, (self.draws, noise)), axis=0)
        return to_value - 0.5 * between

    def _like(self, y):
        if jnp.shape(y) != self.mean.shape:
            raise ValueError(f"y must have the shape {self.mean.shape}, got {jnp.shape(y)}.")
        return jnp.asarray(y)


def predict(
    f: Callable,
    params: PyTree,
    x: PyTree,
    *,
    noise: Float[Array, "..."] | float | Callable,
) -> Prediction:
    """What draws of the parameters predict together, and scores of that.

        p(y | x) = (1/K) Σₖ N(y | f(θₖ, x), s²)

    **Arguments:**

    - `f`: `f(params, x)` of ONE input, an array.
    - `params`: K draws: what `draws` or `chains` returned, or a pytree with an axis of draws in
        front, such as an ensemble. Those of a density of `whitened` are white numbers z, for which
        `f` is `lambda z, x: model(prior.whiten(z), x)`.
    - `x`: a batch of m inputs.
    - `noise`: s, the standard deviation of a measured value, in its unit: a number, an array that
        broadcasts to (K, m, ...), or a function `noise(params, x)` like `f` for noise that is
        inferred too.

    **Returns:** a `Prediction`: `.mean`, `.variance`, `.log_score(y)`, `.quantile(y)`,
    `.coverage(y)`, `.crps(y)`.

    **Raises:** `ValueError` for fewer than two draws, or a noise that is not positive or does not
    fit; `TypeError` for an `f` that returns no real array. A noise that is inferred, or traced, is
    NaN where it is not positive.

    **Source:** Gneiting & Raftery, J. Am. Stat. Assoc. 102, 359 (2007), for the scores.

    ```python
    draws = {"a": jnp.array([0.9, 1.1])}
    found = jsci.bayes.predict(lambda p, x: p["a"] * x, draws, jnp.array([1.0, 2.0]), noise=0.1)
    found.mean  # 1.0, 2.0
    found.variance  # 0.02, 0.05
    found.log_score(jnp.array([1.0, 2.0]))  # 0.884, -0.616
    ```
    """
    if isinstance(params, Draws | Chains):
        several = jnp.ndim(params.settled) > 0  # chains, whose draws count alike
        merge = lambda a: a.reshape(-1, *a.shape[2:]) if several else a  # noqa: E731
        params = jax.tree.map(merge, params.params)
    counts = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(params)}
    if len(counts) != 1 or (count := counts.pop()) == () or count[0] < 2:
        raise ValueError(
            "params must have one axis of two draws or more in front of each leaf, got shapes "
            f"{[jnp.shape(leaf) for leaf in jax.tree.leaves(params)]}."
        )
    known = not callable(noise) and not isinstance(noise, Tracer)
    if known and not np.all(np.asarray(noise) > 0):
        raise ValueError(f"noise must be positive, got {noise}.")

    def run(params, x):
        each = lambda g: jax.lax.map(lambda p: jax.vmap(g, (None, 0))(p, x), params)  # noqa: E731
        values = each(f)
        if not isinstance(values, jax.Array):
            raise TypeError(f"f must return one array for one input, got {type(values).__name__}.")
        if jnp.iscomplexobj(values):
            raise TypeError(f"f must return real numbers, got {values.dtype}: give both parts.")
        values = jnp.asarray(values, jnp.result_type(values, 0.0))  # or noise would be rounded
        s = jnp.asarray(each(noise) if callable(noise) else noise, values.dtype)
        if not _fits(s.shape, values.shape):
            raise ValueError(f"noise of {s.shape} does not fit predictions of {values.shape}.")
        s = jnp.where(s > 0, s, jnp.nan).reshape((1,) * (values.ndim - s.ndim) + s.shape)
        mean = jnp.mean(values, axis=0)
        variance = jnp.mean((values - mean[None]) ** 2 + s**2, axis=0)
        return Prediction(mean, variance, values, s)

    return compiled_call(run, params, x)


def _fits(shape, values):
    """Whether an array broadcasts to the values."""
    ends = zip(reversed(shape), reversed(values), strict=False)
    return len(shape) <= len(values) and all(a in (1, b) for a, b in ends)


def _absolute(mean, deviation):
    """E|N(mean, deviation²)|."""
    t = mean / deviation
    normal = jax.scipy.stats.norm
    return mean * (2 * normal.cdf(t) - 1) + 2 * deviation * normal.pdf(t)
