"""Spherical harmonics: against SciPy, the addition theorem, and the Laplace-Beltrami operator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import sph_harm_y

from jaxsci.operators import spherical_harmonics


def points(n, dtype):
    rng = np.random.default_rng(0)
    theta, phi = np.arccos(rng.uniform(-1, 1, n)), rng.uniform(-np.pi, np.pi, n)
    theta[:3] = 1e-4, np.pi / 2, 3.1415
    return theta.astype(dtype), phi.astype(dtype)


def reference(theta, phi, degree):
    """SciPy's complex harmonics, combined to real ones without the Condon-Shortley sign."""
    columns = []
    for l in range(degree + 1):
        for m in range(-l, l + 1):
            y = sph_harm_y(l, abs(m), theta.astype(float), phi.astype(float)) * (-1) ** m
            columns.append(y.real if m == 0 else np.sqrt(2) * (y.real if m > 0 else y.imag))
    return np.stack(columns, -1)


@pytest.mark.parametrize(
    ("dtype", "degree", "tolerance"), [(np.float64, 12, 1e-12), (np.float32, 40, 1e-4)]
)
def test_equals_scipy(dtype, degree, tolerance):
    theta, phi = points(50, dtype)
    evaluate = jax.jit(lambda t, p: spherical_harmonics(t, p, degree=degree))
    y = evaluate(jnp.asarray(theta), jnp.asarray(phi))
    assert y.dtype == dtype
    assert y.shape == (50, (degree + 1) ** 2)
    np.testing.assert_allclose(y, reference(theta, phi, degree), atol=tolerance)


def test_addition_theorem_in_float32():
    """At every point the squares add up to (L + 1)² / 4 pi."""
    theta, phi = (jnp.asarray(x) for x in points(50, np.float32))
    y = jax.jit(lambda t, p: spherical_harmonics(t, p, degree=40))(theta, phi)
    np.testing.assert_allclose(jnp.sum(y**2, 1), 41**2 / (4 * np.pi), rtol=1e-4)


def test_are_eigenfunctions_of_the_laplacian():
    """-Δ Y = l (l + 1) Y on the sphere, by automatic differentiation."""
    at = lambda t, p: spherical_harmonics(t[None], p[None], degree=5)[0]  # noqa: E731
    t, p = jnp.asarray(0.7), jnp.asarray(1.9)

    @jax.jit
    def laplacian(t, p):
        first = jax.jacfwd(at)(t, p)
        second = jax.jacfwd(jax.jacfwd(at))(t, p)
        around = jax.jacfwd(jax.jacfwd(at, 1), 1)(t, p)
        return second + first / jnp.tan(t) + around / jnp.sin(t) ** 2

    l = np.concatenate([[i] * (2 * i + 1) for i in range(6)])
    np.testing.assert_allclose(laplacian(t, p), -l * (l + 1) * at(t, p), atol=1e-11)


def test_bad_input():
    with pytest.raises(ValueError, match="degree >= 0"):
        spherical_harmonics(jnp.ones(3), jnp.ones(3), degree=-1)
