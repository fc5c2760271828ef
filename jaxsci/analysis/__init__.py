"""What models and data have in common: consensus, factors, blocks, and maps between surfaces."""

from ._factors.block_model import BlockModel, block_model
from ._factors.consensus import Consensus, consensus
from ._factors.factorise import Factorisation, factorise

__all__ = [
    # Factors of data
    "consensus", "Consensus", "factorise", "Factorisation", "block_model", "BlockModel",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
