"""bisect: to the last bit."""

import math

from jaxsci.numerics import bisect


def test_brackets_an_irrational_root_between_neighbours():
    root = bisect(lambda x: x * x < 2, 1.0, 2.0)
    assert root * root < 2 <= math.nextafter(root, 2.0) ** 2


def test_ends_where_the_threshold_is_at_an_end_or_between_neighbours():
    assert bisect(lambda x: False, 1.0, 2.0) == 1.0
    assert bisect(lambda x: True, 1.0, 2.0) == math.nextafter(2.0, 1.0)
    assert bisect(lambda x: True, 1.0, math.nextafter(1.0, 2.0)) == 1.0


def test_crosses_zero():
    assert abs(bisect(lambda x: math.sin(x) < 0, -1.0, 2.0)) < 1e-300
