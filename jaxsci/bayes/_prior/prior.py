"""A normal prior of parameters, whose scales are parameters of their own."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray, PyTree


class Prior(eqx.Module):
    """Independent normal parameters with one scale for each leaf; made by `prior`.

        θ = e^s z,   z ~ N(0, 1)

    - `log_scales`: s, a pytree like the parameters with one number for each leaf; its gradients are
        those that `match_prior` follows.
    - `shapes`: the shape and dtype of each leaf, static.
    """

    log_scales: PyTree
    shapes: Any = eqx.field(static=True)

    def sample(self, key: PRNGKeyArray) -> PyTree:
        """Parameters from the prior.

        **Arguments:**

        - `key`: of the draw.

        **Returns:** a pytree like the parameters.
        """
        return self.whiten(self.white(key))

    def white(self, key: PRNGKeyArray) -> PyTree:
        """Parameters in units of their scales, z: where a sampler of `whitened` densities starts.

        **Arguments:**

        - `key`: of the draw.

        **Returns:** a pytree like the parameters.
        """
        keys = iter(jax.random.split(key, max(1, len(self.shapes))))
        structure = jax.tree.structure(self.log_scales)
        draws = [jax.random.normal(next(keys), shape, dtype) for shape, dtype in self.shapes]
        return jax.tree.unflatten(structure, draws)

    def whiten(self, z: PyTree) -> PyTree:
        """Parameters e^s z from those in units of their scales.

        **Arguments:**

        - `z`: a pytree like the parameters.

        **Returns:** the same in the parameters' own units.
        """
        z = jax.tree.map(lambda a: jnp.asarray(a, jnp.result_type(a, 0.0)), z)
        return jax.tree.map(lambda s, a: jnp.exp(s).astype(a.dtype) * a, self.log_scales, z)

    def whitened(self, log_likelihood: Callable) -> Callable:
        """The log density of z under a likelihood of the parameters: what samplers take.

            log L(e^s z) - ½ |z|²

        **Arguments:**

        - `log_likelihood`: of the parameters in their own units, and of a minibatch if there is
            one: `log_likelihood(params)` or `log_likelihood(params, batch)`.

        **Returns:** the same of z.
        """
        return Whitened(self, log_likelihood)

    def log_density(self, params: PyTree) -> Float[Array, ""]:
        """log p(θ).

        **Arguments:**

        - `params`: θ.

        **Returns:** a scalar.

        **Raises:** `ValueError` for leaves of other shapes, such as those of several draws.
        """
        params = jax.tree.map(jnp.asarray, params)
        found = [leaf.shape for leaf in jax.tree.leaves(params)]
        wanted = [shape for shape, _ in self.shapes]
        if found != wanted:
            raise ValueError(
                f"params must have leaves of the shapes {wanted}, got {found}; for several draws "
                "write jax.vmap(prior.log_density)."
            )

        def leaf(s, w):
            square = jnp.sum((w / jnp.exp(s)) ** 2)
            return -0.5 * square - w.size * (s + 0.5 * math.log(2 * math.pi))

        return jax.tree.reduce(jnp.add, jax.tree.map(leaf, self.log_scales, params))

    @property
    def precision(self) -> PyTree:
        """e^-2s of each leaf, as `laplace(prior=)` takes it."""
        return jax.tree.map(lambda s: jnp.exp(-2 * s), self.log_scales)


class Whitened(eqx.Module):
    """Made by `whitened` of a prior, which describes it."""

    prior: Any
    log_likelihood: Callable

    def __call__(self, z: PyTree, *batch: PyTree) -> Float[Array, ""]:
        """The log density of one z, up to a constant."""
        square = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(z))
        return self.log_likelihood(self.prior.whiten(z), *batch) - 0.5 * square


def prior(params: PyTree, *, scales: PyTree | float | None = None) -> Prior:
    """A normal prior of the parameters of any model, with one scale for each leaf.

    **Arguments:**

    - `params`: a pytree of real arrays.
    - `scales`: standard deviations: a number for all, or a pytree like `params` with a number for
        each leaf. By default those of matrices and filters are the root mean squares of their
        entries, which a network is initialised with, about 1/√inputs; 1 for all other leaves.

    **Returns:** a `Prior`: `.sample(key)`, `.log_density(params)`, `.white(key)`, `.whiten(z)`,
    `.whitened(log_likelihood)`, `.precision`.

    **Raises:** `ValueError` for a scale that is not positive and finite, or none for a leaf;
    `TypeError` for parameters that are not real floating-point arrays.

    **Notes:** samplers work best on z, whose prior has unit scales: they start from `.white` and
    take `.whitened(log_likelihood)`. Give parameters as initialised, not as
    trained, or scales.

    **Good values:** what `match_prior` finds.

    ```python
    params = {"w": 0.5 * jnp.ones((4, 4)), "b": jnp.zeros(4)}
    normal = jsci.bayes.prior(params)
    jnp.exp(normal.log_scales["w"])  # 0.5
    normal.log_density(normal.sample(key))
    ```
    """
    leaves, structure = jax.tree.flatten(params)
    for leaf in leaves:
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            raise TypeError(f"params must be real arrays, got a leaf of {jnp.result_type(leaf)}.")
    if not leaves:
        raise ValueError("params has no leaves: there is nothing to give a prior.")
    if scales is None:
        scales = jax.tree.map(_usual, params)
    elif jax.tree.structure(scales) == jax.tree.structure(0) != structure:
        scales = jax.tree.map(lambda _: scales, params)
    if jax.tree.structure(scales) != structure:
        raise ValueError(
            "scales must be a number, or a pytree like params with a number for each leaf; got "
            f"{jax.tree.structure(scales)} for {structure}."
        )
    shapes = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
    return Prior(jax.tree.map(_log, scales, params), shapes)


def _usual(leaf):
    """The root mean square of a matrix or filter; 1 for what is none, or zero."""
    size = jnp.sqrt(jnp.mean(jnp.asarray(leaf) ** 2))
    return jnp.where((size > 0) & (jnp.ndim(leaf) >= 2), size, 1)


def _log(scale, leaf):
    if jnp.shape(scale) != ():
        raise ValueError(f"A scale must be one number for each leaf, got {jnp.shape(scale)}.")
    if not isinstance(scale, Tracer) and not 0 < np.asarray(scale) < np.inf:
        raise ValueError(f"Scales must be positive and finite, got {scale}.")
    return jnp.log(jnp.asarray(scale, jnp.result_type(leaf)))
