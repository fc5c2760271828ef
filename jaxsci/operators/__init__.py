"""Neural operators: networks that map functions to functions, on any grid."""

from . import data as data
from .bases import BasisConv as BasisConv, basis_points as basis_points
from .convolution import DifferentialConv as DifferentialConv, KernelConv as KernelConv
from .deeponet import (
    DeepONet as DeepONet,
    MIONet as MIONet,
    PODDeepONet as PODDeepONet,
    pod_modes as pod_modes,
)
from .fno import FNO as FNO
from .fourier import resample as resample, spectral_derivative as spectral_derivative
from .gino import GINO as GINO
from .graph import GNO as GNO
from .losses import h1 as h1, relative_l2 as relative_l2
from .multigrid import MgNO as MgNO, VCycle as VCycle
from .points import Attention as Attention, BallIntegral as BallIntegral, attention as attention
from .products import normalise as normalise
from .spectral import SpectralConv as SpectralConv
from .sphere import spherical_harmonics as spherical_harmonics
from .spherical import SphericalConv as SphericalConv, sphere_grid as sphere_grid
from .transformer import Transformer as Transformer
from .unet import UNet as UNet
from .uno import UNO as UNO
