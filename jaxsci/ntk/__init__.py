"""Tangent kernels: of any model, their spectra, and what they predict about training."""

from . import infinite as infinite
from .descent import gradient_descent as gradient_descent
from .empirical import kernel as kernel
from .linearized import linearize as linearize, taylor as taylor
from .predict import Posterior as Posterior, posterior as posterior, predict as predict
from .spectrum import (
    Spectrum as Spectrum,
    max_learning_rate as max_learning_rate,
    spectrum as spectrum,
)
