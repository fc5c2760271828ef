"""Neural operators: networks that map functions to functions, on any grid."""

from ..nn import Attention, attention
from . import data, metrics
from ._bases.basis import Basis
from ._bases.boundary import ChebyshevBasis, CosineBasis, SineBasis
from ._bases.fill import fill
from ._bases.fourier import FourierBasis
from ._bases.product import ProductBasis
from ._bases.sphere import SphereBasis
from ._fields.fields import normalise
from ._fields.losses import h1, relative_l2
from ._fields.mesh_weights import cell_weights, point_weights
from ._fields.neighbours import Neighbours
from ._forecast.conformal import conformal_width
from ._forecast.plots import plot_forecast
from ._forecast.rollout import Window, rollout, unrolled_loss
from ._layers.ball_integral import BallIntegral
from ._layers.convolution import DifferentialConv, KernelConv
from ._layers.film import FiLM
from ._layers.meta_mixer import MetaMixer
from ._layers.slice_attention import SliceAttention
from ._networks.deeponet import DeepONet, MIONet, PODDeepONet, pod_modes
from ._networks.fno import FNO
from ._networks.gino import GINO
from ._networks.gno import GNO
from ._networks.local_no import LocalNO
from ._networks.mgno import MgNO, VCycle, grow_levels
from ._networks.slice_transformer import SliceTransformer
from ._networks.transformer import Transformer
from ._networks.unet import UNet
from ._networks.uno import UNO
from ._spectral.basis_conv import BasisConv, basis_points
from ._spectral.grow_modes import grow_modes
from ._spectral.harmonics import spherical_harmonics
from ._spectral.interpolants import resample, spectral_derivative
from ._spectral.spectral_conv import SpectralConv
from ._spectral.sphere import Sphere
from ._spectral.spherical_conv import SphericalConv, sphere_grid
from ._weather.forecaster import Forecaster
from ._weather.variable_tokens import VariableTokens

__all__ = [
    # Packages
    "data", "metrics",
    # Networks on grids
    "FNO", "LocalNO", "UNO", "UNet", "MetaMixer", "MgNO", "VCycle",
    # Networks on sensors and points
    "DeepONet", "MIONet", "PODDeepONet", "pod_modes", "Transformer", "SliceTransformer", "GNO",
    "GINO",
    # Networks of any set of variables
    "Forecaster", "VariableTokens",
    # Layers
    "SpectralConv", "BasisConv", "SphericalConv", "KernelConv", "DifferentialConv", "BallIntegral",
    "Attention", "attention", "SliceAttention", "normalise", "FiLM",
    "grow_modes", "grow_levels",
    # Bases
    "FourierBasis", "SineBasis", "CosineBasis", "ChebyshevBasis", "ProductBasis",
    "SphereBasis", "Basis",
    # Fields and grids
    "fill", "resample", "spectral_derivative", "basis_points", "sphere_grid", "spherical_harmonics",
    "Sphere",
    # Points and meshes
    "cell_weights", "point_weights", "Neighbours",
    # Losses
    "relative_l2", "h1",
    # Forecasts
    "rollout", "unrolled_loss", "Window", "plot_forecast", "conformal_width",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
