"""Numerical methods without physics."""

from ._bisection import bisect
from ._block_davidson import lowest_eigenpairs
from ._davidson import lowest_eigenpair
from ._etdrk4 import etdrk4
from ._harmonics import legendre_recursion, spherical_harmonics
from ._paired_davidson import lowest_paired_eigenpairs
from ._quadrature import gauss_legendre
from ._trust_region import trust_region_step

__all__ = [
    "bisect", "etdrk4", "gauss_legendre", "legendre_recursion", "lowest_eigenpair",
    "lowest_eigenpairs", "lowest_paired_eigenpairs", "spherical_harmonics", "trust_region_step",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
