"""Metrics against the formulas of The Well, PDEBench and WeatherBench, written again in NumPy."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from jaxsci.operators import metrics

RNG = np.random.default_rng(0)
P, U = RNG.standard_normal((2, 12, 10, 2))
WEIGHTS = RNG.uniform(0.5, 2, (12, 10))
LATITUDE = np.linspace(-80, 80, 12)
GAUSS = np.polynomial.legendre.leggauss(9)[0]
PER_POINT = [metrics.nrmse, metrics.vrmse, metrics.conservation_error]


def channels(formula, *fields):
    """`formula` of each channel as a flat array."""
    return np.array([formula(*(np.asarray(f)[..., c].ravel() for f in fields)) for c in range(2)])


def test_nrmse_and_vrmse_are_those_of_the_well():
    mse = lambda p, u: np.mean((p - u) ** 2)  # noqa: E731
    expected = channels(lambda p, u: np.sqrt(mse(p, u) / (np.mean(u**2) + 1e-7)), P, U)
    np.testing.assert_allclose(metrics.nrmse(P, U), expected, rtol=1e-13)
    expected = channels(lambda p, u: np.sqrt(mse(p, u) / (np.var(u, ddof=1) + 1e-7)), P, U)
    np.testing.assert_allclose(metrics.vrmse(P, U), expected, rtol=1e-13)


def test_nrmse_without_epsilon_is_that_of_pdebench():
    expected = channels(lambda p, u: np.linalg.norm(p - u) / np.linalg.norm(u), P, U)
    np.testing.assert_allclose(metrics.nrmse(P, U, epsilon=0), expected, rtol=1e-13)


def test_spectral_error_is_the_binned_one_of_the_well():
    """Its three default bands, one wave after the other."""
    edges = np.logspace(np.log10(2 * np.pi / 12), np.log10(np.pi * np.sqrt(2) + 1e-6), 4)
    edges[0] = 0
    expected = np.zeros((2, 3, 2))
    for i, kx in enumerate(2 * np.pi * np.fft.fftfreq(12)):
        for j, ky in enumerate(2 * np.pi * np.fft.fftfreq(10)):
            b = np.searchsorted(edges, np.hypot(kx, ky), side="right") - 1
            for row, v in enumerate((P - U, U)):
                expected[row, b] += abs(np.fft.fftn(v, axes=(0, 1))[i, j]) ** 2 / 120**2
    total = metrics.spectral_error(P, U, relative=False)
    np.testing.assert_allclose(total, expected[0], rtol=1e-11)
    np.testing.assert_allclose(total.sum(0), np.mean((P - U) ** 2, (0, 1)), rtol=1e-12)
    relative = expected[0] / (expected[1] + 1e-7)
    np.testing.assert_allclose(metrics.spectral_error(P, U), relative, rtol=1e-11)


def test_bands_of_ones_own():
    x = 2 * np.pi * np.arange(16)[:, None] / 16
    error = metrics.spectral_error(
        np.sin(x) + np.sin(5 * x), np.sin(x), edges=(0, 1, 3), relative=False
    )
    np.testing.assert_allclose(error[:, 0], [0, 0.5], atol=1e-14)


def test_boundary_and_conservation_errors_are_those_of_pdebench():
    def at_the_boundary(p, u):
        e = ((p - u) ** 2).reshape(12, 10)
        faces = e[0].sum() + e[-1].sum() + e[:, 0].sum() + e[:, -1].sum()
        return np.sqrt(faces / (2 * 12 + 2 * 10))

    np.testing.assert_allclose(
        metrics.boundary_error(P, U), channels(at_the_boundary, P, U), rtol=1e-13
    )
    expected = channels(lambda p, u: abs(p.sum() - u.sum()) / 120, P, U)
    np.testing.assert_allclose(metrics.conservation_error(P, U), expected, rtol=1e-12)


@pytest.mark.parametrize("metric", PER_POINT)
def test_weights_are_quadrature_weights(metric):
    """A point of weight two is two points, and one of weight zero is none, NaN or not."""
    p, u, repeats = P[:6, 0], U[:6, 0], np.array([1, 2, 1, 1, 2, 1])
    weights = np.append(repeats, 0.0)
    p0, u0 = np.append(p, [[np.nan, 1]], 0), np.append(u, [[1, np.nan]], 0)
    got = metric(p0, u0, weights=weights)
    twice = np.repeat(p, repeats, 0), np.repeat(u, repeats, 0)
    unbiased = np.sqrt((7 / 8) / (5 / 6)) if metric is metrics.vrmse else 1  # of 6 points, not 8
    np.testing.assert_allclose(got * unbiased, metric(*twice), rtol=1e-6)


def test_latitude_weights_are_the_areas_of_cells():
    bounds = np.deg2rad([-90, *(LATITUDE[1:] + LATITUDE[:-1]) / 2, 90])
    areas = np.diff(np.sin(bounds))
    weights = metrics.latitude_weights(LATITUDE)
    np.testing.assert_allclose(weights, areas / areas.mean(), rtol=1e-13)
    np.testing.assert_allclose(metrics.latitude_weights(LATITUDE[::-1]), weights[::-1], rtol=1e-13)


def test_latitude_weights_of_a_region_end_half_a_spacing_beyond_it():
    """A strip along the equator is no grid in radians, though its numbers are as small."""
    region = np.arange(30.0, 61, 5)
    bounds = np.deg2rad(np.arange(27.5, 63, 5))
    areas = np.diff(np.sin(bounds))
    np.testing.assert_allclose(metrics.latitude_weights(region), areas / areas.mean(), rtol=1e-13)
    with pytest.warns(UserWarning, match="taken as a strip along the equator"):
        strip = metrics.latitude_weights(np.arange(-1.5, 1.6, 0.25))
    np.testing.assert_allclose(strip, 1, atol=1e-3)  # cos 1.5 degrees is 0.9997
    with pytest.warns(UserWarning, match="in radians, give np.rad2deg"):
        metrics.latitude_weights(np.deg2rad(LATITUDE))
    with pytest.warns(UserWarning, match="in radians, give np.rad2deg"):
        metrics.latitude_weights(np.deg2rad(region))
    with pytest.raises(ValueError, match="two or more values"):
        metrics.latitude_weights(np.array([30.0]))


def test_gauss_latitudes_have_their_weights():
    """The cells of a Gauss grid, poles included, to the second order of its spacing."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    found = metrics.latitude_weights(np.rad2deg(np.arcsin(nodes)))
    assert abs(found / found.sum() * 2 - weights).max() < 0.1 * weights.max()
    assert found.sum() == pytest.approx(60)


