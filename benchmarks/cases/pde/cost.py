"""What a second-order step costs against the number of points and of parameters, in each space.

A step of `natural_gradient` on Burgers' residual solves one damped linear problem: in sample
space (J Jᵀ, n x n), in parameter space (Jᵀ J, p x p) or by conjugate gradients. The figures are the
powers fitted to its seconds, where the lines cross, and how far `"auto"` is from the fastest space.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import jaxsci as jsci
from benchmarks.runner.case import Case, Run
from benchmarks.runner.measure.program import compile_program
from benchmarks.runner.measure.timing import measure
from jaxsci import nn, pde

SPACES = ("sample", "parameter", "matrix_free", "auto")


class Step(NamedTuple):
    """One size: seconds per step in each space, and the difference of the two exact steps."""

    points: int
    parameters: int
    seconds: dict[str, float]
    difference: float


def time_steps(points, width):
    """A step with `points` samples for a network of three hidden layers."""
    domain = pde.Interval(-1.0, 1.0).during(0.0, 1.0)
    net = nn.MLP(2, "scalar", width=width, depth=3, key=jax.random.key(0), dtype=jnp.float64)
    f, params = jsci.pure(net)
    u = pde.dirichlet(f, domain, values=lambda x: -jnp.sin(jnp.pi * x[0]))
    loss = jsci.objective({"pde": jsci.residual(pde.burgers(0.01 / np.pi), u)})
    batch = {"pde": pde.sobol(domain, points)(jax.random.key(1))}
    seconds, steps = {}, {}
    for space in SPACES:
        optimizer = jsci.natural_gradient(1.0, damping=1e-4, momentum=0.0, space=space)

        def step(params, optimizer=optimizer):
            gradient = jax.grad(loss.value)(params, batch)
            state = optimizer.init(params)
            return optimizer.update(gradient, state, params, residual_fn=loss.at(batch))[0]

        program = compile_program(step, (params,))
        seconds[space] = float(np.median(measure(program, samples=5, seconds=2.0)))
        steps[space] = ravel_pytree(program())[0]
    exact = steps["parameter"]
    difference = jnp.linalg.norm(steps["sample"] - exact) / jnp.linalg.norm(exact)
    return Step(points, exact.size, seconds, float(difference))


def _line(steps, space, size):
    """The power and the offset of log seconds = power · log size + offset."""
    sizes = [getattr(step, size) for step in steps]
    return np.polyfit(np.log(sizes), np.log([step.seconds[space] for step in steps]), 1)


def _crossing(steps, size, a, b):
    """Where the fitted lines of two spaces meet, and the size there."""
    (power_a, offset_a), (power_b, offset_b) = (_line(steps, space, size) for space in (a, b))
    return float(np.exp((offset_b - offset_a) / (power_a - power_b)))


def _powers(steps, size):
    powers = (f"{space} {_line(steps, space, size)[0]:.2f}" for space in SPACES[:3])
    ends = f"{getattr(steps[0], size)} to {getattr(steps[-1], size)}"
    return {f"powers of {size}, {ends}": ", ".join(powers)}


def step_cost(size):
    counts = {"smoke": (32, 64), "quick": (64, 256, 1024), "full": (128, 256, 512, 1024, 2048)}
    widths = {"smoke": (4, 6), "quick": (6, 12, 24), "full": (6, 9, 13, 19, 28)}
    counts, widths = counts[size], widths[size]
    n, width = counts[len(counts) // 2], widths[len(widths) // 2]

    def step():
        return [time_steps(m, width) for m in counts], [time_steps(n, w) for w in widths]

    def figures(output):
        by_points, by_parameters = output
        slowdown = max(
            (s.seconds["auto"] / min(s.seconds.values()), f"n = {s.points}, p = {s.parameters}")
            for s in by_points + by_parameters
        )
        crossing = _crossing(by_points, "points", "sample", "parameter")
        free = _crossing(by_parameters, "parameters", "parameter", "matrix_free")
        return {
            **_powers(by_points, "points"),
            **_powers(by_parameters, "parameters"),
            f"sample = parameter space at p = {by_points[0].parameters}": f"n = {crossing:.0f}",
            f"parameter space = matrix-free at n = {n}": f"p = {free:.0f}",
            "auto over the fastest, at worst": f"{slowdown[0]:.2f} at {slowdown[1]}",
            "ms": "; ".join(
                f"n {s.points} p {s.parameters}: "
                + " ".join(f"{1e3 * s.seconds[space]:.3g}" for space in SPACES)
                for s in by_points + by_parameters
            ),
        }

    return Run(
        step,
        (),
        error=lambda output: max(s.difference for s in [*output[0], *output[1]]),
        host=True,
        note=f"Burgers, tanh 3 x width, {', '.join(SPACES)}; damping 1e-4 tr(J Jᵀ); float64",
        figures=figures,
    )


CASES = [
    Case(
        "pde.step-cost",
        "pde",
        "A second-order step against points and parameters",
        step_cost,
        "full",
        reference="sample against parameter space",
        tolerance=1e-8,
        error_name="relative difference",
    ),
]
