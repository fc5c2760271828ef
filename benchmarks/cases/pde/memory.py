"""The gradient of a loss over many points: all at once, and some at a time."""

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

import jaxsci as jsci
from benchmarks.runner.case import Baseline, Case, Run, Size

AT_ONCE = 64
POINTS = {"smoke": 256, "quick": 2048, "full": 8192}


def make_chunks(size: Size) -> Run:
    net = jsci.nn.MLP(2, "scalar", width=64, depth=3, key=jax.random.key(0), dtype=jnp.float64)
    f, params = jsci.pure(net)
    terms = {"pde": jsci.residual(lambda u, x: jsci.laplacian(u)(x), f)}
    box = jsci.pde.Box((0.0, 0.0), (1.0, 1.0))
    batch = {"pde": jsci.pde.uniform(box, POINTS[size])(jax.random.key(1))}
    whole, chunked = (jsci.objective(terms, batch_size=n) for n in (None, AT_ONCE))

    def gradient(loss):
        return lambda params, batch: loss.value_and_grad(params, batch)[1]

    known = ravel_pytree(jax.jit(gradient(whole))(params, batch))[0]
    peaks = {
        f"MiB, {name}": jsci.peak_memory(gradient(loss), params, batch) / 2**20
        for name, loss in (("all at once", whole), (f"{AT_ONCE} at a time", chunked))
    }

    def error(out):
        return float(jnp.linalg.norm(ravel_pytree(out)[0] - known) / jnp.linalg.norm(known))

    return Run(
        gradient(chunked),
        (params, batch),
        error=error,
        baseline=Baseline("all points at once", gradient(whole), (params, batch)),
        note=f"Laplacian of an MLP 3 x 64 at {POINTS[size]} points, float64",
        figures=peaks,
    )


CASES = [
    Case(
        "pde.chunks",
        "pde",
        "Gradient of a residual loss, 64 points at a time",
        make_chunks,
        "full",
        reference="all points at once",
        tolerance=1e-10,
        error_name="relative",
    ),
]