def test_rmse_and_acc_are_those_of_weatherbench():
    areas = np.repeat(metrics.latitude_weights(LATITUDE), 10)
    mean = lambda v: np.sum(areas * v) / np.sum(areas)  # noqa: E731
    expected = channels(lambda p, u: np.sqrt(mean((p - u) ** 2)), P, U)
    np.testing.assert_allclose(metrics.latitude_weighted_rmse(P, U, LATITUDE), expected, rtol=1e-13)

    climate = RNG.standard_normal(U.shape)

    def correlation(p, u, c):
        p, u = p - c, u - c
        return mean(p * u) / np.sqrt(mean(p**2) * mean(u**2))

    expected = channels(correlation, P, U, climate)
    np.testing.assert_allclose(metrics.acc(P, U, climate, LATITUDE), expected, rtol=1e-12)


def test_land_does_not_count():
    ocean = (RNG.uniform(size=(12, 10)) > 0.3).astype(float)
    dry = np.where(ocean[..., None] == 0, np.nan, U)
    assert np.isfinite(metrics.acc(P, dry, 0 * U, LATITUDE, weights=ocean)).all()
    got = metrics.latitude_weighted_rmse(P, dry, LATITUDE, weights=ocean)
    areas = metrics.latitude_weights(LATITUDE)[:, None] * ocean
    expected = channels(
        lambda p, u: np.sqrt(np.sum(areas.ravel() * (p - u) ** 2) / areas.sum()), P, U
    )
    np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_crps_is_that_of_weatherbench():
    ensemble = RNG.standard_normal((5, *U.shape))

    def score(u, *members):
        x = np.stack(members)
        spread = np.abs(x[:, None] - x[None]).sum((0, 1)) / (2 * 5 * 4)
        return np.mean(np.abs(x - u).mean(0) - spread)

    np.testing.assert_allclose(metrics.crps(ensemble, U), channels(score, U, *ensemble), rtol=1e-12)
    one = metrics.crps(ensemble[:1], U)
    np.testing.assert_allclose(one, np.abs(ensemble[0] - U).mean((0, 1)), rtol=1e-13)


def test_correlation_time_ends_at_the_first_gap():
    """Against Pearson's coefficient of NumPy; what correlates again later does not count."""
    truth = RNG.standard_normal((4, 12, 10, 1))
    forecast = truth + RNG.standard_normal(truth.shape) * np.array([0.1, 0.3, 3, 0]).reshape(
        4, 1, 1, 1
    )
    r = [np.corrcoef(p.ravel(), u.ravel())[0, 1] for p, u in zip(forecast, truth, strict=True)]
    assert min(r[0], r[1], r[3]) > 0.8 > r[2]
    np.testing.assert_allclose(metrics.correlation_time(forecast, truth, time_step=0.5), [1.0])
    close = dict(time_step=0.5, threshold=0.5 * (r[0] + r[1]))
    np.testing.assert_allclose(metrics.correlation_time(forecast, truth, **close), [0.5])
    np.testing.assert_allclose(metrics.correlation_time(truth, truth), [4.0])
    np.testing.assert_allclose(metrics.correlation_time(-truth, truth), [0.0])


