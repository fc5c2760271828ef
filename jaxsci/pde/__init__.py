"""Partial differential equations: domains, samplers, equations, conditions, solvers, references."""

from . import reference
from ._collocation.eigenpairs import Eigenpairs, eigenpairs
from ._collocation.features import (
    PolynomialFeatures,
    RandomFeatures,
    polynomial_features,
    random_features,
)
from ._collocation.in_slabs.march import March, march
from ._collocation.least_squares import LeastSquares, least_squares
from ._collocation.network_features import NetworkFeatures, network_features
from ._equations.equations import (
    advection,
    allen_cahn,
    burgers,
    heat,
    helmholtz,
    kuramoto_sivashinsky,
    poisson,
    schroedinger,
    wave,
)
from ._equations.exact_conditions import dirichlet, hard
from ._equations.fractional import caputo, fractional_laplacian
from ._equations.residual_conditions import integral, interface, periodic, robin
from ._equations.smoothness import require_smooth
from ._equations.systems import (
    elasticity,
    maxwell,
    navier_stokes,
    reaction_diffusion,
    stream_function,
    time_harmonic_maxwell,
)
from ._geometry.domains import Ball, Box, Difference, Intersection, Interval, SpaceTime, Union
from ._geometry.point_clouds import PointCloud
from ._geometry.polygons import Polygon
from ._geometry.round_domains import Cylinder, Ellipse, Torus
from ._methods.eigenproblem import Eigenproblem, eigenproblem, rayleigh_quotient
from ._methods.plots import plot_solution
from ._methods.self_adaptation import SelfAdaptive, self_adaptive
from ._methods.sobolev_gradient import sobolev_gradient
from ._methods.uncertainty import laplace_deviation
from ._methods.variational import ritz
from ._methods.weighting import causal_loss, causal_weights, gradient_norm_weights, ntk_weights
from ._points.adversarial import Adversarial, adversarial
from ._points.grading import graded
from ._points.quadrature import gauss_legendre
from ._points.random_directions import random_directions, with_directions
from ._points.sampling import joint, latin_hypercube, residual_adaptive, sobol, uniform

__all__ = [
    # Packages
    "reference",
    # Domains
    "Interval", "Box", "Ball", "Ellipse", "Cylinder", "Torus", "Polygon", "PointCloud",
    "Union", "Intersection", "Difference", "SpaceTime",
    # Points
    "uniform", "sobol", "latin_hypercube", "residual_adaptive", "joint", "gauss_legendre",
    "graded", "adversarial", "Adversarial", "random_directions", "with_directions",
    # Equations
    "poisson", "helmholtz", "heat", "wave", "advection", "burgers", "allen_cahn", "schroedinger",
    "kuramoto_sivashinsky", "caputo", "fractional_laplacian",
    # Systems of equations
    "navier_stokes", "stream_function", "elasticity", "maxwell", "time_harmonic_maxwell",
    "reaction_diffusion",
    # Conditions built into the trial function
    "dirichlet", "hard",
    # Conditions as residuals
    "robin", "periodic", "interface", "integral",
    # Methods
    "least_squares", "LeastSquares", "march", "March", "random_features", "RandomFeatures",
    "polynomial_features", "PolynomialFeatures", "network_features", "NetworkFeatures",
    "eigenpairs", "Eigenpairs", "eigenproblem", "Eigenproblem", "rayleigh_quotient", "ritz",
    "sobolev_gradient", "laplace_deviation", "require_smooth", "plot_solution",
    # Weights
    "ntk_weights", "gradient_norm_weights", "causal_weights", "causal_loss", "self_adaptive",
    "SelfAdaptive",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
