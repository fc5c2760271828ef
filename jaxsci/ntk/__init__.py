"""Tangent kernels of any model, their spectra, and what they predict about training."""

from . import infinite as infinite
from ._empirical.descent import gradient_descent as gradient_descent
from ._empirical.kernel import kernel as kernel
from ._empirical.linearized import linearize as linearize, taylor as taylor
from ._empirical.predict import Posterior as Posterior, posterior as posterior, predict as predict
from ._empirical.spectrum import (
    Spectrum as Spectrum,
    max_learning_rate as max_learning_rate,
    spectrum as spectrum,
)
from ._features.bundled import BundledDense as BundledDense, bundle as bundle
from ._features.neuron_features import (
    ArcCosineNeuronFeatures as ArcCosineNeuronFeatures,
    FourierNeuronFeatures as FourierNeuronFeatures,
)
from ._features.random_features import Features as Features, random_features as random_features
from ._theory.criticality import (
    Criticality as Criticality,
    Susceptibilities as Susceptibilities,
    criticality as criticality,
    kernel_recursion as kernel_recursion,
    susceptibilities as susceptibilities,
)
from ._theory.deep_limit import (
    DeepLimit as DeepLimit,
    deep_kernel as deep_kernel,
    deep_limit as deep_limit,
    optimal_activation as optimal_activation,
)
from ._theory.finite_width import (
    four_point_recursion as four_point_recursion,
    linear_kernel_variance as linear_kernel_variance,
    relu_vertex as relu_vertex,
)
from ._theory.moments import Moments as Moments, moment_map as moment_map