def test_a_forecast_that_blows_up_or_is_constant_does_not_correlate():
    truth = RNG.standard_normal((3, 12, 1))
    blown_up = truth.copy()
    blown_up[1:] = np.inf
    assert metrics.correlation_time(blown_up, truth) == 1
    assert np.isnan(metrics.correlation_time(truth, blown_up))
    assert metrics.correlation_time(0 * truth, truth) == 0
    tiny = metrics.correlation_time(1e-200 * truth, 1e-200 * truth)
    assert tiny == 3


def test_zero_targets_have_a_finite_error_in_units_of_epsilon():
    zero, one = np.zeros((8, 1)), np.ones((8, 1))
    for metric in (metrics.nrmse, metrics.vrmse):
        np.testing.assert_allclose(metric(one, zero), 1e-7**-0.5, rtol=1e-12)
    assert np.isinf(metrics.nrmse(one, zero, epsilon=0))


def test_batches_by_vmap_under_jit_in_float32():
    batch = jnp.asarray(np.stack([U, P]), jnp.float32)
    got = jax.jit(jax.vmap(metrics.vrmse))(batch[::-1], batch)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got[0], metrics.vrmse(P, U), rtol=1e-5)


def test_integers_are_refused_as_their_differences_wrap_around(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # which would refuse them too
    with pytest.raises(TypeError, match=r"takes fields of floats, got uint8"):
        metrics.nrmse(np.zeros((4, 1), np.uint8), np.ones((4, 1), np.uint8))


def test_weights_of_a_large_grid_in_half_precision():
    """Their sum, 90000, is beyond float16."""
    field = jnp.ones((300, 300, 1), jnp.float16)
    error = metrics.conservation_error(1.5 * field, field, weights=np.ones((300, 300)))
    assert error.dtype == jnp.float16
    np.testing.assert_allclose(error, 0.5, rtol=1e-3)


def test_gradients_are_finite_where_masked_points_have_no_values():
    ocean = np.array([1.0, 0.0, 1.0])
    target, forecast = np.array([[1.0], [np.nan], [2.0]]), np.array([[2.0], [0.0], [2.0]])
    slope = jax.grad(lambda p: metrics.nrmse(p, target, weights=ocean, epsilon=0)[0])(forecast)
    np.testing.assert_allclose(slope[:, 0], [5**-0.5, 0, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.nrmse(P[:3], U), "on one grid"),
        (lambda: metrics.nrmse(P, U, weights=WEIGHTS[:3]), "one weight for each point"),
        (lambda: metrics.nrmse(P, U, weights=-WEIGHTS), "finite and >= 0"),
        (
            lambda: metrics.latitude_weighted_rmse(
                jnp.ones((4, 8, 1)), jnp.ones((4, 8, 1)), jnp.linspace(-jnp.pi / 2, jnp.pi / 2, 4)
            ),
            "global grid in radians",
        ),
        (lambda: metrics.latitude_weights(np.arcsin(GAUSS)), "global grid in radians"),
        (
            lambda: metrics.latitude_weights(np.pi * (np.arange(9) - 4) / 9),
            "global grid in radians",
        ),
        (lambda: metrics.vrmse(P, U, epsilon=-1), "epsilon >= 0"),
        (lambda: metrics.spectral_error(P, U, edges=(0, 1, 1)), "that rise"),
        (lambda: metrics.spectral_error(P, U, edges=(0.1, 0.2)), "has no waves"),
        (lambda: metrics.latitude_weights(np.array([0.0, 91])), "between -90 and 90"),
        (lambda: metrics.latitude_weights(np.array([0.0, 2, 1])), "rising or falling"),
        (lambda: metrics.acc(P, U, U, LATITUDE[:5]), "here 5 latitudes"),
        (lambda: metrics.crps(P[..., 0], U), "members"),
        (lambda: metrics.correlation_time(P, U, threshold=1.2), "between -1 and 1"),
        (lambda: metrics.correlation_time(P[:2], U), "two trajectories"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_perfect_forecast_has_no_slope_rather_than_one_that_is_no_number():
    u = jax.random.normal(jax.random.key(0), (5, 8, 1))
    latitude = np.linspace(-90, 90, 5)
    for score in (
        metrics.nrmse,
        metrics.vrmse,
        metrics.boundary_error,
        lambda p, u: metrics.latitude_weighted_rmse(p, u, latitude),
    ):
        slope = jax.grad(lambda p, score=score: jnp.sum(score(p, u)))
        np.testing.assert_array_equal(slope(u), 0)
        assert jnp.all(jnp.isfinite(slope(u + 0.1)))
