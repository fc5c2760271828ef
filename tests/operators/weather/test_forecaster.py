"""Forecasts of any variables: their order, their grids, rotations, lead times, and a tracer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.operators import Forecaster, Sphere, VariableTokens

NAMES = ("height", "vorticity", "tracer")


@pytest.fixture(scope="module")
def model():
    key = jax.random.key(0)
    return Forecaster(NAMES, width=4, degree=3, depth=2, leads=(6, 72), heads=2, key=key)


def fields(grid, rings, longitudes=16):
    """Three fields of degree two at most, on any grid."""
    sphere = Sphere(rings, longitudes, degree=2, grid=grid)
    coefficients = jax.random.normal(jax.random.key(1), (5, 3, 3))
    kept = np.arange(3) >= np.r_[0:3, 1:3][:, None]
    return sphere.synthesis(coefficients * jnp.asarray(kept)[..., None])


def test_permuted_variables_give_permuted_forecasts(model):
    a = fields("gauss", 8)
    straight = model(a, NAMES, 24.0, "gauss")
    order = [2, 0, 1]
    permuted = model(a[..., order], [NAMES[i] for i in order], 24.0, "gauss")
    np.testing.assert_allclose(permuted, straight[..., order], atol=1e-13)
    assert model(a[..., :1], "tracer", 24.0, "gauss").shape == (8, 16, 1)


def test_the_same_operator_on_every_grid(model):
    """On fine grids: coefficients of the forecast, by a common projection."""

    def projected(grid, rings):
        out = model(fields(grid, rings, 48), NAMES, 24.0, grid)
        return Sphere(rings, 48, degree=2, grid=grid).analysis(out)

    reference = projected("gauss", 24)
    for grid in ("cells", "equiangular"):
        np.testing.assert_allclose(projected(grid, 25), reference, atol=1e-6)


def test_no_longitude_is_special(model):
    a = fields("gauss", 8)
    turned = model(jnp.roll(a, 5, 1), NAMES, 24.0, "gauss")
    np.testing.assert_allclose(turned, jnp.roll(model(a, NAMES, 24.0, "gauss"), 5, 1), atol=1e-12)


def test_lead_times(model):
    """Continuous within those of the data, refused or NaN outside them, the identity at zero."""
    a = fields("gauss", 8)
    forecast = jax.jit(lambda lead: model(a, NAMES, lead, "gauss"))
    np.testing.assert_allclose(forecast(30.0), model(a, NAMES, 30.0, "gauss"), atol=1e-12)
    assert bool(jnp.all(jnp.isnan(forecast(73.0)))) and bool(jnp.all(jnp.isnan(forecast(5.0))))
    with pytest.raises(ValueError, match="6 to 72; got 96.0"):
        model(a, NAMES, 96.0, "gauss")
    now = Forecaster(NAMES, width=2, degree=1, depth=1, leads=(0, 1), key=jax.random.key(0))
    np.testing.assert_array_equal(now(a, NAMES, 0.0, "gauss"), a)


@pytest.mark.slow
def test_learns_that_east_is_not_west():
    """A tracer in solid rotation, which zonal kernels and products of their fields cannot carry."""
    sphere = Sphere(8, 16, degree=3)
    kept = (np.arange(4) >= np.r_[0:4, 1:4][:, None])[..., None]
    parts = jax.random.normal(jax.random.key(1), (20, 7, 4, 1)) * jnp.asarray(kept)[None]
    a = jax.vmap(sphere.synthesis)(parts)
    u = jnp.roll(a, 2, 2)  # eastward by 45°
    model = Forecaster(("q",), width=8, degree=3, depth=2, leads=(1, 1), key=jax.random.key(2))
    f, params = jsci.pure(model, dtype=a.dtype)
    error = lambda p, s: jsci.operators.relative_l2(f(p, s[0], "q", 1.0, "gauss"), s[1])  # noqa: E731
    loss = jsci.objective({"data": error})
    adam = optax.adam(optax.cosine_decay_schedule(1e-2, 300))
    result = jsci.fit(loss, params, {"data": (a, u)}, adam, steps=300, progress=False)
    assert result.history["data"][-1] ** 0.5 < 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, a: m(a, ("height", "wind", "tracer"), 24.0, "gauss"), "made for the variables"),
        (lambda m, a: m(a, ("height", "height", "tracer"), 24.0, "gauss"), "each variable once"),
        (lambda m, a: m(a, ("height",), 24.0, "gauss"), "1 channels|in_channels=1"),
        (lambda m, a: m(a, NAMES, 24.0, "healpix"), "'cells'"),
        (lambda m, a: m(a[:, :6], NAMES, 24.0, "gauss"), "at least 4 latitudes and 7"),
        (
            lambda m, a: Forecaster(
                NAMES, width=4, degree=3, depth=1, leads=(9, 6), key=jax.random.key(0)
            ),
            "shortest <= longest",
        ),
        (
            lambda m, a: VariableTokens(NAMES, 5, degree=3, heads=2, key=jax.random.key(0)),
            "divide width",
        ),
        (
            lambda m, a: VariableTokens(("q", "q"), 4, degree=3, key=jax.random.key(0)),
            "each variable once",
        ),
    ],
)
def test_bad_input(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model, fields("gauss", 8))


def test_lead_times_are_single_and_finite(model):
    with pytest.raises(ValueError, match=r"one lead time, got shape \(2,\)"):
        model(fields("gauss", 8), NAMES, jnp.array([6.0, 12.0]), "gauss")
    with pytest.raises(ValueError, match="finite"):  # of which every lead time is a share of zero
        Forecaster(("q",), width=2, degree=1, depth=1, leads=(1, np.inf), key=jax.random.key(0))


def test_a_text_is_one_name():
    tokens = VariableTokens("wind", 2, degree=1, key=jax.random.key(0))
    assert tokens.variables == ("wind",)
