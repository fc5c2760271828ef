"""What models and data have in common: consensus, factors, blocks, and maps between surfaces."""

from ._factors.consensus import Consensus, consensus

__all__ = [
    # Factors of data
    "consensus", "Consensus",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
