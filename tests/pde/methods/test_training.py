"""From an equation to a solution, against references that share no code with the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import nn, pde
from jaxsci.pde import reference


def _relative_l2(u, exact):
    return float(jnp.linalg.norm(u - exact) / jnp.linalg.norm(exact))


def test_poisson_on_the_square_reaches_six_digits(key):
    square = pde.Box((0.0, 0.0), (1.0, 1.0))

    def source(x):
        return 2 * jnp.pi**2 * jnp.prod(jnp.sin(jnp.pi * x))

    net, params = jsci.pure(nn.MLP(2, "scalar", width=32, depth=1, key=key))
    u = pde.dirichlet(net, square)
    loss = jsci.objective({"pde": jsci.residual(pde.poisson(source), u)})
    points = {"pde": pde.sobol(square, 256)(key)}
    fit = jsci.fit(loss, params, points, jsci.levenberg_marquardt(), steps=80, progress=False)

    x, y, exact = reference.poisson_chebyshev(source, n=20, lower=(0.0, 0.0), upper=(1.0, 1.0))
    grid = jnp.stack(jnp.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    values = jax.vmap(u, (None, 0))(fit.params, grid)
    assert _relative_l2(values, exact.reshape(-1)) < 1e-5


def test_neumann_and_robin_conditions_are_named_residuals(key):
    """-u″ = 0 with u′(0)·n = -1 and u + u′ = 3 at x = 1: u = 1 + x."""
    line = pde.Interval(0.0, 1.0)
    left, right = line.boundary["left"], line.boundary["right"]
    net, params = jsci.pure(nn.MLP(1, "scalar", width=6, depth=1, key=key))

    def flux(piece):
        return lambda u, x: piece.normal(x) @ jsci.grad(u)(x)

    loss = jsci.objective(
        {
            "pde": jsci.residual(pde.poisson(0.0), net),
            "neumann": jsci.residual(lambda u, x: flux(left)(u, x) + 1, net),
            "robin": jsci.residual(lambda u, x: u(x) + flux(right)(u, x) - 3, net),
        }
    )
    data = pde.joint(
        {
            "pde": pde.uniform(line, 20),
            "neumann": pde.uniform(left, 1),
            "robin": pde.uniform(right, 1),
        }
    )
    fit = jsci.fit(loss, params, data(key), jsci.levenberg_marquardt(), steps=40, progress=False)
    x = jnp.linspace(0, 1, 11)[:, None]
    np.testing.assert_allclose(jax.vmap(net, (None, 0))(fit.params, x), 1 + x[:, 0], atol=1e-4)


@pytest.mark.slow
def test_burgers_front_to_one_percent(key):
    viscosity = 0.01 / jnp.pi
    domain = pde.Interval(-1.0, 1.0).during(0.0, 1.0)
    net, params = jsci.pure(nn.MLP(2, "scalar", width=20, depth=3, key=key))
    u = pde.dirichlet(net, domain, values=lambda x: -jnp.sin(jnp.pi * x[0]))
    r = jsci.residual(pde.burgers(viscosity), u)
    loss = jsci.objective({"pde": r})
    sample = jax.jit(pde.residual_adaptive(domain, 2500, r))
    optimizer = jsci.levenberg_marquardt(1e-6)
    for k in jax.random.split(key, 8):
        params = jsci.fit(
            loss, params, {"pde": sample(k, params)}, optimizer, steps=25, progress=False
        ).params

    grid = jnp.stack(jnp.meshgrid(jnp.linspace(-1, 1, 101), jnp.linspace(0.02, 1, 50)), -1)
    grid = grid.reshape(-1, 2)
    exact = jax.vmap(lambda x: reference.burgers_cole_hopf(x, viscosity=viscosity))(grid)
    assert _relative_l2(jax.vmap(u, (None, 0))(params, grid), exact) < 1e-2
