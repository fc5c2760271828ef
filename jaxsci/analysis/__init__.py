"""What models and data have in common: units, consensus, factors, blocks, maps of surfaces."""

from ._factors.block_model import BlockModel, block_model
from ._factors.factorise import Factorisation, factorise
from ._factors.rater_consensus import Consensus, consensus
from ._surfaces.functional_map import functional_map
from ._surfaces.laplacian import Basis, MeshLaplacian, mesh_laplacian
from ._surfaces.pointwise import pointwise
from ._surfaces.zoomout import zoomout
from ._units.activations import activations
from ._units.combine import combine
from ._units.correspondence import correspond
from ._units.groups import Group, Place, Units, Unproved
from ._units.grow import grow
from ._units.match import Match, match
from ._units.merge import merge
from ._units.permute import permute
from ._units.similarity import cca, cka
from ._units.units import units

__all__ = [
    # Factors of data
    "consensus", "Consensus", "factorise", "Factorisation", "block_model", "BlockModel",
    # Surfaces
    "mesh_laplacian", "MeshLaplacian", "Basis", "functional_map", "zoomout", "pointwise",
    # Units of networks
    "units", "Units", "Group", "Place", "Unproved", "permute",
    # Fewer units, more units, several networks in one
    "merge", "grow", "combine",
    # What networks have in common
    "match", "Match", "activations", "correspond", "cka", "cca",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
