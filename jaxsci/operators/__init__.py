"""Neural operators: networks that map functions to functions, on any grid."""

from . import data as data
from ._bases.basis import Basis as Basis
from ._bases.boundary import (
    ChebyshevBasis as ChebyshevBasis,
    CosineBasis as CosineBasis,
    SineBasis as SineBasis,
)
from ._bases.fourier import FourierBasis as FourierBasis
from ._bases.sphere import SphereBasis as SphereBasis
from ._fields.fields import normalise as normalise
from ._fields.losses import h1 as h1, relative_l2 as relative_l2
from ._fields.points import (
    Attention as Attention,
    BallIntegral as BallIntegral,
    attention as attention,
)
from ._networks.convolution import DifferentialConv as DifferentialConv, KernelConv as KernelConv
from ._networks.deeponet import (
    DeepONet as DeepONet,
    MIONet as MIONet,
    PODDeepONet as PODDeepONet,
    pod_modes as pod_modes,
)
from ._networks.fno import FNO as FNO
from ._networks.gino import GINO as GINO
from ._networks.gno import GNO as GNO
from ._networks.mgno import MgNO as MgNO, VCycle as VCycle
from ._networks.transformer import Transformer as Transformer
from ._networks.unet import UNet as UNet
from ._networks.uno import UNO as UNO
from ._spectral.basis_conv import BasisConv as BasisConv, basis_points as basis_points
from ._spectral.fourier import resample as resample, spectral_derivative as spectral_derivative
from ._spectral.harmonics import spherical_harmonics as spherical_harmonics
from ._spectral.spectral import SpectralConv as SpectralConv
from ._spectral.spherical_conv import SphericalConv as SphericalConv, sphere_grid as sphere_grid
