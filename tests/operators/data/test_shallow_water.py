"""Shallow water: waves of known frequency, an independent integrator, the order, and the data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from jaxsci.operators import data

N = 16
X, Y = np.meshgrid(*[np.arange(N) / N] * 2, indexing="ij")


def start():
    eta = 0.1 * np.cos(2 * np.pi * (X + 2 * Y))
    u = 0.1 * np.sin(2 * np.pi * X) * np.cos(2 * np.pi * Y)
    v = 0.08 * np.cos(2 * np.pi * (X - Y))
    return np.stack([eta, u, v], -1)


def test_small_waves_have_the_frequency_of_inertia_and_gravity():
    """η = ε cos kx with v = 0 oscillates about its geostrophic part: ω² = f² + k²."""
    f, k, epsilon, time = 3.0, 2 * np.pi, 1e-6, 0.3
    w = np.sqrt(f**2 + k**2)
    fields = jnp.asarray(np.stack([epsilon * np.cos(k * X), 0 * X, 0 * X], -1))
    end = data.solve_shallow_water(fields, coriolis=f, viscosity=0.0, time=time, steps=60)
    eta = (f**2 + k**2 * np.cos(w * time)) / w**2 * epsilon * np.cos(k * X)
    u = k * np.sin(w * time) / w * epsilon * np.sin(k * X)
    v = -f * k * (1 - np.cos(w * time)) / w**2 * epsilon * np.sin(k * X)
    # Nonlinear terms are of order ε², the integrator's error at this step below 1e-6 of ε.
    np.testing.assert_allclose(end, np.stack([eta, u, v], -1), atol=4e-6 * epsilon + 2 * epsilon**2)


def independent(fields, f, viscosity, time):
    """Advective form with full complex transforms, integrated by SciPy's DOP853."""
    k = np.fft.fftfreq(N, 1 / N)
    kx, ky = np.meshgrid(2j * np.pi * k, 2j * np.pi * k, indexing="ij")
    keep = (3 * np.abs(k[:, None]) < N) & (3 * np.abs(k[None]) < N)
    laplace = kx**2 + ky**2

    def slope(t, flat):
        hats = [np.fft.fft2(g) for g in np.moveaxis(flat.reshape(N, N, 3), -1, 0)]
        back = lambda w: np.fft.ifft2(w * keep).real  # noqa: E731
        eta, u, v = (back(w) for w in hats)
        e, a, b = (np.fft.ifft2(laplace * w).real * viscosity for w in hats)
        clean = lambda g: np.fft.ifft2(np.fft.fft2(g) * keep).real  # noqa: E731
        divergence = np.fft.ifft2(
            keep * (kx * np.fft.fft2((1 + eta) * u) + ky * np.fft.fft2((1 + eta) * v))
        ).real
        du = clean(u * back(kx * hats[1]) + v * back(ky * hats[1])) - f * v + back(kx * hats[0])
        dv = clean(u * back(kx * hats[2]) + v * back(ky * hats[2])) + f * u + back(ky * hats[0])
        return np.stack([e - divergence, a - du, b - dv], -1).ravel()

    run = solve_ivp(slope, (0, time), fields.ravel(), method="DOP853", rtol=1e-10, atol=1e-12)
    return run.y[:, -1].reshape(N, N, 3)


def test_equals_an_independent_integration_at_fourth_order():
    exact = independent(start(), 2.0, 0.01, 0.4)

    def error(steps):
        end = data.solve_shallow_water(
            jnp.asarray(start()), coriolis=2.0, viscosity=0.01, time=0.4, steps=steps
        )
        np.testing.assert_allclose(jnp.mean(end[..., 0]), 0, atol=1e-15)
        return np.abs(end - exact).max()

    # The two forms of the advection alias differently only beyond the modes that matter here.
    coarse, fine = error(16), error(32)
    assert 3.5 < np.log2(coarse / fine) < 4.5
    assert error(128) < 1e-7


def test_resolutions_agree_and_the_flow_is_nonlinear(key):
    settings = {"fine": 32, "steps": 40}
    make = jax.jit(lambda key, r: data.shallow_water(key, 2, r, **settings), static_argnums=1)
    a, u = make(key, 32)
    coarse_a, coarse_u = make(key, 16)
    np.testing.assert_allclose(coarse_a, a[:, ::2, ::2], atol=1e-14)
    np.testing.assert_allclose(coarse_u, u[:, ::2, ::2], atol=1e-14)
    np.testing.assert_allclose(jnp.sqrt(jnp.mean(jnp.sum(a[..., 1:] ** 2, -1), (1, 2))), 0.2)
    small = data.solve_shallow_water(1e-3 * a[0], coriolis=2.0, viscosity=1e-3, time=0.5, steps=40)
    assert jnp.linalg.norm(1e3 * small - u[0]) > 0.05 * jnp.linalg.norm(u[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: data.shallow_water(k, 1, 20), "must divide"),
        (lambda k: data.shallow_water(k, 1, 16, amplitude=0.0), "positive amplitude"),
        (
            lambda k: data.solve_shallow_water(
                jnp.ones((4, 4)), coriolis=0.0, viscosity=0.0, time=1.0, steps=1
            ),
            r"fields \(x, y, 3\)",
        ),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises(ValueError, match=message):
        call(key)
