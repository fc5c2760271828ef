"""Tables of reference data, and batches for training."""

from ._batches import buckets, minibatch
from ._tables import Curve, Dimer, atom_spins, dimers, dissociation_curve

__all__ = [
    "dimers", "Dimer", "dissociation_curve", "Curve", "atom_spins", "minibatch", "buckets",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
