"""Tangent kernels at scale: thousands of points, millions of parameters, and a step that uses one.

The kernel of a large network is checked on eight examples against its Jacobian in float64; the step
of the natural gradient against the equations it solves, (Jᵀ J + λ) δ = Jᵀ r, in float64.
"""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import jaxsci as jsci
from benchmarks.cases.ntk._problems import burgers, long_product, naive_in_float64, pinn
from benchmarks.remote.networks import mlp
from benchmarks.runner.case import Baseline, Case, Run
from benchmarks.runner.measure.memory import MIB, peak_resident, restart_peak

_DAMPING = 1e-4


def _kernel_of(width, points):
    """The kernel of a network of four layers, its seconds and the peak of resident memory."""
    f, params = mlp([784, width, width, width, 1])
    x = jax.random.normal(jax.random.key(5), (points, 784), jnp.float32)
    jax.block_until_ready(jsci.ntk.kernel(f, params, x, progress=True))  # compiled for this size
    restart_peak()
    start = time.perf_counter()
    kernel = jax.block_until_ready(jsci.ntk.kernel(f, params, x, progress=True))
    return kernel, time.perf_counter() - start, peak_resident() / MIB


def _power(sizes, seconds):
    """The exponent of seconds ~ sizeᵃ by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def _large_kernel(size):
    points = {"smoke": (256, 512, 1024), "quick": (500, 1000, 2000), "full": (1000, 2500, 5000)}
    widths = {"smoke": (64, 128, 256), "quick": (256, 512, 1024), "full": (512, 1024, 2048)}
    points, widths = points[size], widths[size]
    figures = {}

    def step():
        kernel, seconds, peak = _kernel_of(widths[-1], points[-1])
        by_points = [_kernel_of(widths[-1], n)[1] for n in points[:-1]]
        by_width = [_kernel_of(w, points[-1])[1] for w in widths[:-1]]
        figures.update(
            {
                "seconds of the largest": round(seconds, 2),
                "peak MiB of the process": round(peak),
                f"power of points, {points[0]} to {points[-1]}": _power(
                    points, [*by_points, seconds]
                ),
                f"power of width, {widths[0]} to {widths[-1]}": _power(
                    widths, [*by_width, seconds]
                ),
            }
        )
        return kernel

    f, params = mlp([784, *[widths[-1]] * 3, 1])
    x = jax.random.normal(jax.random.key(5), (points[-1], 784), jnp.float32)
    reference = naive_in_float64(f, params, x[:8], False)
    count = sum(a.size for a in jax.tree.leaves(params))

    def error(kernel):
        difference = np.asarray(kernel[:8, :8], np.float64) - reference
        return float(np.abs(difference).max() / np.abs(reference).max())

    return Run(
        step,
        (),
        error,
        host=True,
        figures=lambda _: figures,
        note=f"{points[-1]} points, {count:,} parameters, float32; the time is of all sizes.",
    )


def _natural_gradient(points, size):
    """δ = Jᵀ (J Jᵀ + λ)⁻¹ r with λ relative to the trace, which bounds the largest eigenvalue."""
    f, params = pinn(burgers)
    n = {"smoke": 64, "quick": points // 5, "full": points}[size]
    x = jax.random.uniform(jax.random.key(5), (n, 2), jnp.float32, -1.0, 1.0)
    flat, unravel = ravel_pytree(params)

    def residual(w):
        return jax.vmap(lambda z: f(unravel(w), z))(x.astype(w.dtype))[:, 0]

    def dual(kernel, r):
        damped = kernel + _DAMPING * jnp.trace(kernel) * jnp.eye(n, dtype=kernel.dtype)
        return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(damped), r)

    def structured(w):
        r, pullback = jax.vjp(residual, w)
        kernel = jsci.gram(f, unravel(w), x, trace_axes=-1)
        return pullback(dual(kernel, r))[0]

    def with_jacobian(w):
        def row(z):
            return jax.grad(lambda v: f(unravel(v), z)[0])(w)

        jacobian = jax.vmap(row)(x)
        return dual(long_product(jacobian), residual(w)) @ jacobian

    def error(step):
        with jax.enable_x64(True):
            w, delta = (jnp.asarray(np.asarray(a, np.float64)) for a in (flat, step))
            return float(misfit(w, delta))

    def misfit(w, delta):
        """‖Jᵀ J δ + λ δ - Jᵀ r‖ / ‖Jᵀ r‖, by products with J alone."""
        r, pullback = jax.vjp(residual, w)
        image = jax.jvp(residual, (w,), (delta,))[1]

        def squared_row(z):
            return jnp.sum(jax.grad(lambda v: f(unravel(v), z.astype(w.dtype))[0])(w) ** 2)

        trace = jnp.sum(jax.lax.map(squared_row, x))
        (expected,) = pullback(r)
        (image,) = pullback(image)
        return jnp.linalg.norm(image + _DAMPING * trace * delta - expected) / jnp.linalg.norm(
            expected
        )

    return Run(
        structured,
        (flat,),
        error,
        baseline=Baseline("the same step with J", with_jacobian, (flat,)),
        note=f"{n} points, {flat.size:,} parameters, float32, damping 1e-4 tr(J Jᵀ).",
    )


def _step_case(points):
    return Case(
        f"ntk.natural-gradient-{points}",
        "ntk",
        f"natural-gradient step, Burgers residual at {points:,} points, J Jᵀ against J",
        functools.partial(_natural_gradient, points),
        "full",
        reference="the damped normal equations in float64",
        tolerance=1e-3,
        error_name="relative misfit",
    )


CASES = [
    Case(
        "ntk.ten-million-parameters",
        "ntk",
        "kernel of a 10-million-parameter MLP, 5,000 points, with progress",
        _large_kernel,
        "full",
        reference="naive Jacobian in float64, 8 examples",
        tolerance=1e-4,
        error_name="relative, maximum over entries",
    ),
    _step_case(1000),
    _step_case(5000),
]
