"""What models and data have in common: consensus, factors, blocks, and maps between surfaces."""

from ._factors.block_model import BlockModel, block_model
from ._factors.consensus import Consensus, consensus
from ._factors.factorise import Factorisation, factorise
from ._surfaces.functional_map import functional_map
from ._surfaces.laplacian import Basis, MeshLaplacian, mesh_laplacian
from ._surfaces.zoomout import pointwise, zoomout

__all__ = [
    # Factors of data
    "consensus", "Consensus", "factorise", "Factorisation", "block_model", "BlockModel",
    # Surfaces
    "mesh_laplacian", "MeshLaplacian", "Basis", "functional_map", "zoomout", "pointwise",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
