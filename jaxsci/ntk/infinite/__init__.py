"""Infinitely wide networks: closed-form kernels, and the finite networks that tend to them."""

from ._layers.activations import (
    Abs as Abs,
    Cos as Cos,
    Elementwise as Elementwise,
    Elu as Elu,
    Erf as Erf,
    Gelu as Gelu,
    LeakyRelu as LeakyRelu,
    Polynomial as Polynomial,
    Rbf as Rbf,
    Relu as Relu,
    Selu as Selu,
    Sigmoid as Sigmoid,
    Sin as Sin,
    Tanh as Tanh,
)
from ._layers.attention import SelfAttention as SelfAttention
from ._layers.compose import (
    Identity as Identity,
    concatenate as concatenate,
    parallel as parallel,
    serial as serial,
)
from ._layers.layer import AbstractLayer as AbstractLayer, Kernels as Kernels
from ._layers.norm import LayerNorm as LayerNorm
from ._layers.pooling import AvgPool as AvgPool, Flatten as Flatten, GlobalAvgPool as GlobalAvgPool
from ._layers.weights import Conv as Conv, Dense as Dense
from ._monte_carlo import monte_carlo as monte_carlo
