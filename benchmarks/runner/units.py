"""Numbers as people read them."""

from .measure.timing import Ratio

ABSENT = "-"


def seconds(value: float | None) -> str:
    """1.23 s, 45.6 ms, 789 µs."""
    if value is None:
        return ABSENT
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= scale:
            return f"{three_digits(value / scale)} {unit}"
    return f"{three_digits(value / 1e-9)} ns"


def bytes_(value: int | None) -> str:
    """1.23 GiB, 45.6 MiB, 789 KiB."""
    if value is None:
        return ABSENT
    for scale, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= scale:
            return f"{three_digits(value / scale)} {unit}"
    return f"{value} B"


def error(value: float | None) -> str:
    """1.2e-03."""
    return ABSENT if value is None else f"{value:.1e}"


def per_second(value: float) -> str:
    """1.23, 45.6, 789, 12.3k, 4.56M."""
    for scale, unit in ((1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{three_digits(value / scale)}{unit}"
    return three_digits(value)


def ratio(value: Ratio | None) -> str:
    """2.31 [2.20, 2.42]; without an interval, how many pairs there were."""
    if value is None:
        return ABSENT
    if value.low is None or value.high is None:
        return f"{three_digits(value.median)} ({value.pairs} pair{'s' * (value.pairs != 1)})"
    median, low, high = (three_digits(v) for v in (value.median, value.low, value.high))
    return f"{median} [{low}, {high}]"


def three_digits(value: float) -> str:
    """Three significant digits, without an exponent where that is readable."""
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def cores(count: int) -> str:
    """1 core, 2 cores."""
    return f"{count} core" if count == 1 else f"{count} cores"
