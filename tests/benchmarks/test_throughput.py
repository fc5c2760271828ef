"""Throughput curves: what they check, and what stops them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.runner.case import Case, Run
from benchmarks.runner.measure.budget import BUDGETS, Budget
from benchmarks.runner.measure.loop import WrongBatch, relative_difference
from benchmarks.runner.measure.speed import slowness
from benchmarks.runner.measure.throughput import throughput
from benchmarks.runner.runner import run_case
from benchmarks.runner.session import Session

ROOMY = Budget(5, 0.01, 10.0, 2**28, 1e9)


def double(scale, x):
    return {"y": scale * x}


def doubles(n):
    """`scale` is shared by the items, x grows with their number."""
    x = jnp.arange(3.0 * n).reshape(n, 3)
    return jax.vmap(double, in_axes=(None, 0)), (jnp.asarray(2.0), x)


RUN = Run(double, (jnp.asarray(2.0), jnp.zeros(3)), error=lambda y: 0.0, batched=doubles)


def case(batches=(1, 4, 16), run=RUN):
    return Case("pde.double", "pde", "", lambda size: run, tolerance=1.0, batches=batches)


def test_the_curve_covers_all_sizes_and_agrees_with_the_loop():
    scaling = throughput(case(), RUN, Session("smoke", ROOMY))
    assert [point.n for point in scaling.points] == [1, 4, 16]
    assert scaling.stopped == "all sizes done"
    assert all(p.per_second == pytest.approx(p.n / p.seconds) for p in scaling.points)
    assert scaling.loop is not None
    assert (scaling.loop.n, scaling.loop.difference) == (16, 0.0)


def test_memory_stops_the_curve_before_the_program_runs():
    def hungry(n):
        # XLA's plan for the output alone is 8 MiB an item.
        return jax.vmap(lambda x: jnp.zeros(2**20) + x), (jnp.zeros(n),)

    run = Run(double, (), error=lambda y: 0.0, batched=hungry)
    small = Budget(5, 0.01, 60.0, 40 * 2**20, 1e9)
    scaling = throughput(case((1, 4, 16), run), run, Session("smoke", small))
    assert [point.n for point in scaling.points] == [1, 4]
    assert scaling.stopped.startswith("memory: 16 would take")


def test_time_stops_the_curve():
    ticks = itertools.count()
    slow_clock = lambda: float(next(ticks))  # noqa: E731
    scaling = throughput(case(), RUN, Session("smoke", ROOMY, clock=slow_clock))
    assert [point.n for point in scaling.points] == [1]
    assert scaling.stopped.startswith("time: 4 would take")


def test_a_batch_that_differs_from_its_items_is_wrong():
    def leaky(n):
        function, args = doubles(n)
        return lambda scale, x: {"y": function(scale, x)["y"] + x.mean()}, args

    run = Run(double, RUN.args, error=lambda y: 0.0, batched=leaky)
    row = run_case(case((1, 4), run), Session("smoke", ROOMY))
    assert row.status == "wrong" and "one by one" in row.message
    assert row.seconds is None and row.scaling is None


def test_a_batch_that_is_not_finite_fails():
    run = Run(
        double, RUN.args, error=lambda y: 0.0, batched=lambda n: (jnp.log, (-jnp.ones((n, 3)),))
    )
    with pytest.raises(FloatingPointError, match="a batch of 1 gave values that are not finite"):
        throughput(case((1,), run), run, Session("smoke", ROOMY))


def test_arguments_that_do_not_grow_are_refused():
    run = Run(
        double, RUN.args, error=lambda y: 0.0, batched=lambda n: (lambda x: x, (jnp.ones(3),))
    )
    with pytest.raises(ValueError, match="must grow with n along their leading axis"):
        throughput(case((1, 4), run), run, Session("smoke", ROOMY))


def test_items_unlike_the_step_are_looped_as_batches_of_one():
    """Here the batch takes another argument than the step, so there is no one-item program."""
    run = Run(
        lambda: jnp.zeros(()),
        (),
        error=lambda y: 0.0,
        batched=lambda n: (jax.vmap(jnp.sin), (jnp.arange(float(n)),)),
    )
    scaling = throughput(case((1, 4), run), run, Session("smoke", ROOMY))
    assert scaling.loop is not None and scaling.loop.difference < 1e-15


def test_relative_difference_is_scaled_by_the_largest_entry():
    assert relative_difference([np.array([0.0, 9.0])], [np.array([0.0, 10.0])]) == pytest.approx(
        0.1
    )
    with pytest.raises(WrongBatch, match="shape"):
        relative_difference([np.zeros(2)], [np.zeros(3)])
    with pytest.raises(WrongBatch, match="another structure"):
        relative_difference([np.zeros(2)], np.zeros(2))


def test_a_slow_machine_repeats_less_and_measures_the_same():
    quick, full = BUDGETS["quick"], BUDGETS["full"]
    assert quick.on(1.0) == quick
    slow = quick.on(2.0)
    assert slow.pair_seconds == quick.pair_seconds / 2
    assert slow.batch_seconds == quick.batch_seconds / 2
    assert (slow.pairs, slow.memory_bytes) == (quick.pairs, quick.memory_bytes)
    assert full.on(2.0) == full
    assert slowness() >= 1.0


def test_budgets_shrink_as_time_runs_out():
    quick = BUDGETS["quick"]
    assert quick.share(0.0, 1) == quick
    late = quick.share(quick.total_seconds, 3)
    assert late.pair_seconds == 0.0
    # A curve of one point would say nothing, so curves keep most of their time.
    assert late.batch_seconds == 0.75 * quick.batch_seconds
    assert quick.share(0.0, 1000).pairs == quick.pairs
