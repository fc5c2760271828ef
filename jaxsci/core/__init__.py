"""The functional API: verbs on pure functions f(params, x), knowing no physics."""

from ._calculus.derivatives import (
    biharmonic as biharmonic,
    derivative as derivative,
    divergence as divergence,
    grad as grad,
    hessian as hessian,
    jacobian as jacobian,
    laplacian as laplacian,
)
from ._deprecation import warn_deprecated as warn_deprecated
from ._files.io import load as load, save as save
from ._fit.fit import Fit as Fit, fit as fit
from ._gram.dense import gram as gram
from ._gram.operator import gram_operator as gram_operator
from ._pure import pure as pure
from ._run.memory import machine_memory as machine_memory, peak_memory as peak_memory
from ._run.platform import (
    PlatformReport as PlatformReport,
    check_platform as check_platform,
    require_x64 as require_x64,
)
from ._run.processes import Failure as Failure, attempt as attempt, in_processes as in_processes
from ._run.vmap import vmap as vmap
from ._solve.extrapolation import DIIS as DIIS, Anderson as Anderson
from ._solve.fixed_point import fixed_point as fixed_point
from ._solve.history import (
    History as History,
    empty_history as empty_history,
    extrapolate as extrapolate,
    push as push,
)
from ._train.averaging import averaged as averaged
from ._train.line_search import best_halving as best_halving
from ._train.objective import (
    BatchResiduals as BatchResiduals,
    Objective as Objective,
    objective as objective,
)
from ._train.residual import residual as residual
from ._train.second_order import (
    gauss_newton as gauss_newton,
    levenberg_marquardt as levenberg_marquardt,
    natural_gradient as natural_gradient,
)
from ._train.weighted import Weighted as Weighted
