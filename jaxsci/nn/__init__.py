"""Networks and embeddings that more than one pillar uses: Equinox modules, one sample in."""

from .bases import (
    ActivationProducts as ActivationProducts,
    BSpline as BSpline,
    Chebyshev as Chebyshev,
    Fourier as Fourier,
    Gaussians as Gaussians,
    Mixture as Mixture,
)
from .dense import Dense as Dense
from .fourier_features import (
    FourierFeatures as FourierFeatures,
    PeriodicEmbedding as PeriodicEmbedding,
)
from .hypernetwork import Hypernetwork as Hypernetwork
from .kan import KAN as KAN, KANLayer as KANLayer
from .kinks import KinkFeatures as KinkFeatures
from .mlp import MLP as MLP
from .modified_mlp import ModifiedMLP as ModifiedMLP
from .piratenet import PirateNet as PirateNet
from .separable import Separable as Separable
from .siren import SIREN as SIREN
