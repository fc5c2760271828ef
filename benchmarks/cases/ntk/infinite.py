"""Infinitely wide networks: all pairs of a data set, against float64 and against the peer."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.remote import NEURAL_TANGENTS, remote_run
from benchmarks.runner.case import Case, Run, Size
from jaxsci.ntk import infinite

_LAYERS = {
    "relu": infinite.Relu(),
    "erf": infinite.Erf(),
    "gelu": infinite.Gelu(),
    "tanh": infinite.Tanh(degree=48),
    "selu": infinite.Selu(),
}
_POINTS: dict[Size, int] = {"smoke": 32, "quick": 500, "full": 500}


def _network(kind, activation, depth, layers=None):
    layer = (layers or _LAYERS)[activation]
    dense = infinite.Dense(1, weight_std=1.4, bias_std=0.1)
    conv = infinite.Conv(1, (3, 3), weight_std=1.4, bias_std=0.1)
    if kind == "dense":
        return infinite.serial(*(dense, layer) * depth, dense)
    return infinite.serial(*(conv, layer) * depth, infinite.Flatten(), dense)


def _inputs(kind, size):
    n = _POINTS[size] if kind == "dense" else {"smoke": 8, "quick": 100, "full": 500}[size]
    shape = (16,) if kind == "dense" else (8, 8, 3)
    return jax.random.normal(jax.random.key(0), (n, *shape), jnp.float32)


@functools.cache
def _in_float64(kind, activation, depth, size):
    """The kernels of sixteen examples in float64, a long series for the numerical ones."""
    exact = _LAYERS | {"tanh": infinite.Tanh(degree=160)}
    with jax.enable_x64(True):
        x = jnp.asarray(np.asarray(_inputs(kind, size)[:16]), jnp.float64)
        return np.stack(_network(kind, activation, depth, exact).kernel(x))


def _error(kind, activation, depth, size):
    reference = _in_float64(kind, activation, depth, size)

    def error(kernels):
        corner = np.asarray(kernels, np.float64)[:, :16, :16]
        scale = np.abs(reference).max(axis=(1, 2), keepdims=True)
        return float(np.abs((corner - reference) / scale).max())

    return error


def _case(kind, activation, depth, tier: Size, tolerance=1e-4):
    def make(size):
        x = _inputs(kind, size)
        net = _network(kind, activation, depth)
        return Run(
            lambda x: jnp.stack(net.kernel(x)),
            (x,),
            _error(kind, activation, depth, size),
            note=f"{len(x)} x {len(x)} inputs of {math.prod(x.shape[1:])} numbers, float32",
        )

    def peer(size):
        return remote_run(
            NEURAL_TANGENTS.variable,
            "benchmarks.remote.peers.neural_tangents",
            f"infinite {kind} {activation} {depth}",
            {"x": _inputs(kind, size)},
            _error(kind, activation, depth, size),
        )

    peers = (NEURAL_TANGENTS.peer("neural-tangents", peer),)
    return Case(
        name=f"ntk.infinite-{kind}-{activation}",
        pillar="ntk",
        title=f"infinite {kind} network, {depth} x {activation}",
        make=make,
        tier=tier,
        reference="float64, 16 examples",
        tolerance=tolerance,
        error_name="relative to the largest entry",
        peers=peers if activation != "selu" else (),
    )


CASES = [
    _case("dense", "relu", 3, "quick"),
    _case("dense", "erf", 3, "full"),
    _case("dense", "gelu", 3, "full"),
    _case("dense", "tanh", 3, "quick"),
    _case("dense", "selu", 3, "full"),
    _case("conv", "relu", 3, "full"),
    _case("conv", "erf", 3, "full"),
]
