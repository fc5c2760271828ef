"""Convolution on the sphere: against the harmonics, on other grids, and under rotations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import FNO, SphericalConv, sphere_grid, spherical_harmonics


def harmonics(latitudes, longitudes, degree):
    theta, phi, _ = sphere_grid(latitudes, longitudes)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    y = spherical_harmonics(jnp.asarray(t.ravel()), jnp.asarray(p.ravel()), degree=degree)
    return y.reshape(latitudes, longitudes, -1)


def test_quadrature_makes_the_harmonics_orthonormal():
    y, weights = harmonics(9, 17, 8), sphere_grid(9, 17)[2]
    gram = jnp.einsum("ija,ijb,ij->ab", y, y, jnp.asarray(weights))
    np.testing.assert_allclose(gram, np.eye(81), atol=1e-13)
    np.testing.assert_allclose(weights.sum(), 4 * np.pi)


@pytest.mark.parametrize("rings", [2, 9, 10])
@pytest.mark.parametrize("grid", ["equiangular", "cells"])
def test_rules_on_equal_latitudes(grid, rings):
    """Exact for all polynomials in cos θ below the number of rings, with positive weights."""
    theta, _, weights = sphere_grid(rings, 4, grid=grid)
    powers = np.arange(rings)
    expected = np.where(powers % 2 == 0, 4 * np.pi / (powers + 1), 0)
    found = weights.sum(1) @ np.cos(theta)[:, None] ** powers
    np.testing.assert_allclose(found, expected, atol=1e-13)
    assert weights.min() > 0
    ends = [0, np.pi] if grid == "equiangular" else [np.pi / rings / 2, np.pi - np.pi / rings / 2]
    np.testing.assert_allclose(theta[[0, -1]], ends, atol=1e-15)


def test_latitudes_that_nobody_named_are_refused(key):
    with pytest.raises(ValueError, match="'equiangular'.*as ERA5 has.*WeatherBench"):
        SphericalConv(1, 1, degree=3, key=key)


@pytest.mark.parametrize(("told", "true"), [("equiangular", "cells"), ("cells", "equiangular")])
def test_a_grid_of_another_kind_is_flagged(key, told, true):
    """A pole has one value for all longitudes, and a ring about it has not."""
    theta, phi, _ = sphere_grid(12, 24, grid=true)
    field = jnp.asarray(np.outer(np.sin(theta), np.cos(phi)))[..., None]
    with pytest.warns(UserWarning, match=f"grid='{told}', but this one has"):
        SphericalConv(1, 1, degree=3, grid=told, key=key)(field)
    SphericalConv(1, 1, degree=3, grid=true, key=key)(field)
    zonal = jnp.asarray(np.cos(theta)[:, None] * np.ones(24))[..., None]
    SphericalConv(1, 1, degree=3, grid=told, key=key)(zonal)
    options = {"width": 2, "modes": 3, "depth": 1, "basis": "sphere", "key": key}
    with pytest.warns(UserWarning, match=f"grid='{told}', but this one has") as seen:
        FNO(1, 1, grid=told, **options)(field)
    assert "FNO takes" in str(seen[0].message)
    FNO(1, 1, grid=true, **options)(field)


@pytest.mark.parametrize("grid", ["equiangular", "cells"])
def test_a_spherical_operator_is_the_same_on_equal_latitudes(key, grid):
    """Same parameters on Gauss latitudes and on others, compared by a common projection."""
    make = {"width": 2, "modes": 3, "depth": 2, "basis": "sphere", "key": key}
    models = {g: FNO(1, 1, **make, grid=g) for g in ("gauss", grid)}

    def projected(grid):
        theta, phi, weights = sphere_grid(25, 48, grid=grid)
        field = np.cos(theta)[:, None] * np.sin(phi) * np.sin(theta)[:, None]
        out = models[grid](jnp.asarray(field)[..., None])[..., 0]
        return [np.sum(weights * out * f) for f in (1, np.cos(theta)[:, None], field)]

    np.testing.assert_allclose(projected(grid), projected("gauss"), rtol=1e-6, atol=1e-8)


def test_multiplies_each_degree_by_its_matrix(key):
    layer = SphericalConv(2, 3, degree=5, grid="gauss", key=key)
    coefficients = jax.random.normal(key, (36, 2))
    degree_of = np.repeat(np.arange(6), 2 * np.arange(6) + 1)
    out = jnp.einsum("kc,kcd->kd", coefficients, layer.weight[degree_of])
    a = harmonics(7, 12, 5) @ coefficients
    np.testing.assert_allclose(layer(a), harmonics(7, 12, 5) @ out, atol=1e-12)
    # The output on another grid is the same function.
    np.testing.assert_allclose(layer(a, (10, 15)), harmonics(10, 15, 5) @ out, atol=1e-12)
    batch = jnp.stack([a, 2 * a])
    np.testing.assert_allclose(jax.vmap(layer)(batch)[1], 2 * layer(a), atol=1e-12)


def test_commutes_with_a_rotation_about_a_tilted_axis(key):
    """A function is rotated by evaluating it at rotated points."""
    layer = SphericalConv(1, 1, degree=4, grid="gauss", key=key)
    coefficients = jax.random.normal(key, (25, 1))
    theta, phi, _ = sphere_grid(6, 11)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    points = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], -1)
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))
    q *= np.sign(np.linalg.det(q))
    turned = points.reshape(-1, 3) @ q.T
    y = spherical_harmonics(
        jnp.asarray(np.arccos(turned[:, 2])),
        jnp.asarray(np.arctan2(turned[:, 1], turned[:, 0])),
        degree=4,
    )
    degree_of = np.repeat(np.arange(5), 2 * np.arange(5) + 1)
    rotated_then_layer = layer((y @ coefficients).reshape(6, 11, 1))
    layer_then_rotated = y @ (coefficients * layer.weight[degree_of, :, 0])
    np.testing.assert_allclose(rotated_then_layer.reshape(-1, 1), layer_then_rotated, atol=1e-12)


def test_float32_is_kept_and_accurate_at_degree_40(key):
    layer = SphericalConv(1, 1, degree=40, grid="gauss", key=key)
    layer = eqx.tree_at(lambda l: l.weight, layer, jnp.ones((41, 1, 1), jnp.float32))
    theta, phi, _ = sphere_grid(41, 81)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    smooth = np.exp(np.sin(t) * np.cos(p) + 0.5 * np.cos(t))[..., None].astype(np.float32)
    out = eqx.filter_jit(layer)(jnp.asarray(smooth))
    assert out.dtype == jnp.float32
    np.testing.assert_allclose(out, smooth, atol=2e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: SphericalConv(1, 1, degree=-1, grid="gauss", key=k), "degree >= 0"),
        (
            lambda k: SphericalConv(1, 1, degree=5, grid="gauss", key=k)(jnp.ones((5, 12, 1))),
            "6 latitudes",
        ),
        (
            lambda k: SphericalConv(1, 1, degree=5, grid="gauss", key=k)(jnp.ones((8, 12, 2))),
            "in_channels=1",
        ),
        (lambda k: sphere_grid(0, 4), "positive sizes"),
        (lambda k: sphere_grid(1, 4, grid="equiangular"), "two rings"),
        (lambda k: sphere_grid(4, 4, grid="healpix"), "'cells'"),
        (lambda k: SphericalConv(1, 1, degree=5, grid="ring", key=k), "is unknown"),
        (
            lambda k: SphericalConv(1, 1, degree=5, grid="cells", key=k)(jnp.ones((6, 12, 1))),
            "7 latitudes",
        ),
        (
            lambda k: FNO(1, 1, width=1, modes=2, depth=1, grid="cells", key=k),
            "belongs to basis='sphere'",
        ),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises(ValueError, match=message):
        call(key)
