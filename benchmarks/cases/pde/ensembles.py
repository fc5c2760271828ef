"""Many solves at once by `jax.vmap`: seeds, and values of a coefficient.

The curve of throughput at 1, 4 and 16 solves ends with the comparison with a loop over one compiled
solve: above 1 the batch is faster.
"""

import jax
import jax.numpy as jnp
import optax

import jaxsci as jsci
from benchmarks.cases.pde._problems import grid
from benchmarks.runner.case import Case, Run
from jaxsci import nn, pde

BATCHES = (1, 4, 16)


def solver(loss_of, optimizer, steps):
    """`solve(params, coefficient, batch) -> params`, a pure function that vmap can batch."""

    def solve(params, coefficient, batch):
        loss = loss_of(coefficient)

        def value(p):
            return loss.value(p, batch)

        def step(_, carry):
            params, state = carry
            now, slope = jax.value_and_grad(value)(params)
            updates, state = optimizer.update(
                slope,
                state,
                params,
                value=now,
                grad=slope,
                value_fn=value,
                residual_fn=loss.at(batch),
            )
            return optax.apply_updates(params, updates), state

        return jax.lax.fori_loop(0, steps, step, (params, optimizer.init(params)))[0]

    return solve


def _many(keys, width, depth):
    """Networks of one shape from several keys: the function, and the parameters stacked."""

    def network(key):
        return nn.MLP(2, "scalar", width=width, depth=depth, key=key, dtype=jnp.float64)

    f, _ = jsci.pure(network(keys[0]))
    return f, jax.vmap(lambda key: jsci.pure(network(key))[1])(keys)


def _run(solve, u, params, coefficients, batch, tests, exact, note):
    """`params` and `coefficients` are stacked; the first of each is what is solved alone."""

    def step(params, coefficient):
        return jax.vmap(u, (None, 0))(solve(params, coefficient, batch), tests)

    def take(n):
        return jax.tree.map(lambda leaf: leaf[:n], (params, coefficients))

    first = jax.tree.map(lambda leaf: leaf[0], (params, coefficients))
    values = jax.vmap(lambda x: exact(x, first[1]))(tests)
    return Run(
        step,
        first,
        error=lambda output: float(jnp.linalg.norm(output - values) / jnp.linalg.norm(values)),
        batched=lambda n: (jax.vmap(step), take(n)),
        # Rounding is amplified by the steps, up to the error that they leave.
        batch_tolerance=1e-2,
        note=note,
    )


def seeds(size):
    points, steps = {"smoke": (60, 15), "quick": (200, 20), "full": (300, 20)}[size]
    square = pde.Box((0.0, 0.0), (1.0, 1.0))

    def exact(x, _):
        return jnp.prod(jnp.sin(jnp.pi * x))

    f, params = _many(jax.random.split(jax.random.key(0), max(BATCHES)), 24, 1)
    u = pde.dirichlet(f, square)
    op = pde.poisson(lambda x: 2 * jnp.pi**2 * exact(x, None))
    loss = jsci.objective({"pde": jsci.residual(op, u)})
    return _run(
        solver(lambda _: loss, jsci.levenberg_marquardt(), steps),
        u,
        params,
        jnp.zeros(max(BATCHES)),
        {"pde": pde.sobol(square, points)(jax.random.key(1))},
        grid(square, 41),
        exact,
        f"Poisson, Levenberg-Marquardt, tanh 1 x 24, {points} points, {steps} steps; float64",
    )


def viscosities(size):
    points, steps = {"smoke": (100, 20), "quick": (200, 20), "full": (300, 20)}[size]
    half = pde.Interval(0.0, 1.0).during(0.0, 1.0)
    f, params = _many(jax.random.split(jax.random.key(0), max(BATCHES)), 12, 2)
    u = pde.dirichlet(f, half, values=lambda x: -jnp.sin(jnp.pi * x[0]))
    return _run(
        solver(
            lambda viscosity: jsci.objective({"pde": jsci.residual(pde.burgers(viscosity), u)}),
            jsci.levenberg_marquardt(),
            steps,
        ),
        u,
        params,
        jnp.linspace(0.05, 0.2, max(BATCHES)) / jnp.pi,
        {"pde": pde.sobol(half, points)(jax.random.key(1))},
        grid(half, 41),
        lambda x, viscosity: pde.reference.burgers_cole_hopf(x, viscosity=viscosity),
        f"Burgers, ν from 0.05/π to 0.2/π, Levenberg-Marquardt, tanh 2 x 12, {points} points, "
        f"{steps} steps; float64",
    )


def _case(name, title, make, tolerance, reference):
    return Case(
        name,
        "pde",
        title,
        make,
        "full",
        reference=reference,
        tolerance=tolerance,
        error_name="relative L2",
        batches=BATCHES,
        item="solves",
    )


CASES = [
    _case("pde.seeds", "Sixteen seeds at once", seeds, 1e-3, "analytic"),
    _case(
        "pde.viscosities",
        "Sixteen viscosities at once",
        viscosities,
        5e-2,
        "Cole-Hopf, Gauss-Hermite",
    ),
]
