"""pyhgf 0.2.12, in an environment of its own and in float64: densities of a binary filter."""

import jax
import jax.numpy as jnp
import numpy as np
from pyhgf.math import binary_surprise  # pyright: ignore
from pyhgf.model import HGF  # pyright: ignore

from benchmarks.remote.serve import serve


def build(case, arrays):
    """Log densities and gradients in the tonic volatilities of the two upper levels.

    `interface` calls methods of the class for each of the values, as its users do; `scan` is one
    compiled program of its scan, vectorised over the values, which its interface does not offer.
    """
    jax.config.update("jax_enable_x64", True)
    values, u = jnp.asarray(arrays["values"]), np.asarray(arrays["observations"])
    hgf = HGF(n_levels=3, model_type="binary", update_type="eHGF")
    inputs = (u[:, None],), (np.ones(len(u), int),), np.ones(len(u)), None
    start = jax.tree.map(jnp.asarray, hgf.attributes)

    def interface(w):
        for level in (1, 2):
            hgf.attributes[level]["tonic_volatility"] = w[level - 1]
        return -jnp.sum(hgf.input_data(u).surprise())

    def scan(w):
        attributes = jax.tree.map(lambda a: a, start)
        for level in (1, 2):
            attributes[level]["tonic_volatility"] = w[level - 1]
        path = jax.lax.scan(hgf.scan_fn, attributes, inputs)[1]
        return -jnp.sum(binary_surprise(x=path[0]["mean"], expected_mean=path[0]["expected_mean"]))

    if case == "interface":

        def one_by_one():
            found = [jax.value_and_grad(interface)(w) for w in values]
            return np.stack([np.array([value, *slope]) for value, slope in found])

        return one_by_one
    together = jax.jit(jax.vmap(jax.value_and_grad(scan)))

    def run():
        value, slope = jax.block_until_ready(together(values))
        return np.column_stack([value, slope])

    run()  # compiled before the clock starts
    return run


if __name__ == "__main__":
    serve(build)
