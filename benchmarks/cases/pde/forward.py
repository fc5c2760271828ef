"""PDE cases: whole trainings against references that share no code with the network."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.pde._problems import Training, grid, training_run
from benchmarks.runner.case import Case, Run
from jaxsci import nn, pde

_STRIP = pde.Interval(-1.0, 1.0).during(0.0, 1.0)


def _front(x):
    return pde.reference.burgers_cole_hopf(x, viscosity=0.01 / np.pi)


def _training(training, points, steps, rounds, note, plot=None):
    return training_run(
        lambda: training.run(points, steps, rounds),
        training.error,
        f"{note}; {points} points, {rounds} x {steps} steps",
        plot,
        parameters=sum(p.size for p in jax.tree.leaves(training.params)),
    )


def burgers(size):
    width, depth, points, steps, rounds = {
        "smoke": (10, 2, 200, 5, 2),
        "quick": (20, 3, 1200, 20, 6),
        "full": (20, 3, 2500, 25, 12),
    }[size]
    viscosity = 0.01 / np.pi
    net, params = jsci.pure(
        nn.MLP(2, "scalar", width=width, depth=depth, key=jax.random.key(0), dtype=jnp.float64)
    )
    u = pde.dirichlet(net, _STRIP, values=lambda x: -jnp.sin(jnp.pi * x[0]))
    points_of_error = grid(_STRIP, 161)
    training = Training(pde.burgers(viscosity), _STRIP, u, params, _front, points_of_error)
    note = f"ν = 0.01/π, tanh {depth} x {width}"
    return _training(training, points, steps, rounds, note, lambda a, p: _plot_front(a, u, p))


def _plot_front(axes, u, params):
    """The network's wave as it steepens, on the exact one."""
    x = jnp.linspace(-1, 1, 161)
    for t in (0.0, 0.25, 0.5, 1.0):
        points = jnp.stack([x, jnp.full_like(x, t)], axis=1)
        axes.plot(x, jax.vmap(_front)(points), color="0.75", lw=4)
        axes.plot(x, jax.vmap(u, (None, 0))(params, points), label=f"t = {t:g}")
    axes.set(xticks=(-1, -0.5, 0, 0.5, 1), xlabel="x", ylabel="u")
    axes.set_title("network, and the exact solution in grey")
    axes.legend(fontsize=8)


def poisson2d(size):
    width, points, steps, rounds = {
        "smoke": (16, 100, 10, 1),
        "quick": (48, 400, 40, 3),
        "full": (64, 600, 100, 10),
    }[size]
    square = pde.Box((0.0, 0.0), (1.0, 1.0))

    def exact(x):
        return jnp.prod(jnp.sin(jnp.pi * x))

    net, params = jsci.pure(
        nn.MLP(2, "scalar", width=width, depth=1, key=jax.random.key(0), dtype=jnp.float64)
    )
    op = pde.poisson(lambda x: 2 * jnp.pi**2 * exact(x))
    u = pde.dirichlet(net, square)
    training = Training(op, square, u, params, exact, grid(square, 101))
    return _training(training, points, steps, rounds, f"sin πx sin πy, tanh 1 x {width}")


def well(edges, values):
    """The three lowest energies of -ψ'' + V ψ = E ψ on [-1, 1], V a constant between two edges."""
    outer, inner = values[:2]

    def make(size):
        steps = {"smoke": 5, "quick": 60, "full": 300}[size]
        exact = pde.reference.well_energies(edges, values, states=3)
        line = pde.Interval(-1.0, 1.0)
        net, params = jsci.pure(
            nn.MLP(
                1,
                "scalar",
                width=16,
                depth=1,
                embedding=nn.KinkFeatures(edges[1:-1]),
                key=jax.random.key(0),
                dtype=jnp.float64,
            )
        )
        psi = pde.dirichlet(net, line)
        op = pde.schroedinger(lambda x: jnp.where(jnp.abs(x[0]) < edges[2], inner, outer))
        points = pde.gauss_legendre(line, 16, breaks=(edges[1:-1],))

        def solve():
            energies = []
            for state in range(3):
                problem = pde.eigenproblem(op, psi, params, points, state=state)
                fit = jsci.fit(
                    problem.objective,
                    problem.params,
                    problem.data,
                    jsci.levenberg_marquardt(),
                    steps=steps,
                    progress=False,
                )
                energies.append(pde.rayleigh_quotient(op, psi, fit.params["field"], points))
            return jnp.stack(energies)

        return Run(
            solve,
            (),
            error=lambda energies: float(jnp.abs(energies / exact - 1).max()),
            host=True,
            note=f"V = {inner:g} for |x| < {edges[2]:g}, else {outer:g}; three lowest states, "
            f"{steps} steps each; float64",
            figures=lambda energies: {f"E{i}": f"{e:.10f}" for i, e in enumerate(energies)},
        )

    return make


def _well(name, title, edges, values, tier):
    return Case(
        f"pde.{name}",
        "pde",
        f"{title}, three states",
        well(edges, values),
        tier,
        reference="transcendental roots",
        tolerance=1e-7,
        error_name="relative energy",
    )


CASES = [
    Case(
        "pde.burgers",
        "pde",
        "Burgers' front, from residual to solution",
        burgers,
        "full",
        reference="Cole-Hopf, Gauss-Hermite",
        tolerance=1e-2,
        error_name="relative L2",
    ),
    Case(
        "pde.poisson2d",
        "pde",
        "Poisson on the square, from residual to solution",
        poisson2d,
        "smoke",
        reference="analytic",
        tolerance=5e-2,
        error_name="relative L2",
    ),
    _well("finite_well", "Finite quantum well", (-1.0, -0.5, 0.5, 1.0), (20.0, 0.0, 20.0), "quick"),
    _well("barrier", "Quantum barrier", (-1.0, -0.25, 0.25, 1.0), (0.0, 20.0, 0.0), "full"),
    _well("infinite_well", "Infinite quantum well", (-1.0, -0.5, 0.5, 1.0), (0.0,) * 3, "full"),
]
