"""Bayesian inference for any pure function: priors, draws, predictions, filters of series."""

from ._filters.filter import Filtered, Observation, filter
from ._filters.hgf.beliefs import Beliefs
from ._filters.hgf.families import Family, multivariate_normal
from ._filters.hgf.hgf import HGF, hgf
from ._filters.hgf.node import Node
from ._filters.kalman import Gaussian, GaussianRoot, Kalman, kalman
from ._prior.distances import energy_distance, sinkhorn_distance
from ._prior.gaussian_process import GaussianProcess, gaussian_process
from ._prior.hierarchical import Hierarchical, White, hierarchical
from ._prior.match_prior import Matched, match_prior
from ._prior.prior import Prior, prior
from ._prior.wasserstein_critic import Critic, critic
from ._sampling.chains import Chains, chains
from ._sampling.convergence_diagnostics import Health, health
from ._sampling.draws import Draws, draws
from ._sampling.langevin import Chain, Langevin, langevin
from ._sampling.predict import Prediction, predict

__all__ = [
    # Priors of parameters and of functions
    "prior", "Prior", "hierarchical", "Hierarchical", "White", "match_prior", "Matched",
    "gaussian_process", "GaussianProcess", "energy_distance", "sinkhorn_distance", "critic",
    "Critic",
    # Draws from a density
    "langevin", "Langevin", "draws", "Draws", "Chain", "chains", "Chains", "health", "Health",
    "predict", "Prediction",
    # Filters of series
    "filter", "Filtered", "Observation", "kalman", "Kalman", "Gaussian", "GaussianRoot", "hgf",
    "HGF", "Node", "Beliefs", "Family", "multivariate_normal",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
