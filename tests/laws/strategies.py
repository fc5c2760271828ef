"""What fuzzed arguments are drawn from, how many, and the count of them."""

import collections
import functools

import numpy as np
from hypothesis import given, settings, strategies as st

# 1e-310 is denormal; squares of 1e160 overflow.
SPECIAL = [0.0, -0.0, 1e-310, 1e-8, -1.0, 1e160, 1e308, -1e308, np.nan, np.inf, -np.inf]
NUMBERS = st.floats(-3, 3) | st.sampled_from(SPECIAL)
TRIED = collections.Counter()  # by this process; conftest.py adds them up over the workers


def fuzz(*arguments):
    """Call a test with arguments drawn from these strategies, and count the calls."""

    def decorate(test):
        @functools.wraps(test)
        def counted(*args, **kwargs):
            TRIED["values"] += 1
            test(*args, **kwargs)

        options = settings(max_examples=150, deadline=None, database=None, derandomize=True)
        return options(given(*arguments)(counted))

    return decorate


def mostly(valid, others=NUMBERS):
    """One of several arguments, so that not all calls are refused for one of them."""
    return st.integers(0, 7).flatmap(lambda i: st.just(valid) if i else others)
