"""Bayesian inference for any pure function: draws from densities, filters of series."""

from ._filters.filter import Filtered, Observation, filter
from ._filters.hgf import HGF, Beliefs, hgf
from ._filters.kalman import Gaussian, GaussianRoot, Kalman, kalman
from ._filters.node import Node
from ._sampling.draws import Draws, draws
from ._sampling.health import Health, health
from ._sampling.langevin import Chain, Langevin, langevin

__all__ = [
    # Draws from a density
    "langevin", "Langevin", "draws", "Draws", "Chain", "health", "Health",
    # Filters of series
    "filter", "Filtered", "Observation", "kalman", "Kalman", "Gaussian", "GaussianRoot", "hgf",
    "HGF", "Node", "Beliefs",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
