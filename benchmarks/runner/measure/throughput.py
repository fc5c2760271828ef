"""Throughput as the vmapped batch grows, up to the budget of time and memory."""

import jax
import jax.numpy as jnp
import numpy as np

from ..case import Case, Run
from ..result import BatchPoint, Throughput
from ..session import Session
from .loop import MOST_ITEMS, against_loop
from .memory import MIB, free_bytes
from .program import Program, compile_program
from .timing import Clock, measure

SAMPLES = 5


def throughput(case: Case, run: Run, session: Session) -> Throughput:
    """Grow the batch until memory or time is used up, then compare it with a loop.

    The smallest batch always runs. A larger one is built only if the last one, scaled up, fits
    the budget, and it is run only if XLA's own plan for it fits.
    """
    assert run.batched is not None
    clock, budget = session.clock, session.budget
    start = clock()
    points: list[BatchPoint] = []
    stopped = "all sizes done"
    to_loop: tuple[BatchPoint, Program] | None = None
    last: Program | None = None
    for n in case.batches:
        limit = min(budget.memory_bytes, free_bytes() // 2)
        if points and last:
            left = budget.batch_seconds - (clock() - start)
            if stopped_by := _too_much(points[-1], last, n, left, limit):
                stopped = stopped_by
                break
        session.say(f"batch {n}")
        program = compile_program(*run.batched(n), clock=clock)
        if points and program.bytes and program.bytes.total > limit:
            stopped = f"memory: {n} would take {program.bytes.total / MIB:.0f} MiB"
            break
        points.append(_point(n, program, clock))
        last = program
        if 1 < n <= MOST_ITEMS:
            to_loop = (points[-1], program)
    loop = None
    if to_loop is not None:
        session.say(f"loop over {to_loop[0].n}")
        loop = against_loop(run, *to_loop, session)
    return Throughput(tuple(points), stopped, loop)


def _point(n: int, program: Program, clock: Clock) -> BatchPoint:
    _require_finite(program(), n)
    seconds = float(np.median(measure(program, samples=SAMPLES, seconds=0.5, clock=clock)))
    return BatchPoint(
        n=n,
        seconds=seconds,
        per_second=n / seconds,
        compile_seconds=program.compile_seconds or 0.0,
        temporary_bytes=program.bytes.temporary if program.bytes else None,
    )


def _too_much(last: BatchPoint, program: Program, n: int, left: float, limit: int) -> str:
    """Why a batch of n is not tried, judged from the last one scaled up; "" if it is."""
    growth = n / last.n
    if program.bytes and program.bytes.total * growth > limit:
        return f"memory: {n} would take about {program.bytes.total * growth / MIB:.0f} MiB"
    # One call to check, one to warm up, one sample, and as much again for the loop.
    expected = last.compile_seconds + 6 * last.seconds * growth
    if expected > left:
        return f"time: {n} would take about {expected:.1f} s"
    return ""


def _require_finite(output: object, n: int) -> None:
    for leaf in jax.tree.leaves(output):
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not bool(jnp.isfinite(leaf).all()):
            raise FloatingPointError(f"a batch of {n} gave values that are not finite")
