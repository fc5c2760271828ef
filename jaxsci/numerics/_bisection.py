"""Bisection to the last bit."""

from collections.abc import Callable


def bisect(is_below: Callable[[float], bool], low: float, high: float) -> float:
    """The largest number that is below a threshold, to rounding.

    **Arguments:**

    - `is_below`: whether a number is below the threshold; taken to hold at `low` and not at `high`.
    - `low`, `high`: where to search.

    **Returns:** the last number for which `is_below` held; the next one in floating point is not.

    ```python
    from jaxsci.numerics import bisect

    root = bisect(lambda x: x**2 < 2, 1.0, 2.0)  # 1.4142135623730950
    ```
    """
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return float(low)
