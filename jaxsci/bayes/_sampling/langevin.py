"""Langevin dynamics whose one step is in units of the posterior's own widths."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

# Averages run over this many steps at most; what was known before counts as a few.
_WINDOW, _FIRST = 500, 10
# On the way from a bad start no gradient kicks harder than this many of its later deviations.
_HARDEST = 3.0


class Chain(NamedTuple):
    """Where a chain of `draws` is, which `save` and `load` keep.

    - `params`: the position.
    - `momentum`, `metric`: p and M, (p,).
    - `noise`: B, the variance of the gradient's noise, (p,).
    - `recent`: the average of squared gradients since M is held, which should be M.
    - `count`: the steps taken.
    - `key`: of the random numbers.
    """

    params: PyTree
    momentum: Float[Array, " p"]
    metric: Float[Array, " p"]
    noise: Float[Array, " p"]
    recent: Float[Array, " p"]
    count: Int[Array, ""]
    key: PRNGKeyArray

    @property
    def settled(self) -> Bool[Array, ""]:
        """Whether M is still E[(∇ log π)²], within a factor of two for nine tenths of it."""
        change = jnp.abs(jnp.log2(self.metric / self.recent))
        return jnp.mean(change < 1) >= 0.9


class Langevin(eqx.Module):
    """Langevin dynamics; made by `langevin`.

    - `step`, `friction`, `adapt`, `cycle`, `hottest`: as in `langevin`.
    """

    step: float
    friction: float
    adapt: int
    cycle: int = 0
    hottest: float = 1.0

    def init(self, key: PRNGKeyArray, params: PyTree, metric: Float[Array, " p"]) -> Chain:
        """A chain at its start.

        **Arguments:**

        - `key`: of all its random numbers.
        - `params`: where it starts.
        - `metric`: the first guess of M, positive.

        **Returns:** a `Chain`.
        """
        key, first = jax.random.split(key)
        momentum = jnp.sqrt(metric) * jax.random.normal(first, metric.shape, metric.dtype)
        still = jnp.zeros_like(metric)
        return Chain(params, momentum, metric, still, metric, jnp.array(0), key)

    def advance(
        self, chain: Chain, gradient: Callable[[PyTree, PRNGKeyArray], tuple[Array, Array]]
    ) -> Chain:
        """One step.

        **Arguments:**

        - `chain`: where it is.
        - `gradient`: `gradient(params, key)`, that of -log p, (p,), and the variance of its noise.

        **Returns:** the chain after it.
        """
        of_noise, of_batch = jax.random.split(jax.random.fold_in(chain.key, chain.count))
        x, unravel = ravel_pytree(chain.params)
        h, metric = self.step, chain.metric
        # Friction takes at least the heat that the noise of the gradient brings.
        least = (0.5 * h) ** 2 * chain.noise / metric
        kept = jnp.minimum(jnp.exp(-self.friction * h), (1 - least) / (1 + least))
        x = x + 0.5 * h * chain.momentum / metric
        # That noise has warmed the momentum already: so much less comes here.
        warmed = (0.5 * (1 + kept) * h) ** 2 * chain.noise
        temperature, hot = self._temperature(chain.count)
        heat = jnp.maximum((1 - kept**2) * temperature.astype(x.dtype) * metric - warmed, 0)
        p = kept * chain.momentum + jnp.sqrt(heat) * jax.random.normal(of_noise, x.shape, x.dtype)
        x = x + 0.5 * h * p / metric
        g, noise = gradient(unravel(x), of_batch)
        adapting = chain.count < self.adapt
        rate = jnp.where(hot, 0, self._rate(chain.count)).astype(x.dtype)
        recent = chain.recent + rate * (g**2 - chain.recent)
        new = jnp.where(adapting, recent, metric)
        noise = jnp.where(adapting, chain.noise + rate * (noise - chain.noise), chain.noise)
        hardest = jnp.where(2 * chain.count < self.adapt, _HARDEST, jnp.inf) * jnp.sqrt(new)
        p = p * jnp.sqrt(new / metric) - h * jnp.clip(g, -hardest, hardest)
        return Chain(unravel(x), p, new, noise, recent, chain.count + 1, chain.key)

    def _temperature(self, count):
        """How hot a step is, and whether it is one of those that are not kept.

        It falls by a quarter of a squared cosine, and is one for the last quarter.
        """
        if not self.cycle:
            return jnp.ones(()), False
        since = (count - self.adapt) % (2 * self.cycle)
        hot = (count >= self.adapt) & (since < self.cycle)
        fallen = jnp.cos(0.5 * jnp.pi * jnp.minimum(since / (0.75 * self.cycle), 1.0)) ** 2
        return 1 + jnp.where(hot, (self.hottest - 1) * fallen, 0), hot

    def _rate(self, count):
        """How much a step counts in the averages.

        In the first quarter of the adaptation nothing does, as gradients on the way from a start
        are those of no posterior; in the middle, and at the end, the averages begin anew.
        """
        quarter, half = self.adapt // 4, self.adapt // 2
        begun = jnp.where(count < half, quarter, jnp.where(count < self.adapt, half, self.adapt))
        return jnp.where(count < quarter, 0, 1 / jnp.minimum(count - begun + _FIRST, _WINDOW))


def langevin(
    step: float = 0.3,
    *,
    friction: float = 1.0,
    adapt: int = 2000,
    cycle: int | None = None,
    hottest: float = 10.0,
) -> Langevin:
    """Underdamped Langevin dynamics with a metric that is found on the way, for `draws`.

        M dθ = p dt,   dp = ∇ log π(θ) dt - γ p dt + √(2 γ M) dW,   M = E[(∇ log π)²]

    M is diagonal and one over a variance for a normal density, so that time is counted in
    posterior standard deviations: one step serves all problems and all parameters. It is averaged
    for `adapt` steps and then held. The splitting is BAOAB, whose positions are exact to second
    order, and to fourth for a normal density under strong friction.

    **Arguments:**

    - `step`: h, posterior standard deviations for each gradient.
    - `friction`: γ, one over the same unit of time.
    - `adapt`: the steps of a new chain that find M and are not kept.
    - `cycle`: for a density of several modes, a number of steps: before each that many steps, as
        many are taken that begin hot, cool down, and are not kept.
    - `hottest`: the temperature at which they begin; that of the density is 1.

    **Returns:** `Langevin`, for `draws`.

    **Raises:** `ValueError` for a step outside (0, 2), a friction, `adapt` or `cycle` that is not
    positive, or a temperature below 1.

    **Notes:** there is no rejection, so that gradients of minibatches are allowed: the noise that
    they bring is measured, and that much less is added; where it is more than the friction takes,
    there is more friction. It is measured for each parameter, and not how it is correlated between
    them: of two correlated ones, seen in batches of 5 of 20 values, the variances were 0.98 of the
    exact ones at the defaults, and 0.85 and 0.93 with a friction of 0.1 and a step of 0.15. With
    minibatches compare such settings with a second run at half the step.
    A density far from normal needs a smaller step; halve it, and see whether the variances stay.
    The mean square gradient of single weights of a network differs by large factors from one
    thousand steps to the next, also after a long adaptation, as the chain wanders between
    equivalent modes: `.settled` is then False. Judge such chains by the `health` of predictions,
    and by a second run at half the step.
    In cycles the mode in which a chain cools down follows the width of its basin, and is not
    exactly as frequent as its weight: within a mode the draws are those of the density.

    **Good values:** the defaults. For correlated parameters whiten them, as `prior` does. For a
    network, and exact gradients, a friction of 0.1 and a step of 0.15: predictions of one with 721
    weights then had up to ten times as many effective draws as with a friction of 1 and a step of
    0.1.

    **Source:** Leimkuhler & Matthews, Appl. Math. Res. eXpress 2013, 34; a metric from gradients as
    in Springenberg et al., "Bayesian optimization with robust Bayesian neural networks" (2016).

    ```python
    sampler = jsci.bayes.langevin(adapt=200)
    wide = lambda x: -0.5 * jnp.sum(x**2 / jnp.array([1e-4, 1e4]))
    found = jsci.bayes.draws(key, sampler, wide, jnp.zeros(2), steps=1000)
    ```
    """
    if not 0 < step < 2:
        raise ValueError(f"step must lie between 0 and 2 posterior deviations, got {step}.")
    if not (friction > 0 and adapt >= 1):
        raise ValueError(f"friction and adapt must be positive, got {friction} and {adapt}.")
    if not ((cycle is None or cycle >= 1) and 1 <= hottest < jnp.inf):
        raise ValueError(f"cycle and hottest must be at least 1, got {cycle} and {hottest}.")
    if adapt % 1 or (cycle or 0) % 1:
        raise ValueError(f"adapt and cycle are numbers of steps, got {adapt} and {cycle}.")
    return Langevin(step, friction, int(adapt), int(cycle or 0), hottest)
