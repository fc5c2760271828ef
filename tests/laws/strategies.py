"""What fuzzed arguments are drawn from, and how many."""

import numpy as np
from hypothesis import settings, strategies as st

# 1e-310 is denormal; squares of 1e160 overflow.
SPECIAL = [0.0, -0.0, 1e-310, 1e-8, -1.0, 1e160, 1e308, -1e308, np.nan, np.inf, -np.inf]
NUMBERS = st.floats(-3, 3) | st.sampled_from(SPECIAL)
FUZZ = settings(max_examples=150, deadline=None, database=None, derandomize=True)


def mostly(valid, others=NUMBERS):
    """One of several arguments, so that not all calls are refused for one of them."""
    return st.integers(0, 7).flatmap(lambda i: st.just(valid) if i else others)
