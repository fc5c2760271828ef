"""Draws from a density by a chain that can be continued."""

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, PRNGKeyArray, PyTree

from ...core import compiled_call, program
from .langevin import Chain, Langevin

# Products with the Hessian for the first guess of the metric.
_PROBES = 4


class Draws(NamedTuple):
    """What `draws` returns.

    - `params`: the kept positions, a pytree like the parameters with an axis of draws in front.
    - `chain`: where the chain is, from which `draws` continues.
    - `settled`: whether the metric still fits; where not, adapt for longer. For the weights of a
        network it may never: judge those by their predictions.
    """

    params: PyTree
    chain: Chain
    settled: Bool[Array, ""]


def draws(
    key: PRNGKeyArray,
    sampler: Langevin,
    log_density: Callable,
    start: PyTree | Chain,
    *,
    steps: int,
    keep_every: int = 10,
    batches: Callable | None = None,
) -> Draws:
    """Draw from a density that is known up to a factor.

    Chains are drawn in parallel by `jax.vmap` over keys and starts; `health` then says whether they
    agree. Memory is that of the draws that are kept.

    **Arguments:**

    - `key`: of the chain; unused where it continues.
    - `sampler`: such as `langevin()`.
    - `log_density`: `log_density(params)`, or with `batches` `log_density(params, batch)`, an
        unbiased estimate: n times the mean over the batch, plus the prior.
    - `start`: parameters, a pytree; or the `.chain` of draws before, which goes on as if it had
        not stopped.
    - `steps`: steps after the adaptation, of one gradient each (two with `batches`), rounded down
        to a multiple of `keep_every`. A sampler with `cycle` takes as many again that are hot.
    - `keep_every`: the number of steps from one kept position to the next.
    - `batches`: `batches(key)` draws a minibatch. Each step takes two, whose difference measures
        the noise.

    **Returns:** `Draws`: `.params`, `.chain`, `.settled`.

    **Raises:** `ValueError` for fewer steps than one draw needs, part of a cycle, a density that
    is not finite at the start (under `jax.jit` the draws are then NaN), or one that a parameter
    does not change, as one without a prior; for no parameters, or several chains in one start;
    `TypeError` for steps that are no integers, or complex parameters.

    **Notes:** where a chain comes to a point without density, as beyond a hard bound, all that
    follows is NaN: give the sampler an unbounded parameter, such as a logarithm.

    ```python
    log_density = lambda p: -0.5 * jnp.sum((p["w"] - 1.0) ** 2)
    sampler = jsci.bayes.langevin(adapt=100)
    first = jsci.bayes.draws(key, sampler, log_density, {"w": jnp.zeros(2)}, steps=200)
    more = jsci.bayes.draws(key, sampler, log_density, first.chain, steps=200)
    more.params["w"].shape  # (20, 2)
    ```
    """
    check_lengths(sampler, steps, keep_every)
    continued = isinstance(start, Chain)
    real = lambda a: jnp.asarray(a, jnp.result_type(a, 0.0))  # noqa: E731
    params = start.params if continued else jax.tree.map(real, start)
    _check_params(params, start)
    batch = () if batches is None else (jax.eval_shape(batches, key),)
    log_density = program(log_density, params, *batch)
    gradient = _gradient(log_density, batches)
    if continued:
        chain = start
    else:
        chain = _begin(key, sampler, log_density, params, gradient, batches)
    lengths = jnp.full(steps // keep_every, keep_every).at[0].add(0 if continued else sampler.adapt)
    if sampler.cycle:
        lengths = lengths.at[:: sampler.cycle // keep_every].add(sampler.cycle)

    def run(chain, lengths):
        def advance(_, chain):
            return sampler.advance(chain, gradient)

        def keep(chain, length):
            chain = jax.lax.fori_loop(0, length, advance, chain)
            return chain, chain.params

        chain, kept = jax.lax.scan(keep, chain, lengths)
        return Draws(kept, chain, chain.settled)

    return compiled_call(run, chain, lengths)


def _check_params(params, start):
    leaves = jax.tree.leaves(params)
    if not leaves:
        raise ValueError("start has no parameters: there is nothing to draw.")
    if any(jnp.iscomplexobj(leaf) for leaf in leaves):
        raise TypeError("Parameters must be real; draw real and imaginary parts.")
    if isinstance(start, Chain) and start.count.ndim:
        raise ValueError(
            f"start holds {start.count.shape} chains: continue them by chains(), or by jax.vmap."
        )


def check_lengths(sampler: Langevin, steps: int, keep_every: int) -> None:
    """Refuse steps that are fewer than one draw needs, or part of a cycle."""
    if not (isinstance(steps, Integral) and isinstance(keep_every, Integral)):
        raise TypeError(f"steps and keep_every must be integers, got {steps!r} and {keep_every!r}.")
    if not steps >= keep_every >= 1:
        raise ValueError(
            f"steps must be at least keep_every, and that 1; got {steps} and {keep_every}."
        )
    if sampler.cycle and (sampler.cycle % keep_every or steps % sampler.cycle):
        raise ValueError(
            f"steps must be a multiple of cycle, and that of keep_every; got {steps}, "
            f"{sampler.cycle} and {keep_every}."
        )


def _gradient(log_density, batches):
    """`gradient(params, key)`, that of -log p as a vector, and the variance of its noise."""

    def of(params, *batch):
        value, slope = jax.value_and_grad(log_density)(params, *batch)
        # Nothing turns the chain back where there is no density: say so.
        return jnp.where(jnp.isfinite(value), -ravel_pytree(slope)[0], jnp.nan)

    def exact(params, key):
        del key
        g = of(params)
        return g, jnp.zeros_like(g)

    def noisy(params, key):
        one, other = (of(params, batches(k)) for k in jax.random.split(key))
        return 0.5 * (one + other), 0.25 * (one - other) ** 2

    return exact if batches is None else noisy


def _begin(key, sampler, log_density, params, gradient, batches) -> Chain:
    """A chain whose metric is the curvature at the start: the length of each row of the Hessian."""
    first, chain_key = jax.random.split(key)

    def begin(params, first, chain_key):
        flat, unravel = ravel_pytree(params)
        batch = () if batches is None else (batches(first),)
        value = log_density(params, *batch)

        def product(sign):
            return jax.jvp(lambda x: gradient(unravel(x), first)[0], (flat,), (sign,))[1]

        signs = jax.random.rademacher(first, (_PROBES, flat.size), flat.dtype)
        squares = jnp.mean(jax.lax.map(product, signs) ** 2, axis=0)
        metric = jnp.where(jnp.isfinite(value), jnp.sqrt(squares), jnp.nan)
        return value, sampler.init(chain_key, params, metric)

    value, chain = compiled_call(begin, params, first, chain_key)
    if not isinstance(value, Tracer):
        _check_start(value, chain)
    return chain


def _check_start(value, chain):
    if not bool(jnp.isfinite(value)):
        raise ValueError(
            f"log_density is {value} at the start; start where it is finite, such as at parameters "
            "that were trained."
        )
    if not bool(jnp.all(jnp.isfinite(chain.metric))):
        raise ValueError(
            "The second derivatives of log_density are not finite at the start, as at a cusp; "
            "start elsewhere."
        )
    free = chain.metric == 0
    if bool(jnp.any(free)):
        raise ValueError(
            f"{int(jnp.sum(free))} of {free.size} parameters do not change the gradient of the "
            "density at the start: give them a prior, or leave them out."
        )
