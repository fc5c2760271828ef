"""Several chains at once, with a report of whether they agree while they run."""

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, PRNGKeyArray, PyTree
from tqdm import tqdm

from ...core import compiled_call
from .convergence_diagnostics import Health, health, worst
from .draws import Draws, check_lengths, draws
from .langevin import Chain, Langevin

# Reports at most, and draws of each chain that they look at.
_PARTS, _SEEN = 20, 100
# What `health` needs.
_FEWEST = 8


class Chains(NamedTuple):
    """What `chains` returns.

    - `params`: the kept positions, a pytree like the parameters with axes (chains, draws) in front.
    - `chain`: where the chains are, from which `chains` continues.
    - `settled`: whether the metric of each still fits, (chains,); where not, adapt for longer.
    - `health`: R̂ and effective draws of each parameter.
    """

    params: PyTree
    chain: Chain
    settled: Bool[Array, " chains"]
    health: Health


def chains(
    key: PRNGKeyArray,
    sampler: Langevin,
    log_density: Callable,
    start: PyTree | Callable | Chain,
    *,
    steps: int,
    count: int = 4,
    keep_every: int = 10,
    batches: Callable | None = None,
    progress: bool = True,
) -> Chains:
    """Draw by several chains of `draws`, and see on the way whether they agree.

    A bar shows the largest R̂ and the fewest effective draws of any parameter until now, of at
    most a hundred draws of each chain: the latter is a lower bound.

    **Arguments:**

    - `key`: of all chains.
    - `sampler`, `log_density`, `keep_every`, `batches`: as in `draws`.
    - `start`: parameters from which all start; better a function of a key that draws them, such
        as `prior.white`; or the `.chain` of chains before, which go on.
    - `steps`: of each chain after its adaptation. The bar moves at most twenty times, and as often
        as a number up to twenty divides the draws.
    - `count`: the number of chains; that of `start` where they go on.
    - `progress`: show the bar.

    **Returns:** `Chains`: `.params`, `.chain`, `.settled`, `.health`.

    **Raises:** `ValueError` as `draws` does, for no chains, the chain of one `draws`, and for fewer
    than eight draws of each chain, of which there is no R̂; `TypeError` under `jax.jit`.

    **Notes:** not under `jax.jit`, where `jax.vmap` of `draws` does the same without a bar.

    **Good values:** four chains whose starts differ more than the posterior does.

    ```python
    log_density = lambda p: -0.5 * jnp.sum((p["w"] - 1.0) ** 2)
    start = lambda key: {"w": 3.0 * jax.random.normal(key, (2,))}
    sampler = jsci.bayes.langevin(adapt=100)
    found = jsci.bayes.chains(key, sampler, log_density, start, steps=200)
    found.params["w"].shape  # (4, 20, 2)
    found.health.r_hat["w"].shape  # (2,)
    ```
    """
    check_lengths(sampler, steps, keep_every)
    kept = steps // keep_every
    if kept < _FEWEST:
        raise ValueError(
            f"{kept} draws of each chain are too few for R̂: take at least {_FEWEST * keep_every} "
            f"steps, or keep more of them, got steps={steps} and keep_every={keep_every}."
        )
    unit = (sampler.cycle or keep_every) // keep_every
    length = kept // max(n for n in range(1, _PARTS + 1) if kept // unit % n == 0)

    def part(key, at):
        return draws(
            key, sampler, log_density, at,
            steps=length * keep_every, keep_every=keep_every, batches=batches,
        )  # fmt: skip

    def several(keys, at):
        return compiled_call(jax.vmap(part), keys, at)

    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((key, start))):
        raise TypeError("chains() reports on the way, so not under jax.jit: vmap draws() there.")
    keys, at = _starts(key, start, count)
    found: list[PyTree] = []
    with tqdm(total=steps, disable=not progress, delay=2.0, unit="step") as bar:
        for _ in range(kept // length):
            new = several(keys, at)
            _require_finite(new, found)
            at, found = new.chain, [*found, new.params]
            bar.set_postfix_str(_line(found) if progress else "")
            bar.update(length * keep_every)
    params = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *found)
    return Chains(params, new.chain, new.settled, health(params))


def _starts(key, start, count):
    """A key and a start for each chain."""
    if not isinstance(count, Integral) or int(count) < 1:
        raise ValueError(f"count must be a number of chains, at least 1, got {count!r}.")
    if isinstance(start, Chain):
        if start.count.ndim != 1:
            raise ValueError(
                "start is the chain of one draws(): continue it there, or start chains() from "
                "start.params."
            )
        return jax.random.split(key, len(start.count)), start
    count = int(count)
    of_start, of_chains = jax.random.split(key)
    if callable(start):
        at = jax.vmap(start)(jax.random.split(of_start, count))
    else:
        flat = jax.tree.map(lambda a: jnp.asarray(a, jnp.result_type(a, 0.0)), start)
        at = jax.tree.map(lambda a: jnp.broadcast_to(a, (count, *a.shape)), flat)
    return jax.random.split(of_chains, count), at


def _require_finite(new: Draws, found):
    if found or all(bool(jnp.all(jnp.isfinite(a[:, 0]))) for a in jax.tree.leaves(new.params)):
        return
    raise ValueError(
        "The first draws are not finite: log_density or its second derivatives are not finite at "
        "a start, or a parameter does not change it. draws() from that start says which."
    )


def _line(found) -> str:
    """Of as many draws each time, so that nothing compiles twice."""
    count = max(_FEWEST, min(_SEEN, jax.tree.leaves(found[0])[0].shape[1]))
    drawn = len(found) * jax.tree.leaves(found[0])[0].shape[1]
    if drawn < count:
        return ""
    chosen = np.linspace(0, drawn - 1, count).astype(int)
    few = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1)[:, chosen], *found)
    r_hat, effective = worst(health(few))
    return f"R̂ {r_hat:.3f}, at least {effective:.0f} effective draws"
