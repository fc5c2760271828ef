"""Tangent kernels: of the model you have, and what they predict."""

from .empirical import kernel as kernel
from .linearized import linearize as linearize, taylor_expand as taylor_expand
from .predict import (
    Posterior as Posterior,
    max_learning_rate as max_learning_rate,
    posterior as posterior,
    predict as predict,
)
from .spectrum import (
    effective_dimension as effective_dimension,
    spectrum as spectrum,
    target_power as target_power,
)
