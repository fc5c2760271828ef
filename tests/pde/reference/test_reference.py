import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import pde
from jaxsci.pde import reference


def test_cole_hopf_solves_burgers():
    nu = 0.05
    u = lambda x: reference.burgers_cole_hopf(x, viscosity=nu)  # noqa: E731
    points = jnp.array([[0.3, 0.2], [-0.6, 0.7], [0.05, 1.0]])
    residuals = jax.vmap(lambda x: pde.burgers(nu)(u, x))(points)
    np.testing.assert_allclose(residuals, 0.0, atol=1e-9)
    line = jnp.linspace(-1, 1, 11)
    at = jax.vmap(lambda x, t: u(jnp.stack([x, t])), (0, None))
    np.testing.assert_allclose(at(line, 0.0), -jnp.sin(jnp.pi * line), atol=1e-12)
    np.testing.assert_allclose(at(jnp.array([-1.0, 0.0, 1.0]), 0.5), 0.0, atol=1e-12)


def test_cole_hopf_converges_to_rounding_at_the_usual_viscosity():
    x = jnp.stack(jnp.meshgrid(jnp.linspace(-1, 1, 41), jnp.linspace(0.05, 1, 9)), -1)
    x = x.reshape(-1, 2)

    def solution(nodes):
        u = lambda z: reference.burgers_cole_hopf(z, viscosity=0.01 / jnp.pi, nodes=nodes)  # noqa: E731
        return jax.vmap(u)(x)

    best = solution(160)
    errors = [float(jnp.abs(solution(n) - best).max()) for n in (20, 40, 80)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-11
    # The slope at the front at t = 1.6037/π, as tabulated by Basdevant et al. (1986): 152.00516.
    t = 1.6037 / np.pi
    slope = jax.grad(
        lambda y: reference.burgers_cole_hopf(jnp.stack([y, jnp.array(t)]), viscosity=0.01 / np.pi)
    )(0.0)
    np.testing.assert_allclose(-slope, 152.00516, rtol=1e-6)


def test_chebyshev_differentiates_polynomials_exactly_and_converges_geometrically():
    x, d = reference.chebyshev(6, interval=(1.0, 4.0))
    np.testing.assert_allclose(d @ x**6, 6 * x**5, rtol=1e-11)
    errors = []
    for n in (4, 8, 12, 16):
        x, d = reference.chebyshev(n)
        errors.append(float(jnp.abs(d @ jnp.exp(2 * x) - 2 * jnp.exp(2 * x)).max()))
    assert (np.diff(np.log10(errors)) < -2.5).all()


def test_chebyshev_interpolant():
    x, _ = reference.chebyshev(20, interval=(0.0, 2.0))
    p = reference.chebyshev_interpolant(jnp.sin(3 * x), interval=(0.0, 2.0))
    at = jnp.array([0.0, 0.123, 1.0, 1.77, 2.0])
    np.testing.assert_allclose(jax.vmap(p)(at), jnp.sin(3 * at), atol=1e-12)


def test_poisson_chebyshev_converges_geometrically_to_the_analytic_solution():
    u = lambda x: jnp.sin(jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1] / 2)  # noqa: E731
    source = reference.manufactured(pde.poisson(0.0), u)
    errors = []
    for n in (6, 10, 14):
        x, y, values = reference.poisson_chebyshev(source, n=n, lower=(0.0, 0.0), upper=(1.0, 2.0))
        exact = jnp.outer(jnp.sin(jnp.pi * x), jnp.sin(jnp.pi * y / 2))
        errors.append(float(jnp.abs(values - exact).max()))
    assert errors[0] < 1e-3 and errors[1] < 1e-3 * errors[0] and errors[2] < 1e-10


def test_poisson_chebyshev_matches_the_series_for_a_constant_source():
    """-Δu = 1 on the unit square: u(½, ½) = 0.0736713532..., from its Fourier series."""
    k = np.arange(1, 400, 2)
    series = 0.125 - np.sum(4 * np.sin(k * np.pi / 2) / (k * np.pi) ** 3 / np.cosh(k * np.pi / 2))
    errors = []
    for n in (8, 16, 32):
        _, _, u = reference.poisson_chebyshev(
            lambda x: 1.0, n=n, lower=(0.0, 0.0), upper=(1.0, 1.0)
        )
        errors.append(abs(float(u[n // 2, n // 2]) - series))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (orders > 3.5).all() and errors[-1] < 1e-7


def test_etdrk4_is_exact_for_linear_equations_and_of_order_four_otherwise():
    x = jnp.arange(32) / 32
    u0 = jnp.sin(2 * jnp.pi * x) + 0.5
    linear = reference.etdrk4(
        lambda k: -0.1 * k**2, lambda u, d: 0 * u, u0, length=1.0, time=0.3, steps=2
    )
    decay = np.exp(-0.1 * 4 * np.pi**2 * 0.3)
    np.testing.assert_allclose(linear, decay * np.sin(2 * np.pi * x) + 0.5, atol=1e-12)

    def burgers(steps):
        return reference.etdrk4(
            lambda k: -0.05 * k**2, lambda u, d: -u * d(u), u0, length=1.0, time=0.3, steps=steps
        )

    best = burgers(512)
    errors = [float(jnp.abs(burgers(n) - best).max()) for n in (8, 16, 32)]
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (orders > 3.6).all() and errors[-1] < 1e-5


def test_etdrk4_agrees_with_cole_hopf():
    n = 256
    x = jnp.arange(n) / n * 2 - 1
    u = reference.etdrk4(
        lambda k: -0.05 * k**2,
        lambda u, d: -u * d(u),
        -jnp.sin(jnp.pi * x),
        length=2.0,
        time=0.5,
        steps=400,
    )
    exact = jax.vmap(
        lambda y: reference.burgers_cole_hopf(jnp.stack([y, jnp.array(0.5)]), viscosity=0.05)
    )(x)
    np.testing.assert_allclose(u, exact, atol=1e-8)


def test_bad_input():
    with pytest.raises(ValueError, match="steps >= 1, length > 0 and time > 0"):
        reference.etdrk4(jnp.abs, jnp.add, jnp.ones(4), length=0.0, time=1.0, steps=1)
    with pytest.raises(ValueError, match="viscosity and nodes must be positive"):
        reference.burgers_cole_hopf(jnp.zeros(2), viscosity=0.0)
    with pytest.raises(ValueError, match="n >= 1 and start < end"):
        reference.chebyshev(0)
