"""Fourier layers on scattered points, and derivatives of periodic fields."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import SpectralConv, spectral_derivative


def grid_points(*grid):
    axes = [np.arange(n) / n for n in grid]
    return jnp.asarray(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(grid)))


@pytest.mark.parametrize(
    ("grid", "modes"), [((12,), (4,)), ((8, 9), (3, 2)), ((4, 5, 6), (1, 2, 2))]
)
def test_a_uniform_grid_is_a_special_case(key, grid, modes):
    layer = SpectralConv(2, 3, modes=modes, key=key)
    a = jax.random.normal(key, (*grid, 2))
    x = grid_points(*grid)
    weights = jnp.full(len(x), 1 / len(x))
    scattered = layer.at_points(a.reshape(-1, 2), x, weights)
    np.testing.assert_allclose(scattered, layer(a).reshape(-1, 3), atol=1e-12)
    fine = tuple(n + 3 for n in grid)
    elsewhere = layer.at_points(a.reshape(-1, 2), x, weights, grid_points(*fine))
    np.testing.assert_allclose(elsewhere, layer(a, fine).reshape(-1, 3), atol=1e-12)


def test_gauss_points_with_their_weights_give_the_same_function(key):
    """Exact quadrature on other points: same coefficients, same output."""
    layer = SpectralConv(1, 1, modes=3, padding=0.5, key=key)
    polynomial = lambda x: 1 + x - 3 * x**3  # noqa: E731

    def on_gauss(n):
        nodes, weights = np.polynomial.legendre.leggauss(n)
        x = jnp.asarray((nodes + 1) / 2)[:, None]
        return layer.at_points(polynomial(x), x, jnp.asarray(weights / 2), jnp.array([[0.3]]))

    np.testing.assert_allclose(on_gauss(24), on_gauss(40), atol=1e-12)


def test_spectral_derivative_of_waves_is_exact():
    x = np.arange(17) / 17
    u = jnp.asarray(np.sin(2 * np.pi * 3 * x))[:, None]
    first = 6 * np.pi * np.cos(2 * np.pi * 3 * x)[:, None]
    np.testing.assert_allclose(spectral_derivative(u), first, atol=1e-11)
    np.testing.assert_allclose(spectral_derivative(u, order=2), -((6 * np.pi) ** 2) * u, atol=1e-9)
    two = jnp.broadcast_to(u[None, :, :], (5, 17, 1))
    np.testing.assert_allclose(spectral_derivative(two, 0), 0, atol=1e-12)
    np.testing.assert_allclose(spectral_derivative(two, 1)[2], first, atol=1e-11)


def test_equation_loss_of_an_exact_solution_vanishes():
    """Burgers' steady-state residual u u_x - ν u_xx - f with f made for u = sin 2πx."""
    x = np.arange(24) / 24
    u = jnp.asarray(np.sin(2 * np.pi * x))[:, None]
    k, nu = 2 * np.pi, 0.1
    f = (0.5 * k * np.sin(2 * k * x) + nu * k**2 * np.sin(k * x))[:, None]
    residual = u * spectral_derivative(u) - nu * spectral_derivative(u, order=2) - f
    np.testing.assert_allclose(residual, 0, atol=1e-11)


def test_bad_input(key):
    layer = SpectralConv(1, 1, modes=3, key=key)
    with pytest.raises(ValueError, match="quadrature weights"):
        layer.at_points(jnp.ones((5, 1)), jnp.ones((5, 1)), jnp.ones(4))
    with pytest.raises(ValueError, match="axis from 0 to 0"):
        spectral_derivative(jnp.ones((8, 1)), 1)
