"""Numerical methods without physics that more than one pillar uses."""

from ._davidson import lowest_eigenpair
from ._etdrk4 import etdrk4
from ._trust_region import trust_region_step

__all__ = [
    "etdrk4", "lowest_eigenpair", "trust_region_step",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
