"""neural-tangents 0.6.5 on JAX 0.4.25, in an interpreter of its own."""

import importlib
import importlib.machinery
import sys
import types

import jax
import jax.numpy as jnp

from .serve import serve


class _Missing(types.ModuleType):
    """Stands for TensorFlow, of which neural-tangents uses nothing that runs here."""

    __path__ = []  # of a package, so that its submodules may be asked for

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Missing(name)

    def __call__(self, *_, **__):
        return _Missing(self.__name__)


def _import():
    """neural-tangents as a module, with stand-ins for what it would load and not use."""
    for name in ("tensorflow", "tensorflow.compat", "tensorflow.compat.v2", "tf2jax"):
        sys.modules[name] = _Missing(name)
        sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules["jax.experimental.jax2tf"] = _Missing("jax2tf")
    vars(importlib.import_module("jax.experimental"))["jax2tf"] = _Missing("jax2tf")
    return importlib.import_module("neural_tangents")


stax = _import().stax
_ACTIVATIONS = {
    "relu": stax.Relu,
    "erf": stax.Erf,
    "gelu": stax.Gelu,
    "tanh": lambda: stax.ElementwiseNumerical(jnp.tanh, deg=25),
}


def _dense(activation, depth):
    hidden = (stax.Dense(1, W_std=1.4, b_std=0.1), _ACTIVATIONS[activation]()) * depth
    return stax.serial(*hidden, stax.Dense(1, W_std=1.4, b_std=0.1))


def _conv(activation, depth):
    layer = stax.Conv(1, (3, 3), padding="SAME", W_std=1.4, b_std=0.1)
    hidden = (layer, _ACTIVATIONS[activation]()) * depth
    return stax.serial(*hidden, stax.Flatten(), stax.Dense(1, W_std=1.4, b_std=0.1))


def build(case, arrays):
    """`infinite <dense|conv> <activation> <depth>`: the NNGP and NTK of all pairs, stacked."""
    _, kind, activation, depth = case.split()
    net = {"dense": _dense, "conv": _conv}[kind](activation, int(depth))
    kernel = jax.jit(lambda x: jnp.stack(net[2](x, None, ("nngp", "ntk"))))
    x = jnp.asarray(arrays["x"])
    return lambda: jax.block_until_ready(kernel(x))


if __name__ == "__main__":
    serve(build)
