"""Neural operators: networks that map functions to functions, on any grid."""

from . import data as data
from .fno import FNO as FNO
from .fourier import resample as resample
from .losses import h1 as h1
from .losses import relative_l2 as relative_l2
from .spectral import SpectralConv as SpectralConv
