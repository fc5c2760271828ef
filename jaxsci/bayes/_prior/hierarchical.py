"""A prior whose scales are drawn too."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .prior import Prior, Whitened


class White(NamedTuple):
    """Parameters and their scales, both with a unit prior: what samplers move.

    - `scales`: t, a pytree like the parameters with one number for each leaf.
    - `params`: z, a pytree like the parameters.
    """

    scales: PyTree
    params: PyTree


class Hierarchical(eqx.Module):
    """A normal prior whose log-scales have a normal prior themselves; made by `hierarchical`.

        θ = e^(s + σ t) z,   t ~ N(0, 1),   z ~ N(0, 1)

    - `prior`: the `Prior` of the medians of the scales, e^s.
    - `deviation`: σ, of the logarithm of each scale.
    """

    prior: Prior
    deviation: Float[Array, ""] | float

    def sample(self, key: PRNGKeyArray) -> PyTree:
        """Parameters from the prior.

        **Arguments:**

        - `key`: of the draw.

        **Returns:** a pytree like the parameters.
        """
        return self.whiten(self.white(key))

    def white(self, key: PRNGKeyArray) -> White:
        """Scales and parameters in units of their own: where a sampler starts.

        **Arguments:**

        - `key`: of the draw.

        **Returns:** `White`.
        """
        of_scales, of_params = jax.random.split(key)
        logs, structure = jax.tree.flatten(self.prior.log_scales)
        keys = jax.random.split(of_scales, len(logs))
        units = [jax.random.normal(k, (), s.dtype) for k, s in zip(keys, logs, strict=True)]
        return White(jax.tree.unflatten(structure, units), self.prior.white(of_params))

    def whiten(self, white: White) -> PyTree:
        """Parameters e^(s + σ t) z.

        **Arguments:**

        - `white`: t and z.

        **Returns:** a pytree like the parameters, in their own units.

        **Raises:** `ValueError` for the scales of several draws.
        """

        def shifted(s, t):
            if jnp.shape(t) != ():
                raise ValueError(
                    f"scales must have one number for each leaf, got the shape {jnp.shape(t)}; for "
                    "several draws write jax.vmap(prior.whiten)."
                )
            return s + jnp.asarray(self.deviation * t, s.dtype)

        logs = jax.tree.map(shifted, self.prior.log_scales, white.scales)
        return Prior(logs, self.prior.shapes).whiten(white.params)

    def whitened(self, log_likelihood: Callable) -> Callable:
        """The log density of t and z under a likelihood of the parameters: what samplers take.

            log L(e^(s + σ t) z) - ½ |t|² - ½ |z|²

        **Arguments:**

        - `log_likelihood`: of the parameters in their own units, and of a minibatch if there is
            one.

        **Returns:** the same of `White`.
        """
        return Whitened(self, log_likelihood)


def hierarchical(prior: Prior, *, deviation: float = 0.5) -> Hierarchical:
    """Let data choose the scales of a prior, near those that it has.

        θ = e^(s + σ t) z,   t ~ N(0, 1),   z ~ N(0, 1)

    Scales and parameters are independent before there are data (the non-centred form), so that
    a sampler of t and z sees unit scales, and no funnel.

    **Arguments:**

    - `prior`: from `prior` or `match_prior`: the medians of the scales.
    - `deviation`: σ, of the logarithm of each scale: 0.5 is a factor of 1.6 each way.

    **Returns:** `Hierarchical`: `.sample(key)`, `.white(key)`, `.whiten(white)`,
    `.whitened(log_likelihood)`.

    **Raises:** `ValueError` for a deviation that is not one positive number (under `jax.jit` all
    parameters are then NaN); `TypeError` for what is no `Prior`.

    **Good values:** 0.5 around matched scales, 1 around those of an initialisation.

    **Source:** Papaspiliopoulos, Roberts & Sköld, Stat. Sci. 22, 59 (2007), for the form.

    ```python
    loose = jsci.bayes.hierarchical(jsci.bayes.prior({"w": jnp.ones((3, 2))}), deviation=0.3)
    white = loose.white(key)
    loose.whiten(white)["w"].shape  # (3, 2)
    ```
    """
    if not isinstance(prior, Prior):
        raise TypeError(f"prior must be a Prior, as from prior(params), got {prior!r:.60}.")
    if isinstance(deviation, Tracer):
        return Hierarchical(prior, jnp.where(deviation > 0, deviation, jnp.nan))
    if jnp.ndim(deviation) or not 0 < deviation < jnp.inf:
        raise ValueError(f"deviation must be positive, one finite number, got {deviation}.")
    return Hierarchical(prior, deviation)
