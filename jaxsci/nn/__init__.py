"""Networks and embeddings that more than one pillar uses: Equinox modules, one sample in."""

from ._bases import (
    ActivationProducts as ActivationProducts,
    BSpline as BSpline,
    Chebyshev as Chebyshev,
    Fourier as Fourier,
    Gaussians as Gaussians,
    Mixture as Mixture,
)
from ._dense import Dense as Dense
from ._fourier_features import (
    FourierFeatures as FourierFeatures,
    PeriodicEmbedding as PeriodicEmbedding,
)
from ._hypernetwork import Hypernetwork as Hypernetwork
from ._kan import KAN as KAN, KANLayer as KANLayer
from ._kinks import KinkFeatures as KinkFeatures
from ._mlp import MLP as MLP
from ._modified_mlp import ModifiedMLP as ModifiedMLP
from ._piratenet import PirateNet as PirateNet
from ._separable import Separable as Separable
from ._siren import SIREN as SIREN
