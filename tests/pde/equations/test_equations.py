import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import nn, pde

X = jnp.array([0.3, 0.7])


def _decay(x):
    """sin(πx) exp(-π² D t) with D = 0.1 solves the heat equation."""
    return jnp.sin(jnp.pi * x[0]) * jnp.exp(-0.1 * jnp.pi**2 * x[1])


def _travelling_front(x):
    """c - 2ν k tanh(k (x - c t)) with k = 3, ν = 0.1, c = 0.5 solves Burgers' equation."""
    return 0.5 - 2 * 0.1 * 3 * jnp.tanh(3 * (x[0] - 0.5 * x[1]))


def _allen_cahn_front(x):
    """½ (1 + tanh(k (x + s t))), the front of u_t = D u_xx + 5 (u - u³) between 0 and 1."""
    k = jnp.sqrt(5 / (8 * 0.1))
    return 0.5 * (1 + jnp.tanh(k * (x[0] + 3 * jnp.sqrt(5 * 0.1 / 2) * x[1])))


def _kuramoto_front(x):
    """Kuramoto's front: k = √(11/19)/2 and any speed."""
    k = jnp.sqrt(11 / 19) / 2
    wave = jnp.tanh(k * (x[0] - 0.4 * x[1]))
    return 0.4 + 30 / 19 * k * (11 * wave**3 - 9 * wave)


