"""jaxKAN 0.3.7, in an environment of its own: its base layers, which are splines on every edge."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxkan.models.KAN import KAN  # pyright: ignore

from benchmarks.remote.serve import serve


def build(case, arrays):
    """`gradient`: the loss, and its gradient by the first layer's splines, with our weights."""
    sizes = [len(arrays["base0"]), *(arrays[f"bias{i}"].size for i in range(int(arrays["depth"])))]
    settings = {"k": 3, "G": 5, "external_weights": False}
    model = KAN(sizes, "base", settings)
    for i, layer in enumerate(model.layers):
        # Ours are (in, functions, out), its rows are edges, out by in.
        splines = arrays[f"splines{i}"].transpose(2, 0, 1)
        layer.c_basis[...] = jnp.asarray(splines.reshape(-1, splines.shape[-1]))
        layer.c_res[...] = jnp.asarray(arrays[f"base{i}"].T)
        layer.bias[...] = jnp.asarray(arrays[f"bias{i}"])
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    x = jnp.asarray(arrays["x"])

    @jax.jit
    def value_and_grad(params):
        return jax.value_and_grad(lambda p: jnp.mean(nnx.merge(graph, p, rest)(x) ** 2))(params)

    def gradient():
        _, slopes = jax.block_until_ready(value_and_grad(params))
        return slopes["layers"][0]["c_basis"][...]

    gradient()  # compiled before the clock starts
    return gradient


if __name__ == "__main__":
    serve(build)
