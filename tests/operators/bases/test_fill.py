"""Fields over land: what is continued, and that land has no influence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import Basis, basis_points, fill, sphere_grid, spherical_harmonics


def disk(grid, centre, radius):
    """Zero within a disk, one outside, for points i/N."""
    x = np.stack(np.meshgrid(*[np.arange(n) / n for n in grid], indexing="ij"), -1)
    return jnp.asarray((np.linalg.norm(x - np.asarray(centre), axis=-1) > radius).astype(float))


def test_a_field_of_few_waves_is_found_again():
    """Fourier along one axis, Chebyshev along the other; NaN in the hole."""
    x, y = np.arange(16) / 16, basis_points("chebyshev", 12)
    truth = jnp.asarray(np.outer(np.sin(2 * np.pi * x), 1 + y**2))[..., None]
    sea = disk((16, 12), (0.5, 0.5), 0.2)
    options = {"modes": (2, 3), "basis": ("fourier", "chebyshev"), "ridge": 1e-12}
    found = fill(jnp.where(sea[..., None] == 0, jnp.nan, truth), sea, **options)
    np.testing.assert_allclose(found, truth, atol=1e-9)


def test_a_continent_on_the_sphere():
    theta, phi, area = sphere_grid(12, 24, grid="cells")
    t, p = (v.ravel() for v in np.meshgrid(theta, phi, indexing="ij"))
    harmonics = spherical_harmonics(jnp.asarray(t), jnp.asarray(p), degree=3)
    truth = (harmonics @ jax.random.normal(jax.random.key(0), (16, 1))).reshape(12, 24, 1)
    sea = jnp.asarray(area).at[4:8, 5:12].set(0)
    field = jnp.where(sea[..., None] == 0, jnp.nan, truth)
    found = fill(field, sea, modes=3, basis="sphere", grid="cells", ridge=1e-12)
    np.testing.assert_allclose(found, truth, atol=1e-9)


def test_land_has_no_influence_and_the_sea_stays(key):
    a = jax.random.normal(key, (12, 2))
    sea = jnp.ones(12).at[3:6].set(0)
    f = jax.jit(lambda a: fill(a, sea, modes=3))
    np.testing.assert_allclose(f(a)[sea > 0], a[sea > 0], rtol=0)
    np.testing.assert_allclose(f(a.at[4].set(9.0)), f(a), rtol=0)
    slope = jax.jacobian(f)(a.at[4].set(jnp.nan))
    assert jnp.all(jnp.isfinite(slope)) and not jnp.any(slope[..., 3:6, :])
    # A hole wider than the waves: bounded by the ridge, not by luck.
    assert jnp.max(jnp.abs(fill(a, jnp.ones(12).at[2:10].set(0), modes=5))) < 100


def test_float32_has_the_digits_of_float32():
    """Normal equations in float32 left an error of 3e-3 in this hole, of 14 points out of 64."""
    x = np.arange(64) / 64
    truth = jnp.asarray(np.exp(np.sin(2 * np.pi * x)), jnp.float32)[:, None]
    sea = jnp.ones(64, jnp.float32).at[20:34].set(0)
    found = fill(truth * sea[:, None], sea, modes=8, ridge=1e-10)
    np.testing.assert_allclose(found, truth, atol=3e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fill(jnp.ones((8, 1)), jnp.ones(7), modes=2), "one weight for each point"),
        (lambda: fill(jnp.ones((8, 1)), jnp.zeros(8), modes=2), "known nowhere"),
        (lambda: fill(jnp.full((8, 1), jnp.nan), jnp.ones(8), modes=2), r"a\[0, 0\] is nan"),
        (lambda: fill(jnp.ones((8, 1)), jnp.ones(8), modes=2, ridge=-1.0), "ridge >= 0"),
        (lambda: fill(jnp.ones((8, 1)), jnp.ones(8), modes=5), "above the limit of this grid"),
        (lambda: fill(jnp.ones((8, 1)), jnp.ones(8), modes=(1, 1)), "those of 2 axes"),
        (
            lambda: fill(jnp.ones((8, 1)), jnp.ones(8), modes=2, basis=_unknown()),
            "knows the functions",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def _unknown():
    class Nothing(Basis):
        def conv(self, in_channels, out_channels, *, modes, key):
            raise NotImplementedError

        def position(self, grid, dtype):
            raise NotImplementedError

    return Nothing()


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weights_that_are_none_are_refused(weight):
    with pytest.raises(ValueError, match="finite and >= 0"):
        fill(jnp.ones((8, 1)), jnp.ones(8).at[0].set(weight), modes=1)


def test_without_a_known_point_the_field_is_nan_under_jit():
    """It was the input as it came."""
    filled = jax.jit(lambda w: fill(jnp.ones((8, 1)), w, modes=1))
    assert np.isnan(filled(jnp.zeros(8))).all()
