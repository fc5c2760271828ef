"""Trainings with more than one term: unknown coefficients from data, and many coordinates."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.case import Case
from benchmarks.training import relative_l2, train, training_run, walls
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


def poisson_many(dim, width, inner, outer, steps, rounds):
    """-Δu = f on [0, 1]^d, u = Σ sin(πxᵢ/2) on the walls, by a term: no factor can vanish there
    without vanishing nearly everywhere."""

    def make(size):
        n, m, k, r = (inner, outer, steps, rounds) if size == "full" else (40, 40, 2, 1)
        box = pde.Box((0.0,) * dim, (1.0,) * dim)

        def exact(x):
            return jnp.sum(jnp.sin(jnp.pi / 2 * x))

        net, params = jsci.pure(
            nn.MLP(dim, "scalar", width=width, depth=1, key=jax.random.key(0)), dtype=jnp.float64
        )
        op = pde.poisson(lambda x: jnp.pi**2 / 4 * exact(x))
        loss = jsci.objective(
            {"pde": jsci.residual(op, net), "walls": lambda p, x: net(p, x) - exact(x)},
            {"walls": 100.0},
        )

        sample = pde.joint({"pde": pde.uniform(box, n), "walls": walls(box, m)})

        def data(i, params):
            return sample(jax.random.fold_in(jax.random.key(1), i))

        error = relative_l2(net, pde.uniform(box, 4000)(jax.random.key(9)), exact)
        return training_run(
            lambda: train(loss, params, data, error, rounds=r, steps=k),
            error,
            f"Σ sin(πxᵢ/2), tanh 1 x {width}, {n} points and {m} on the walls, {r} x {k} steps",
        )

    return make


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
        poisson_many(10, 64, 1000, 400, 40, 12),
        "full",
        reference="analytic",
        tolerance=1e-6,
        error_name="relative L2",
    ),
]
