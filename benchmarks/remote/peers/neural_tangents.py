"""neural-tangents 0.6.5 on JAX 0.4.25, in an interpreter of its own."""

import importlib
import sys

import jax
import jax.numpy as jnp

from benchmarks.remote.missing import Missing, stand_in
from benchmarks.remote.networks import MODELS
from benchmarks.remote.serve import serve


def _import():
    """neural-tangents as a module, with stand-ins for what it would load and not use."""
    stand_in("tensorflow", "tensorflow.compat", "tensorflow.compat.v2", "tf2jax")
    sys.modules["jax.experimental.jax2tf"] = Missing("jax2tf")
    vars(importlib.import_module("jax.experimental"))["jax2tf"] = Missing("jax2tf")
    return importlib.import_module("neural_tangents")


neural_tangents = _import()
stax = neural_tangents.stax
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


def _infinite(arrays, kind, activation, depth):
    """The NNGP and NTK of all pairs, stacked."""
    net = {"dense": _dense, "conv": _conv}[kind](activation, int(depth))
    kernel = jax.jit(lambda x: jnp.stack(net[2](x, None, ("nngp", "ntk"))))
    return kernel, (jnp.asarray(arrays["x"]),)


def _empirical(arrays, name, outputs, implementation):
    """The kernel of a finite network, with the parameters that we were given."""
    f, params = MODELS[name].build()
    structure = jax.tree.structure(params)
    leaves = [jnp.asarray(arrays[f"leaf{i}"]) for i in range(structure.num_leaves)]
    kernel = neural_tangents.empirical_ntk_fn(
        jax.vmap(f, (None, 0)),
        trace_axes=(-1,) if outputs == "traced" else (),
        vmap_axes=0,
        implementation=int(implementation),
    )
    swapped = jax.jit(lambda params, x: kernel(x, None, params))
    return swapped, (jax.tree.unflatten(structure, leaves), jnp.asarray(arrays["x"]))


def build(case, arrays):
    """`infinite <dense|conv> <activation> <depth>` or `empirical <model> <traced|full> <1|2|3>`."""
    kind, *options = case.split()
    program, inputs = {"infinite": _infinite, "empirical": _empirical}[kind](arrays, *options)
    return lambda: jax.block_until_ready(program(*inputs))


if __name__ == "__main__":
    serve(build)