SOLUTIONS = {
    "heat": (pde.heat(0.1), _decay),
    "heat source": (pde.heat(1.0, lambda x: 3 * x[1] ** 2), lambda x: x[1] ** 3 + 2 * x[0]),
    "burgers": (pde.burgers(0.1), _travelling_front),
    "allen cahn": (pde.allen_cahn(0.1), _allen_cahn_front),
    "kuramoto sivashinsky": (pde.kuramoto_sivashinsky(), _kuramoto_front),
    "poisson": (pde.poisson(-4.0), lambda x: jnp.sum(x**2)),
    "helmholtz": (pde.helmholtz(5.0), lambda x: jnp.sin(3 * x[0] + 4 * x[1])),
    "advection": (pde.advection((2.0,)), lambda x: jnp.cos(x[0] - 2 * x[1])),
    "wave": (pde.wave(2.0), lambda x: jnp.sin(x[0] + 2 * x[1]) + jnp.cos(x[0] - 2 * x[1])),
    "heat 2d": (pde.heat(0.5), lambda x: jnp.sin(x[0]) * jnp.sin(x[1]) * jnp.exp(-x[2])),
    "oscillator": (
        lambda u, x: pde.schroedinger(lambda y: jnp.sum(y**2))(u, x) - 2 * u(x),
        lambda x: jnp.exp(-jnp.sum(x**2) / 2),
    ),
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_vanishes_on_a_known_solution(name):
    op, u = SOLUTIONS[name]
    x = jnp.array([0.3, 0.7, 0.2]) if name == "heat 2d" else X
    np.testing.assert_allclose(op(u, x), 0.0, atol=1e-12)
    assert op(u, x).shape == ()
    wrong = lambda y: u(y) + 0.1 * jnp.sin(y[0]) * y[1] ** 2 * y[-1]  # noqa: E731
    assert abs(op(wrong, x)) > 1e-3


def test_operators_are_residuals_under_jit_and_vmap(key):
    f, params = jsci.pure(nn.MLP(2, "scalar", width=4, depth=1, key=key))
    r = jsci.residual(pde.burgers(0.1), f)
    points = jnp.stack([X, 2 * X])
    batched = jax.jit(jax.vmap(r, (None, 0)))(params, points)
    np.testing.assert_allclose(batched[1], r(params, points[1]), rtol=1e-12)


def test_relu_under_a_second_derivative_is_refused(key):
    net = nn.MLP(2, "scalar", width=4, depth=1, activation=jax.nn.relu, key=key)
    with pytest.raises(ValueError, match="uses relu, whose second derivative is zero"):
        pde.poisson(1.0)(net, X)
    with pytest.raises(ValueError, match="leaky_relu"):
        pde.heat(1.0)(lambda x: jax.jit(jax.nn.leaky_relu)(x).sum(), X)
    pde.advection((1.0,))(net, X)
    kinks = nn.MLP(2, "scalar", width=4, depth=1, embedding=nn.KinkFeatures((0.0,)), key=key)
    pde.poisson(1.0)(kinks, X)


def test_bad_input():
    with pytest.raises(ValueError, match="viscosity must be positive, got 0.0"):
        pde.burgers(0.0)
    with pytest.raises(ValueError, match=r"burgers needs points of shape \(2,\)"):
        pde.burgers(0.1)(jnp.sum, jnp.zeros(3))
    with pytest.raises(ValueError, match=r"points \(x, t\)"):
        pde.heat(0.1)(jnp.sum, jnp.zeros(1))
    with pytest.raises(ValueError, match=r"advection with this velocity needs points"):
        pde.advection((1.0, 2.0))(jnp.sum, jnp.zeros(2))


def test_dirichlet_holds_for_any_parameters(key):
    f, params = jsci.pure(nn.MLP(2, "scalar", width=4, depth=1, key=key))
    domains = (
        pde.Box((0.0, 0.0), (1.0, 2.0)),
        pde.Ball((0.2, 0.1), 0.5),
        pde.Box((0.0, 0.0), (1.0, 2.0)) - pde.Ball((0.5, 1.0), 0.3),
    )
    for domain in domains:
        u = pde.dirichlet(f, domain, values=lambda x: x[0] * x[1])
        for name, piece in domain.boundary.items():
            points = pde.uniform(piece, 8)(key)
            values = jax.vmap(u, (None, 0))(params, points)
            np.testing.assert_allclose(values, points.prod(1), atol=1e-12, err_msg=name)
        inside = pde.uniform(domain, 8)(key)
        free = jax.vmap(u, (None, 0))(params, inside) - inside.prod(1)
        assert (jnp.abs(free) > 1e-9).all()


def test_dirichlet_holds_initially_and_on_the_sides(key):
    f, params = jsci.pure(nn.MLP(2, "scalar", width=4, depth=1, key=key))
    domain = pde.Interval(-1.0, 1.0).during(0.0, 1.0)
    u = pde.dirichlet(f, domain, values=lambda x: -jnp.sin(jnp.pi * x[0]))
    for name in ("initial", "left", "right"):
        points = pde.uniform(domain.boundary[name], 8)(key)
        expected = -np.sin(np.pi * points[:, 0])
        np.testing.assert_allclose(jax.vmap(u, (None, 0))(params, points), expected, atol=1e-12)
    final = jnp.array([0.3, 1.0])
    assert abs(u(params, final) + np.sin(np.pi * 0.3)) > 1e-3


def test_constraints_refuse_what_is_not_a_function_or_a_domain(key):
    with pytest.raises(TypeError, match="hard\\(\\) takes functions; lift is a float"):
        pde.hard(lambda p, x: x, lift=1.0, factor=jnp.sum)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="needs a domain such as Box"):
        pde.dirichlet(lambda p, x: x, (0.0, 1.0))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("point", [[0.5], [0.5, 0.5, 0.5]])
def test_dirichlet_refuses_points_of_another_dimension(point):
    """They would broadcast against the corners of the box, and give a wrong number."""
    square = pde.Box((0.0, 0.0), (1.0, 1.0))
    moving = pde.Interval(0.0, 1.0).during(0.0, 1.0)
    for domain in (square, moving):
        u = pde.dirichlet(lambda p, x: jnp.sum(x), domain)
        with pytest.raises(ValueError, match=r"One point of shape \(2,\) is needed"):
            u(None, jnp.asarray(point))
