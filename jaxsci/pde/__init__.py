"""Partial differential equations: domains, samplers, equations, exact conditions, references."""

from . import reference as reference
from ._equations.equations import (
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
from ._equations.exact_conditions import dirichlet as dirichlet, hard as hard
from ._equations.residual_conditions import (
    integral as integral,
    interface as interface,
    periodic as periodic,
    robin as robin,
)
from ._equations.smoothness import require_smooth as require_smooth
from ._geometry.domains import (
    Ball as Ball,
    Box as Box,
    Difference as Difference,
    Intersection as Intersection,
    Interval as Interval,
    SpaceTime as SpaceTime,
    Union as Union,
)
from ._geometry.polygons import Polygon as Polygon
from ._methods.eigen import (
    Eigenproblem as Eigenproblem,
    eigenproblem as eigenproblem,
    rayleigh_quotient as rayleigh_quotient,
)
from ._methods.self_adaptation import SelfAdaptive as SelfAdaptive, self_adaptive as self_adaptive
from ._methods.sobolev import sobolev_gradient as sobolev_gradient
from ._methods.uncertainty import laplace_deviation as laplace_deviation
from ._methods.variational import ritz as ritz
from ._methods.weighting import (
    causal_loss as causal_loss,
    causal_weights as causal_weights,
    gradient_norm_weights as gradient_norm_weights,
    ntk_weights as ntk_weights,
)
from ._points.adversarial import Adversarial as Adversarial, adversarial as adversarial
from ._points.quadrature import gauss_legendre as gauss_legendre
from ._points.sampling import (
    joint as joint,
    latin_hypercube as latin_hypercube,
    residual_adaptive as residual_adaptive,
    sobol as sobol,
    uniform as uniform,
)
from ._points.stochastic import (
    random_directions as random_directions,
    with_directions as with_directions,
)
