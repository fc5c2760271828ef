"""Differentiable scientific computing: PDE residuals, SCF loops, operator layers, tangent kernels.

Every kernel is a pure function f(params, x) of one point, one molecule or one input function.
Batching is `vmap`, speed is `jit`, derivatives are transforms.

Packages:

    pde         equations: domains, points, exact conditions, eigenproblems, reference solutions
    dft         Kohn-Sham density functional theory, functionals that can be trained
    operators   neural operators: networks that map functions to functions
    ntk         tangent kernels, finite and infinite, and what they predict about training
    atoms       interatomic potentials: forces and stresses, dynamics, phonons, elastic constants
    bayes       priors of functions, draws from posteriors, filters of series
    analysis    consensus, factors and blocks of data, maps between surfaces
    nn          networks and embeddings that more than one of these uses

Verbs:

    pure                      a Flax or Equinox model as a function f(params, x)
    derivative, grad, jacobian, hessian, divergence, laplacian, biharmonic
                              derivatives of fields, as functions of the same arguments
    residual                  an operator applied to a field: what training drives to zero
    objective                 residuals, data and losses as one weighted sum
    fit                       the training loop, with progress, checkpoints and exact resume
    EarlyStopping             a callback of fit that keeps the best parameters
    averaged                  the running average of the parameters, around any optimiser
    levenberg_marquardt, gauss_newton, natural_gradient
                              second-order optimisers in sample space
    gram, gram_operator       J Jᵀ of any function: the tangent kernel
    laplace                   error bars of any trained model, and the evidence for it
    fixed_point               the solution of y = step(params, y), with implicit derivatives
    vmap                      jax.vmap in chunks, over devices
    peak_memory, machine_memory
                              the bytes that a call needs, and that there are
    compilation_cache         compiled programs, kept for the next process
    save, load                any pytree in one file, checked when it is read
    check_platform, require_x64
                              whether this machine computes right numbers, and in float64

Help on one of them: `help(jaxsci.fit)`. `python -m jaxsci doctor` tests an installation.
"""

from importlib.metadata import version as _version

from . import analysis, atoms, bayes, dft, nn, ntk, operators, pde
from .core import (
    DIIS,
    Anderson,
    BatchResiduals,
    EarlyStopping,
    Fit,
    Laplace,
    Objective,
    PlatformReport,
    Weighted,
    averaged,
    biharmonic,
    check_platform,
    compilation_cache,
    derivative,
    divergence,
    fit,
    fixed_point,
    gauss_newton,
    grad,
    gram,
    gram_operator,
    hessian,
    jacobian,
    laplace,
    laplacian,
    levenberg_marquardt,
    load,
    machine_memory,
    natural_gradient,
    objective,
    peak_memory,
    pure,
    require_x64,
    residual,
    save,
    vmap,
)
from .core._run.compilation_cache import use_cache_of_environment as _use_cache_of_environment
from .core._run.platform import warn_if_known_wrong as _warn_if_known_wrong

__version__ = _version("jaxsci")
_warn_if_known_wrong(_version("jaxlib"))
_use_cache_of_environment()

__all__ = [
    # Packages
    "analysis", "atoms", "bayes", "dft", "nn", "ntk", "operators", "pde",
    # Models and derivatives
    "pure", "derivative", "grad", "jacobian", "hessian", "divergence", "laplacian", "biharmonic",
    # Residuals and training
    "residual", "objective", "Objective", "Weighted", "BatchResiduals", "fit", "Fit",
    "EarlyStopping", "averaged",
    # Second-order optimisers
    "levenberg_marquardt", "gauss_newton", "natural_gradient",
    # J Jᵀ
    "gram", "gram_operator", "laplace", "Laplace",
    # Fixed points
    "fixed_point", "Anderson", "DIIS",
    # Batches, memory, files
    "vmap", "peak_memory", "machine_memory", "save", "load",
    # The platform
    "check_platform", "PlatformReport", "require_x64", "compilation_cache",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
