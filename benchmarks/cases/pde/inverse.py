"""Trainings with more than one term: unknown coefficients from data, and many coordinates."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases._errors import relative_l2
from benchmarks.cases.pde._problems import Watch, train, training_run, walls
from benchmarks.runner.case import Case
from jaxsci import nn, pde


def burgers_coefficients(size):
    """u_t + λ u u_x = ν u_xx on half of the front, with λ, ν from 200 values of u."""
    points, steps, rounds = {"smoke": (60, 2, 1), "quick": (800, 30, 6), "full": (1500, 30, 16)}[
        size
    ]
    viscosity = 0.01 / np.pi
    half = pde.Interval(0.0, 1.0).during(0.0, 1.0)
    net, params = jsci.pure(
        nn.MLP(2, "scalar", width=16, depth=3, key=jax.random.key(0)), dtype=jnp.float64
    )
    u = pde.dirichlet(net, half, values=lambda x: -jnp.sin(jnp.pi * x[0]))

    def equation(params, x):
        def field(y):
            return u(params["net"], y)

        convection = params["convection"] * field(x) * jsci.derivative(field, 0)(x)
        diffusion = jnp.exp(params["log_viscosity"]) * jsci.derivative(field, 0, 0)(x)
        return jsci.derivative(field, 1)(x) + convection - diffusion

    loss = jsci.objective(
        {"pde": equation, "data": lambda params, s: u(params["net"], s[0]) - s[1]}
    )
    places = pde.sobol(half, 200)(jax.random.key(3))
    values = jax.vmap(lambda x: pde.reference.burgers_cole_hopf(x, viscosity=viscosity))(places)
    sample = jax.jit(pde.residual_adaptive(half, points, equation, candidates=32, floor=0.5))
    # Both unknowns start far off: no convection, and thirty times the viscosity.
    start = {
        "net": params,
        "convection": jnp.array(0.0),
        "log_viscosity": jnp.array(np.log(0.1)),
    }

    def error(params):
        nu = jnp.exp(params["log_viscosity"])
        return jnp.maximum(jnp.abs(params["convection"] - 1), jnp.abs(nu / viscosity - 1))

    def data(i, params):
        key = jax.random.fold_in(jax.random.key(1), i)
        return {"pde": sample(key, params), "data": (places, values)}

    return training_run(
        lambda: train(loss, start, data, error, rounds=rounds, steps=steps),
        error,
        f"λ = 1, ν = 0.01/π from 200 values; tanh 3 x 16, {points} points, "
        f"{rounds} x {steps} steps",
    )


class SumOfSines:
    """-Δu = f on [0, 1]^d, u = Σ sin(πxᵢ/2) on the walls, by a term: no factor can vanish there
    without vanishing nearly everywhere. `inner` points and `outer` on the walls."""

    def __init__(self, dim, width, inner, outer):
        box = pde.Box((0.0,) * dim, (1.0,) * dim)

        def exact(x):
            return jnp.sum(jnp.sin(jnp.pi / 2 * x))

        net, self.params = jsci.pure(
            nn.MLP(dim, "scalar", width=width, depth=1, key=jax.random.key(0)), dtype=jnp.float64
        )
        op = pde.poisson(lambda x: jnp.pi**2 / 4 * exact(x))
        self.loss = jsci.objective(
            {"pde": jsci.residual(op, net), "walls": lambda p, x: net(p, x) - exact(x)},
            {"walls": 100.0},
        )
        self.sample = pde.joint({"pde": pde.uniform(box, inner), "walls": walls(box, outer)})
        self.error = relative_l2(net, pde.uniform(box, 4000)(jax.random.key(9)), exact)
        self.note = f"Σ sin(πxᵢ/2), tanh 1 x {width}, {inner} points and {outer} on the walls"


def poisson10d(size):
    inner, outer, steps, rounds = (1000, 400, 40, 12) if size == "full" else (40, 40, 2, 1)
    p = SumOfSines(10, 64, inner, outer)

    def data(i, params):
        return p.sample(jax.random.fold_in(jax.random.key(1), i))

    return training_run(
        lambda: train(p.loss, p.params, data, p.error, rounds=rounds, steps=steps, damping=1e-4),
        p.error,
        f"{p.note}, {rounds} x {steps} steps",
    )


def poisson100d(size):
    """By the natural gradient in sample space, on new points at each step: in a hundred
    dimensions a batch that is solved exactly says little about the points between."""
    width, points, steps = (256, 150, 1000) if size == "full" else (16, 20, 4)
    p = SumOfSines(100, width, points, points)
    optimizer = jsci.natural_gradient(0.05, damping=1e-5)

    def solve():
        watch = Watch(p.error)
        fit = jsci.fit(
            p.loss,
            p.params,
            p.sample,
            optimizer,
            steps=steps,
            key=jax.random.key(1),
            report_every=max(1, steps // 20),
            callback=lambda step, metrics, params: watch.look(params),
            progress=False,
        )
        return fit.params, watch.curve

    note = f"{p.note}, new ones at each of {steps} steps of the natural gradient"
    return training_run(solve, p.error, note)


CASES = [
    Case(
        "pde.inverse-burgers",
        "pde",
        "Two coefficients of Burgers' equation from data",
        burgers_coefficients,
        "full",
        reference="Cole-Hopf, Gauss-Hermite",
        tolerance=1e-3,
        error_name="relative",
    ),
    Case(
        "pde.poisson10d",
        "pde",
        "Poisson in 10 dimensions",
        poisson10d,
        "full",
        reference="analytic",
        tolerance=1e-6,
        error_name="relative L2",
    ),
    Case(
        "pde.poisson100d",
        "pde",
        "Poisson in 100 dimensions",
        poisson100d,
        "full",
        reference="analytic",
        tolerance=1e-2,
        error_name="relative L2",
    ),
]
