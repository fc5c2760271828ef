"""The functional API: verbs on pure functions f(params, x), knowing no physics."""

from ._averaging import averaged as averaged
from ._deprecation import warn_deprecated as warn_deprecated
from ._derivatives import (
    biharmonic as biharmonic,
    derivative as derivative,
    divergence as divergence,
    grad as grad,
    hessian as hessian,
    jacobian as jacobian,
    laplacian as laplacian,
)
from ._extrapolation import DIIS as DIIS, Anderson as Anderson
from ._fit import Fit as Fit, fit as fit
from ._fixed_point import fixed_point as fixed_point
from ._gram import gram as gram
from ._gram_operator import gram_operator as gram_operator
from ._io import load as load, save as save
from ._map import vmap as vmap
from ._memory import machine_memory as machine_memory, peak_memory as peak_memory
from ._objective import (
    BatchResiduals as BatchResiduals,
    Objective as Objective,
    objective as objective,
)
from ._platform import (
    PlatformReport as PlatformReport,
    check_platform as check_platform,
    require_x64 as require_x64,
)
from ._pure import pure as pure
from ._residual import residual as residual
from ._second_order import (
    gauss_newton as gauss_newton,
    levenberg_marquardt as levenberg_marquardt,
    natural_gradient as natural_gradient,
)
