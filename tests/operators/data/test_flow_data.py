"""Navier-Stokes and Kuramoto-Sivashinsky: exact flows, an independent integrator, and the order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from jaxsci.operators import data


def test_taylor_green_decays_exactly():
    """w = cos 2 pi x cos 2 pi y is a steady Euler flow: viscosity alone acts on it."""
    x, y = np.meshgrid(*[np.arange(16) / 16] * 2, indexing="ij")
    w0 = jnp.asarray(np.cos(2 * np.pi * x) * np.cos(2 * np.pi * y))
    w = data.solve_navier_stokes(w0, jnp.zeros_like(w0), viscosity=0.02, time=1.0, steps=5)
    np.testing.assert_allclose(w, w0 * np.exp(-8 * np.pi**2 * 0.02), atol=1e-12)


def independent_flow(w0, forcing, viscosity, time):
    """Advective form with the full complex transform, integrated by SciPy's DOP853."""
    n = len(w0)
    k = np.fft.fftfreq(n, 1 / n)
    kx, ky = np.meshgrid(2j * np.pi * k, 2j * np.pi * k, indexing="ij")
    laplace = (kx**2 + ky**2).real
    inverse = np.where(laplace == 0, 0, -1 / np.where(laplace == 0, 1, laplace))
    keep = (3 * np.abs(k[:, None]) < n) & (3 * np.abs(k[None]) < n)
    back = lambda v: np.fft.ifft2(v * keep).real  # noqa: E731

    def slope(t, flat):
        w = np.fft.fft2(flat.reshape(n, n))
        psi = inverse * w
        u, v = back(ky * psi), back(-kx * psi)
        advection = np.fft.fft2(u * back(kx * w) + v * back(ky * w)) * keep
        return np.fft.ifft2(viscosity * laplace * w - advection).real.ravel() + forcing.ravel()

    solution = solve_ivp(slope, (0, time), w0.ravel(), method="DOP853", rtol=1e-10, atol=1e-10)
    return solution.y[:, -1].reshape(n, n)


def test_navier_stokes_equals_an_independent_integration(key):
    w0 = 4 * data.grf(key, (18, 18), alpha=2.5, tau=7.0, modes=5)
    x, y = np.meshgrid(*[np.arange(18) / 18] * 2, indexing="ij")
    forcing = np.sin(2 * np.pi * (x + y))
    exact = independent_flow(np.asarray(w0), forcing, 1e-3, 0.5)
    solve = jax.jit(
        lambda w, f: data.solve_navier_stokes(w, f, viscosity=1e-3, time=0.5, steps=200)
    )
    w = solve(w0, jnp.asarray(forcing))
    np.testing.assert_allclose(w, exact, atol=1e-5)
    # The flow is not the heat equation's: advection matters.
    still = data.solve_navier_stokes(1e-6 * w0, 1e-6 * jnp.asarray(forcing),
                                     viscosity=1e-3, time=0.5, steps=20)  # fmt: skip
    assert jnp.linalg.norm(w - 1e6 * still) > 0.1 * jnp.linalg.norm(w)


def test_navier_stokes_is_fourth_order_in_time(key):
    w0 = 4 * data.grf(key, (16, 16), alpha=2.5, tau=7.0, modes=5)
    runs = [
        data.solve_navier_stokes(w0, jnp.zeros_like(w0), viscosity=1e-3, time=0.5, steps=n)
        for n in (40, 80, 320)
    ]
    errors = [jnp.max(jnp.abs(w - runs[2])) for w in runs[:2]]
    assert 3.6 < jnp.log2(errors[0] / errors[1]) < 4.6


def test_navier_stokes_resolutions_agree(key):
    _, w = data.navier_stokes(key, 2, 16, fine=32, time=0.2, steps=20)
    coarse = data.navier_stokes(key, 2, 8, fine=32, time=0.2, steps=20)
    assert w.shape == (2, 16, 16, 1)
    np.testing.assert_array_equal(coarse[1], w[:, ::2, ::2])
    np.testing.assert_allclose(jnp.mean(w, (1, 2)), 0, atol=1e-12)


def test_kuramoto_sivashinsky_equals_an_independent_integration(key):
    length, n = 22.0, 32
    u0 = data.grf(key, n, tau=5.0, modes=6)
    number = np.fft.fftfreq(n, 1 / n)
    k = 2j * np.pi * number / length

    def slope(t, u):
        v = np.fft.fft(u)
        square = np.fft.fft(u**2) * (3 * np.abs(number) < n)
        return np.fft.ifft(-(k**2 + k**4) * v - 0.5 * k * square).real

    exact = solve_ivp(slope, (0, 10), u0, method="BDF", rtol=1e-9, atol=1e-9).y[:, -1]
    u = data.solve_kuramoto_sivashinsky(u0, length=length, time=10.0, steps=400)
    np.testing.assert_allclose(u, exact, atol=1e-5)


def test_kuramoto_sivashinsky_stays_on_its_attractor(key):
    a, u = data.kuramoto_sivashinsky(key, 8, 64, settle=60.0)
    for state in (a, u):
        assert 0.8 < jnp.sqrt(jnp.mean(state**2)) < 1.8
    np.testing.assert_allclose(jnp.mean(u, 1), 0, atol=1e-10)
    assert jnp.linalg.norm(u - a) > 0.5 * jnp.linalg.norm(a)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: data.navier_stokes(k, 1, 48), "resolution must divide it"),
        (lambda k: data.navier_stokes(k, 1, 32, viscosity=-1.0), "positive viscosity"),
        (lambda k: data.kuramoto_sivashinsky(k, 1, 32, fine=32), "fine >= 2 length"),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises(ValueError, match=message):
        call(key)
