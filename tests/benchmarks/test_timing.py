"""Interleaved pairs and their interval, on a clock that the test turns itself."""

import numpy as np
import pytest

from benchmarks.runner.measure.timing import Ratio, interleave, measure, ratio, repeats_for


class FakeClock:
    """Time passes only when a function says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def takes(self, seconds, jitter=0.0, seed=0):
        """A function that takes this long, with a log-normal jitter."""
        rng = np.random.default_rng(seed)

        def function():
            self.now += seconds * float(np.exp(jitter * rng.standard_normal()))

        return function


def test_identical_functions_have_an_interval_around_one():
    """The interval of the median holds 1 in 95 % of runs; of 40, fewer than 30 is 1 in 10^6."""
    hits = 0
    for seed in range(40):
        clock = FakeClock()
        a, b = (clock.takes(0.1, jitter=0.05, seed=2 * seed + k) for k in (0, 1))
        found = interleave(a, b, pairs=20, seconds=0.0, clock=clock).ratio
        assert found.low is not None and found.high is not None
        hits += found.low <= 1.0 <= found.high
    assert hits >= 30


def test_the_ratio_survives_a_drift_of_the_machine():
    """A machine that slows down threefold while it measures: B still takes twice as long as A."""
    clock = FakeClock()

    def drifting(seconds):
        def function():
            clock.now += seconds * (1 + clock.now / 50)

        return function

    found = interleave(drifting(0.1), drifting(0.2), pairs=20, seconds=0.0, clock=clock).ratio
    assert found.median == pytest.approx(2.0, rel=0.02)


def test_short_calls_are_repeated_within_a_sample():
    assert repeats_for(1e-5) == 200
    assert repeats_for(1.0) == 1
    assert repeats_for(0.0) == 10_000


def test_measure_stops_at_samples_or_seconds():
    clock = FakeClock()
    assert len(measure(clock.takes(0.1), samples=4, seconds=100.0, clock=clock)) == 4
    assert len(measure(clock.takes(10.0), samples=4, seconds=1.0, clock=clock)) == 1


def test_interleave_goes_on_while_there_is_time():
    clock = FakeClock()
    a, b = clock.takes(0.1), clock.takes(0.1)
    assert interleave(a, b, pairs=5, seconds=0.0, clock=clock).ratio.pairs == 5
    assert interleave(a, b, pairs=5, seconds=1e9, clock=clock).ratio.pairs == 50


def test_few_pairs_give_no_interval():
    assert ratio((1.0,), (2.0,)) == Ratio(2.0, None, None, 1)


def test_a_constant_ratio_has_an_interval_of_no_width():
    found = ratio((1.0, 2.0, 3.0, 4.0, 5.0), (3.0, 6.0, 9.0, 12.0, 15.0))
    assert (found.median, found.low, found.high) == pytest.approx((3.0, 3.0, 3.0))
