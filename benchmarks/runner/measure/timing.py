"""Times that can be compared: interleaved pairs, the median ratio, a bootstrap interval."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

Clock = Callable[[], float]

# Below this a sample is mostly the clock's own noise, so a sample repeats the call.
SHORTEST_SAMPLE = 2e-3
MOST_REPEATS = 10_000
FEWEST_FOR_AN_INTERVAL = 5


@dataclass(frozen=True)
class Ratio:
    """How many times longer B takes than A: the median over pairs, with its 95 % interval.

    `low` and `high` are `None` when there are too few pairs for an interval.
    """

    median: float
    low: float | None
    high: float | None
    pairs: int


@dataclass(frozen=True)
class Pairs:
    """Seconds of one call of A and of B, sample by sample, as they were taken in turn."""

    a: tuple[float, ...]
    b: tuple[float, ...]

    @property
    def ratio(self) -> Ratio:
        return ratio(self.a, self.b)


def inverse(value: Ratio) -> Ratio:
    """How many times longer A takes than B."""
    low, high = (None if end is None else 1 / end for end in (value.high, value.low))
    return Ratio(1 / value.median, low, high, value.pairs)


def call(function: Callable[..., Any], args: tuple[Any, ...]) -> Callable[[], Any]:
    """`function(*args)` as a call that returns when the device has finished."""
    return lambda: jax.block_until_ready(function(*args))


def repeats_for(seconds: float) -> int:
    """How often a call of this length is repeated in one sample."""
    if seconds <= 0:
        return MOST_REPEATS
    return int(min(max(np.ceil(SHORTEST_SAMPLE / seconds), 1), MOST_REPEATS))


def _sample(function: Callable[[], Any], repeats: int, clock: Clock) -> float:
    start = clock()
    for _ in range(repeats):
        function()
    return (clock() - start) / repeats


def measure(
    function: Callable[[], Any],
    *,
    samples: int,
    seconds: float,
    clock: Clock = time.perf_counter,
) -> tuple[float, ...]:
    """Seconds of one call, in at most `samples` samples and about `seconds` in all.

    The first call is not counted: it loads the program and fills the caches. A call that alone
    takes longer than `seconds` is sampled once more, no further.
    """
    start = clock()
    repeats = repeats_for(_sample(function, 1, clock))
    taken = [_sample(function, repeats, clock)]
    while len(taken) < samples and clock() - start < seconds:
        taken.append(_sample(function, repeats, clock))
    return tuple(taken)


def interleave(
    a: Callable[[], Any],
    b: Callable[[], Any],
    *,
    pairs: int,
    seconds: float,
    most_pairs: int = 50,
    clock: Clock = time.perf_counter,
) -> Pairs:
    """Time A and B in turn, so that whatever else the machine does falls on both alike.

    The order within a pair alternates (AB, BA, ...), which cancels a drift.

    **Arguments:**

    - `pairs`: how many at least.
    - `seconds`: go on to `most_pairs` while this time is not spent.
    """
    start = clock()
    calls = (a, b)
    repeats = [repeats_for(_sample(function, 1, clock)) for function in calls]
    taken: tuple[list[float], list[float]] = ([], [])
    while len(taken[0]) < pairs or (len(taken[0]) < most_pairs and clock() - start < seconds):
        order = (0, 1) if len(taken[0]) % 2 == 0 else (1, 0)
        for which in order:
            taken[which].append(_sample(calls[which], repeats[which], clock))
    return Pairs(tuple(taken[0]), tuple(taken[1]))


def ratio(a: tuple[float, ...], b: tuple[float, ...], *, resamples: int = 4000) -> Ratio:
    """The median of `b_i / a_i` with a percentile bootstrap interval over the pairs.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
    """
    each = np.asarray(b) / np.asarray(a)
    if len(each) < FEWEST_FOR_AN_INTERVAL:
        return Ratio(float(np.median(each)), None, None, len(each))
    picks = np.random.default_rng(0).integers(len(each), size=(resamples, len(each)))
    low, high = np.quantile(np.median(each[picks], axis=1), (0.025, 0.975))
    return Ratio(float(np.median(each)), float(low), float(high), len(each))
