"""Differentiable scientific computing: PDE residuals, SCF loops, operator layers, tangent kernels.

Every kernel is a pure function f(params, x) of one point, one molecule, one input function.
Batching is `vmap`, speed is `jit`, derivatives are transforms. The verbs are in `jaxsci.core`
and re-exported here; the four pillars are `pde`, `dft`, `operators` and `ntk`.
"""

from importlib.metadata import version as _version

from . import dft as dft, nn as nn, ntk as ntk, operators as operators, pde as pde
from .core import (
    DIIS as DIIS,
    Anderson as Anderson,
    BatchResiduals as BatchResiduals,
    Fit as Fit,
    Objective as Objective,
    PlatformReport as PlatformReport,
    Weighted as Weighted,
    averaged as averaged,
    biharmonic as biharmonic,
    check_platform as check_platform,
    compilation_cache as compilation_cache,
    derivative as derivative,
    divergence as divergence,
    fit as fit,
    fixed_point as fixed_point,
    gauss_newton as gauss_newton,
    grad as grad,
    gram as gram,
    gram_operator as gram_operator,
    hessian as hessian,
    jacobian as jacobian,
    laplacian as laplacian,
    levenberg_marquardt as levenberg_marquardt,
    load as load,
    machine_memory as machine_memory,
    natural_gradient as natural_gradient,
    objective as objective,
    peak_memory as peak_memory,
    pure as pure,
    require_x64 as require_x64,
    residual as residual,
    save as save,
    vmap as vmap,
)
from .core._run.compilation_cache import use_cache_of_environment as _use_cache_of_environment
from .core._run.platform import warn_if_known_wrong as _warn_if_known_wrong

__version__ = _version("jaxsci")
_warn_if_known_wrong(_version("jaxlib"))
_use_cache_of_environment()
