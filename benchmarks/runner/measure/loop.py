"""The same batch as a Python loop over one compiled item: is vmap the faster way here?"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..case import Run
from ..result import BatchPoint, Loop
from ..session import Session
from .program import Program, compile_program
from .timing import interleave

MOST_ITEMS = 256


class WrongBatch(ValueError):
    """The batch's result is not what its items give one by one."""


def against_loop(run: Run, point: BatchPoint, batch: Program, session: Session) -> Loop:
    """Time `batch` against a loop over its items, after checking that both agree.

    **Raises:** `WrongBatch` if they differ by more than `run.batch_tolerance`.
    """
    function, items, join = one_by_one(run, point.n, batch.args)
    one = compile_program(function, items[0], clock=session.clock).compiled

    def loop() -> Any:
        return jax.block_until_ready([one(*item) for item in items])

    difference = relative_difference(batch(), join(loop()))
    if not difference <= run.batch_tolerance:
        raise WrongBatch(
            f"a batch of {point.n} differs from its items one by one by {difference:.1e} "
            f"(relative), above {run.batch_tolerance:.1e}"
        )
    budget = session.budget
    # A pair costs about twice the batch; without room for all pairs, one is still worth seeing.
    room = 3 * point.seconds * budget.pairs < budget.batch_seconds
    pairs = interleave(
        batch,
        loop,
        pairs=budget.pairs if room else 1,
        seconds=0.1 * budget.batch_seconds,
        clock=session.clock,
    )
    return Loop(point.n, pairs.ratio, difference)


def one_by_one(
    run: Run, n: int, args: tuple[Any, ...]
) -> tuple[Callable[..., Any], list[tuple[Any, ...]], Callable[[list[Any]], Any]]:
    """The program of one item, each item's arguments, and how to join the results.

    The leaves that grow with n are those of the items. Where an item looks exactly like the
    arguments of `run.step`, that is the program; else it is the batch of one.
    """
    assert run.batched is not None
    batch_of_one, single = run.batched(1)
    single = jax.device_put(tuple(single))
    grows = jax.tree.map(lambda a, b: jnp.shape(a) != jnp.shape(b), args, single)
    if not any(jax.tree.leaves(grows)):
        raise ValueError(
            f"batched({n}) and batched(1) have arguments of the same shapes: the leaves that "
            "carry the items must grow with n along their leading axis"
        )
    items = [
        jax.tree.map(lambda leaf, grow, i=i: leaf[i] if grow else leaf, args, grows)
        for i in range(n)
    ]
    if _looks_like(items[0], run.args):
        return run.step, items, lambda results: jax.tree.map(_stack, *results)
    rows = [
        jax.tree.map(lambda leaf, grow, i=i: leaf[i : i + 1] if grow else leaf, args, grows)
        for i in range(n)
    ]
    return batch_of_one, rows, lambda results: jax.tree.map(_concatenate, *results)


def _looks_like(item: Any, args: Any) -> bool:
    if jax.tree.structure(item) != jax.tree.structure(tuple(args)):
        return False
    pairs = zip(jax.tree.leaves(item), jax.tree.leaves(args), strict=True)
    return all(jnp.shape(a) == jnp.shape(b) for a, b in pairs)


def _stack(*leaves: Any) -> np.ndarray:
    return np.stack([np.asarray(leaf) for leaf in leaves])


def _concatenate(*leaves: Any) -> np.ndarray:
    return np.concatenate([np.asarray(leaf) for leaf in leaves])


def relative_difference(a: Any, b: Any) -> float:
    """max |a - b| / max |b|, the worst over the floating-point leaves.

    **Raises:** `WrongBatch` if the two are not shaped alike.
    """
    if jax.tree.structure(a) != jax.tree.structure(b):
        raise WrongBatch("a batch returns another structure than its items one by one")
    worst = 0.0
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        if x.shape != y.shape:
            raise WrongBatch(f"a batch returns shape {x.shape}, its items one by one {y.shape}")
        if np.issubdtype(y.dtype, np.inexact):
            scale = max(float(np.abs(y).max(initial=0.0)), np.finfo(y.dtype).tiny)
            worst = max(worst, float(np.abs(x - y).max(initial=0.0)) / scale)
    return worst
