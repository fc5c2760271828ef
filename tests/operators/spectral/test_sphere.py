"""Vector calculus on the sphere: against Cartesian gradients, on every grid, to the last degree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import Sphere, sphere_grid

GRIDS = [("gauss", 10), ("equiangular", 11), ("cells", 11)]


def frame(grid, latitudes, longitudes):
    """Unit vectors of the points, to the east and to the north of them."""
    theta, phi, _ = sphere_grid(latitudes, longitudes, grid=grid)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    up = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], -1)
    east = np.stack([-np.sin(p), np.cos(p), 0 * p], -1)
    north = np.stack([-np.cos(t) * np.cos(p), -np.cos(t) * np.sin(p), np.sin(t)], -1)
    return up, east, north


def components(vectors, grid, *points):
    """Eastward and northward components of Cartesian vectors at the points."""
    _, east, north = frame(grid, *points)
    return np.stack([np.sum(vectors * e, -1) for e in (east, north)], -1)[:, :, None]


@pytest.mark.parametrize(("grid", "rings"), GRIDS)
def test_derivatives_of_polynomials(grid, rings):
    """f = xyz + x² + z: Δf = -12 xyz - 6 (x² - 1/3) - 2 z, and both parts of ∇f + k × ∇f."""
    sphere = Sphere(rings, 24, degree=9, grid=grid, radius=2.0)
    up = frame(grid, rings, 24)[0]
    x, y, z = np.moveaxis(up, -1, 0)
    f = jnp.asarray(x * y * z + x**2 + z)[..., None]
    slope = np.stack([y * z + 2 * x, x * z, x * y + 1], -1)
    slope = slope - np.sum(slope * up, -1, keepdims=True) * up
    expected = components(slope, grid, rings, 24) / 2
    turned = components(np.cross(up, slope), grid, rings, 24) / 2
    laplacian = jnp.asarray((-12 * x * y * z - 6 * (x**2 - 1 / 3) - 2 * z)[..., None] / 4)
    np.testing.assert_allclose(sphere.gradient(f), expected, atol=1e-12)
    np.testing.assert_allclose(sphere.laplacian(f), laplacian, atol=1e-12)
    v = jnp.asarray(expected + 3 * turned)
    np.testing.assert_allclose(sphere.divergence(v), laplacian, atol=1e-12)
    np.testing.assert_allclose(sphere.vorticity(v), 3 * laplacian, atol=1e-12)
    np.testing.assert_allclose(sphere.wind(3 * laplacian, laplacian), v, atol=1e-12)
    stream, potential = sphere.helmholtz(v)
    np.testing.assert_allclose(stream, 3 * (f - jnp.full_like(f, 1 / 3)), atol=1e-12)
    np.testing.assert_allclose(potential, sphere.inverse_laplacian(laplacian), atol=1e-12)


@pytest.mark.parametrize(("grid", "rings"), GRIDS)
def test_vectors_of_every_degree_come_back(grid, rings, key):
    """Up to the last degree that the grid holds, on equal latitudes by least squares."""
    sphere = Sphere(rings, 24, degree=9, grid=grid)
    l, m = np.arange(10), np.r_[0:10, 1:10][:, None]
    parts = jax.random.normal(key, (2, 19, 10, 3)) * ((l >= m) & (l > 0))[None, ..., None]
    found = sphere.vector_analysis(sphere.vector_synthesis(*parts))
    np.testing.assert_allclose(found, parts, atol=1e-11)


def test_solid_rotation_has_no_derivative_at_the_poles():
    """Of u = sin θ the vorticity is 2 cos θ; in float32 as well, under vmap, jit and grad."""
    sphere = Sphere(16, 32, grid="equiangular")
    u = jnp.asarray(np.sin(sphere.colatitude)[:, None, None] * np.ones((1, 32, 1)), jnp.float32)
    v = jnp.stack([u, 0 * u], -1)
    vorticity = jax.jit(jax.vmap(sphere.vorticity))(v[None])[0]
    assert vorticity.dtype == jnp.float32
    expected = 2 * np.cos(sphere.colatitude)[:, None, None] * np.ones((1, 32, 1))
    np.testing.assert_allclose(vorticity, expected, atol=2e-6)
    slope = jax.grad(lambda a: jnp.sum(sphere.divergence(a) ** 2))(v)
    np.testing.assert_allclose(slope, 0, atol=1e-3)


def test_the_degree_without_aliases_is_the_default():
    assert [Sphere(n, 2 * n).degree for n in (16, 32, 64)] == [10, 21, 42]
    assert Sphere(16, 32) == Sphere(16, 32, degree=10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Sphere(8, 16, degree=9), "9"),
        (lambda: Sphere(8, 3), "degree >= 1"),
        (lambda: Sphere(8, 16, radius=0.0), "positive radius"),
        (lambda: Sphere(8, 16, grid="healpix"), "'cells'"),
        (lambda: Sphere(8, 16).gradient(jnp.ones((16, 8, 1))), "on its own grid"),
        (lambda: Sphere(8, 16).divergence(jnp.ones((16, 8, 1, 2))), "longitudes, channels, 2"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_precision_of_a_field_is_kept():
    """A radius of NumPy's is a float64, which would carry over."""
    f = jnp.ones((4, 8, 1), jnp.float32)
    assert Sphere(4, 8, degree=2, radius=np.float64(2)).gradient(f).dtype == jnp.float32


@pytest.mark.parametrize("shape", [(7, 4, 1), (5, 1, 1), (3, 3, 1)])
def test_coefficients_of_another_degree_are_refused(shape):
    """The first two were the coefficients of fields, though not of those that they came from."""
    sphere, c = Sphere(4, 8, degree=2), jnp.ones(shape)
    with pytest.raises(ValueError, match=r"degree 2 takes coefficients .* \(5, 3, channels\)"):
        sphere.synthesis(c)
    with pytest.raises(ValueError, match="degree 2 takes coefficients"):
        sphere.vector_synthesis(c, c)


def test_coefficients_and_fields_are_real_floats():
    sphere = Sphere(4, 8, degree=2)
    with pytest.raises(TypeError, match="floats"):
        sphere._check_coefficients(jnp.ones((5, 3, 1), int))
    with pytest.raises(TypeError, match="real fields"):
        sphere._checked(jnp.ones((4, 8, 1), complex), 3)
    with pytest.raises(ValueError, match="positive radius"):
        Sphere(4, 8, degree=2, radius=np.inf)
