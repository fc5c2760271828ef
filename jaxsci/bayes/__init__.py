"""Bayesian inference for any pure function: filters of series."""

from ._filters.filter import Filtered, Observation, filter
from ._filters.hgf import HGF, Beliefs, hgf
from ._filters.kalman import Gaussian, GaussianRoot, Kalman, kalman
from ._filters.node import Node

__all__ = [
    # Filters of series
    "filter", "Filtered", "Observation", "kalman", "Kalman", "Gaussian", "GaussianRoot", "hgf",
    "HGF", "Node", "Beliefs",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
