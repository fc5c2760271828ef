"""Tangent kernels of any model, their spectra, and what they predict about training."""

from ..core import gram as kernel
from . import infinite
from ._empirical.descent import gradient_descent
from ._empirical.linearized import linearize, taylor
from ._empirical.predict import Posterior, posterior, predict
from ._empirical.spectrum import Spectrum, max_learning_rate, spectrum
from ._features.bundled import BundledDense, bundle
from ._features.neuron_features import ArcCosineNeuronFeatures, FourierNeuronFeatures
from ._features.random_features import Features, random_features
from ._theory.criticality import (
    Criticality,
    Susceptibilities,
    criticality,
    kernel_recursion,
    susceptibilities,
)
from ._theory.deep_limit import DeepLimit, deep_kernel, deep_limit, optimal_activation
from ._theory.finite_width import four_point_recursion, linear_kernel_variance, relu_vertex
from ._theory.moments import Moments, moment_map

__all__ = [
    # Packages
    "infinite",
    # Kernels of finite models
    "kernel", "linearize", "taylor", "spectrum", "Spectrum", "max_learning_rate",
    # Predictions
    "predict", "posterior", "Posterior", "gradient_descent",
    # Features
    "random_features", "Features", "bundle", "BundledDense", "ArcCosineNeuronFeatures",
    "FourierNeuronFeatures",
    # Theory of initialisation
    "criticality", "Criticality", "susceptibilities", "Susceptibilities", "kernel_recursion",
    "deep_limit", "DeepLimit", "deep_kernel", "optimal_activation", "moment_map", "Moments",
    # Finite width
    "linear_kernel_variance", "four_point_recursion", "relu_vertex",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
