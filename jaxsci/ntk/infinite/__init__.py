"""Infinitely wide networks: closed-form kernels, and the finite networks that tend to them."""

from ._layers.activations import (
    Abs,
    Cos,
    Elementwise,
    Elu,
    Erf,
    Gelu,
    LeakyRelu,
    Polynomial,
    Rbf,
    Relu,
    Selu,
    Sigmoid,
    Sin,
    Tanh,
)
from ._layers.attention import SelfAttention
from ._layers.compose import Identity, concatenate, parallel, serial
from ._layers.layer import AbstractLayer, Kernels
from ._layers.norm import LayerNorm
from ._layers.pooling import AvgPool, Flatten, GlobalAvgPool
from ._layers.weights import Conv, Dense
from ._monte_carlo import monte_carlo

__all__ = [
    # Networks
    "serial", "parallel", "concatenate", "Identity", "AbstractLayer", "Kernels", "monte_carlo",
    # Layers
    "Dense", "Conv", "AvgPool", "GlobalAvgPool", "Flatten", "LayerNorm", "SelfAttention",
    # Activations
    "Relu", "LeakyRelu", "Abs", "Erf", "Gelu", "Sigmoid", "Tanh", "Sin", "Cos", "Elu", "Selu",
    "Rbf", "Polynomial", "Elementwise",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
