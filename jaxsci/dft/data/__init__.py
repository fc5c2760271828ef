"""Tables of reference data, and batches for training."""

from ._batches import buckets as buckets, minibatch as minibatch
from ._tables import (
    Curve as Curve,
    Dimer as Dimer,
    atom_spins as atom_spins,
    dimers as dimers,
    dissociation_curve as dissociation_curve,
)
