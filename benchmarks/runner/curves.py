"""Trainings as curves: the error after so many seconds, and when an error was first reached."""

import math
from collections.abc import Mapping
from typing import Any

from . import units

Curve = list[tuple[float, float]]
LEVELS = (1e-2, 1e-3, 1e-4, 1e-6)


def split_curves(output: Any) -> tuple[Any, dict[str, Curve]]:
    """Take a host step's `(output, curve)` apart; an output without a curve has none."""
    if not (isinstance(output, tuple) and len(output) == 2):
        return output, {}
    value, curve = output
    if isinstance(curve, list) and curve and all(len(point) == 2 for point in curve):
        curve = {"": curve}
    elif not (isinstance(curve, dict) and all(isinstance(c, list) for c in curve.values())):
        return output, {}
    return value, {
        label: [(float(seconds), float(error)) for seconds, error in points]
        for label, points in curve.items()
    }


def seconds_to(curve: Curve, error: float) -> float | None:
    """When the curve is first at this error or below it; `None` if it never is."""
    return next((seconds for seconds, found in curve if found <= error), None)


def best(curves: Mapping[str, Curve]) -> tuple[float, float]:
    """The seconds and the error of the smallest error on any curve, NaN being the largest."""
    points = [point for curve in curves.values() for point in curve]
    return min(points, key=lambda point: (math.isnan(point[1]), point[1]))


def milestones(curves: Mapping[str, Curve]) -> dict[str, str]:
    """Seconds to each level that some curve reaches, a number for each curve."""
    found = {}
    for level in LEVELS:
        reached = [seconds_to(curve, level) for curve in curves.values()]
        if any(seconds is not None for seconds in reached):
            words = (units.ABSENT if s is None else f"{s:.3g}" for s in reached)
            found[f"seconds to {level:.0e}"] = ", ".join(words)
    return found
