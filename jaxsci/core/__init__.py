"""The functional API: verbs on pure functions f(params, x), knowing no physics."""

from ._calculus.derivatives import (
    biharmonic,
    derivative,
    divergence,
    grad,
    hessian,
    jacobian,
    laplacian,
)
from ._deprecation import warn_deprecated
from ._files.io import load, read_metadata, save
from ._fit.early_stopping import EarlyStopping
from ._fit.fit import Fit, fit
from ._gram.dense import gram
from ._gram.operator import gram_operator
from ._pure import pure
from ._run.compilation_cache import compilation_cache
from ._run.compiling import announced_jit
from ._run.memoised import memoised
from ._run.memory import host_memory, machine_memory, peak_memory
from ._run.one_copy import one_copy
from ._run.platform import PlatformReport, check_platform, require_x64
from ._run.processes import Failure, attempt, in_processes
from ._run.program import as_data, compiled_call, program
from ._run.vmap import vmap
from ._solve.extrapolation import DIIS, Anderson
from ._solve.fixed_point import fixed_point
from ._solve.history import History, empty_history, extrapolate, push
from ._train.averaging import averaged
from ._train.laplace import Laplace, laplace
from ._train.line_search import best_halving
from ._train.objective import BatchResiduals, Objective, objective
from ._train.residual import residual
from ._train.second_order import gauss_newton, levenberg_marquardt, natural_gradient
from ._train.weighted import Weighted

__all__ = [
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
    # What the packages above build on
    "History", "empty_history", "push", "extrapolate", "best_halving", "host_memory",
    "in_processes", "attempt", "Failure", "memoised", "read_metadata", "compiled_call", "program",
    "as_data", "one_copy", "announced_jit", "warn_deprecated",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
