"""Networks and embeddings that more than one pillar uses: Equinox modules, one sample in."""

from ._attention.attention import attention
from ._attention.fourier_normaliser import FourierNormaliser
from ._attention.layer import Attention
from ._attention.pointer import Pointer, pointer_logits
from ._bases import ActivationProducts, BSpline, Chebyshev, Fourier, Gaussians, Mixture
from ._dense import Dense
from ._embeddings.fourier_features import FourierFeatures, PeriodicEmbedding
from ._embeddings.kinks import KinkFeatures
from ._embeddings.spherical import SphericalEmbedding
from ._hypernetwork import Hypernetwork
from ._kan import KAN, KANLayer
from ._messages.gated_mlp import GatedMLP
from ._messages.radial_bessel import RadialBessel
from ._mlp import MLP
from ._modified_mlp import ModifiedMLP
from ._norms.alpha_dropout import alpha_dropout
from ._norms.evo_norm import EvoNorm
from ._piratenet import PirateNet
from ._separable import Separable
from ._siren import SIREN

__all__ = [
    # Networks
    "MLP", "ModifiedMLP", "PirateNet", "SIREN", "KAN", "Separable", "Hypernetwork",
    # Layers
    "Dense", "GatedMLP", "KANLayer", "EvoNorm", "alpha_dropout",
    # Attention
    "Attention", "attention", "FourierNormaliser", "Pointer", "pointer_logits",
    # Embeddings
    "FourierFeatures", "PeriodicEmbedding", "SphericalEmbedding", "KinkFeatures", "RadialBessel",
    # Bases of KAN edges
    "BSpline", "Chebyshev", "Fourier", "Gaussians", "Mixture", "ActivationProducts",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
