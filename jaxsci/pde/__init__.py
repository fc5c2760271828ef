"""Partial differential equations: domains, samplers, equations, exact conditions, references."""

from . import reference as reference
from .adversarial import Adversarial as Adversarial, adversarial as adversarial
from .conditions import (
    integral as integral,
    interface as interface,
    periodic as periodic,
    robin as robin,
)
from .constraints import dirichlet as dirichlet, hard as hard
from .domains import (
    Ball as Ball,
    Box as Box,
    Difference as Difference,
    Intersection as Intersection,
    Interval as Interval,
    SpaceTime as SpaceTime,
    Union as Union,
)
from .eigen import (
    Eigenproblem as Eigenproblem,
    eigenproblem as eigenproblem,
    rayleigh_quotient as rayleigh_quotient,
)
from .equations import (
    advection as advection,
    allen_cahn as allen_cahn,
    burgers as burgers,
    heat as heat,
    helmholtz as helmholtz,
    kuramoto_sivashinsky as kuramoto_sivashinsky,
    poisson as poisson,
    schroedinger as schroedinger,
    wave as wave,
)
from .polygons import Polygon as Polygon
from .quadrature import gauss_legendre as gauss_legendre
from .sampling import (
    joint as joint,
    latin_hypercube as latin_hypercube,
    residual_adaptive as residual_adaptive,
    sobol as sobol,
    uniform as uniform,
)
from .self_adaptation import SelfAdaptive as SelfAdaptive, self_adaptive as self_adaptive
from .smoothness import require_smooth as require_smooth
from .sobolev import sobolev_gradient as sobolev_gradient
from .stochastic import random_directions as random_directions, with_directions as with_directions
from .uncertainty import laplace_deviation as laplace_deviation
from .variational import ritz as ritz
from .weighting import (
    causal_loss as causal_loss,
    causal_weights as causal_weights,
    gradient_norm_weights as gradient_norm_weights,
    ntk_weights as ntk_weights,
)
