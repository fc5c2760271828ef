"""Flows on the sphere: published test cases, an exact wave, conservation, and the data."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import Sphere, data, sphere_grid

RADIUS, GRAVITY, ROTATION, DAY = 6.37122e6, 9.80616, 7.292e-5, 86400.0


def shallow(sphere, depth, time, steps, **options):
    solve = partial(data.solve_shallow_water_sphere, sphere=sphere, depth=depth, time=time)
    return jax.jit(partial(solve, steps=steps, **options))


def mean_of(field, sphere):
    return float(sphere.analysis(jnp.asarray(field)[..., None])[0, 0, 0] / np.sqrt(4 * np.pi))


def at_rest(h, vorticity):
    """Fields without divergence."""
    return jnp.asarray(np.stack(np.broadcast_arrays(h, vorticity, 0.0), -1))


def test_williamson_2_is_steady():
    """Solid rotation in balance, for five days: errors of rounding alone."""
    sphere = Sphere(16, 32, radius=RADIUS)
    z = np.cos(sphere.colatitude)[:, None] * np.ones(32)
    speed = 2 * np.pi * RADIUS / (12 * DAY)
    h = (2.94e4 - (RADIUS * ROTATION * speed + speed**2 / 2) * z**2) / GRAVITY
    vorticity, depth = 2 * speed / RADIUS * z, mean_of(h, sphere)
    balanced = data.balanced_height(jnp.asarray(vorticity), sphere=sphere, depth=depth)
    np.testing.assert_allclose(balanced, h, rtol=1e-13)
    start = at_rest(h, vorticity)
    end = shallow(sphere, depth, 5 * DAY, 120)(start)
    np.testing.assert_allclose(end[..., 0], h, rtol=1e-13)
    np.testing.assert_allclose(end[..., 1], vorticity, atol=1e-12 * np.max(vorticity))
    np.testing.assert_allclose(end[..., 2], 0, atol=1e-12 * np.max(vorticity))


def rossby_haurwitz(sphere):
    """Williamson's case 6: wave number 4, its depth and vorticity as published."""
    w = k = 7.848e-6
    c, z = np.sin(sphere.colatitude)[:, None], np.cos(sphere.colatitude)[:, None]
    east = 2 * np.pi * np.arange(sphere.longitudes) / sphere.longitudes
    vorticity = 2 * w * z - 30 * k * z * c**4 * np.cos(4 * east)
    a = w / 2 * (2 * ROTATION + w) * c**2 + k**2 / 4 * c**8 * (5 * c**2 + 26 - 32 / c**2)
    b = (ROTATION + w) * k / 15 * c**4 * (26 - 25 * c**2)
    d = k**2 / 4 * c**8 * (5 * c**2 - 6)
    wave = a + b * np.cos(4 * east) + d * np.cos(8 * east)
    return 8000 + RADIUS**2 / GRAVITY * wave, vorticity


def energy_and_mass(fields, sphere):
    weights = sphere_grid(sphere.latitudes, sphere.longitudes)[2]
    v = sphere.wind(fields[..., 1:2], fields[..., 2:])[..., 0, :]
    h = fields[..., 0]
    density = h * jnp.sum(v**2, -1) / 2 + GRAVITY * h**2 / 2
    return float(jnp.sum(weights * density)), float(jnp.sum(weights * h))


def test_williamson_6_drifts_eastward_and_conserves():
    sphere = Sphere(32, 64, radius=RADIUS)
    h, vorticity = rossby_haurwitz(sphere)
    depth, start = mean_of(h, sphere), at_rest(h, vorticity)
    balanced = data.balanced_height(jnp.asarray(vorticity), sphere=sphere, depth=depth)
    np.testing.assert_allclose(balanced, h, rtol=1e-12)  # the published height is the balanced one
    week = shallow(sphere, depth, 7 * DAY, 7 * 72)(start)
    before, after = energy_and_mass(start, sphere), energy_and_mass(week, sphere)
    assert abs(after[0] / before[0] - 1) < 5e-7
    assert abs(after[1] / before[1] - 1) < 1e-13
    # The wave of a flow without divergence moves by 12.2° a day; that of shallow water more slowly.
    east = np.exp(4j * 2 * np.pi * np.arange(64) / 64)
    angle = lambda f: np.angle(np.asarray(f[10, :, 0]) @ east)  # noqa: E731
    turned = np.rad2deg(np.unwrap([angle(start), angle(week)])) / 4
    drift = (turned[1] - turned[0]) % 90 / 7
    assert 10.5 < drift < 12.2
    # Still four equal waves, whose height stays within the published 8,000 to 10,600 m.
    np.testing.assert_allclose(week, jnp.roll(week, 16, 1), rtol=1e-8, atol=1e-12)
    assert float(week[..., 0].min()) > 8000 and float(week[..., 0].max()) < 10600


def test_fourth_order_in_time():
    sphere = Sphere(16, 32, radius=RADIUS)
    h, vorticity = rossby_haurwitz(sphere)
    start, depth = at_rest(h, vorticity), mean_of(h, sphere)
    ends = [shallow(sphere, depth, DAY / 2, n)(start)[..., 0] for n in (12, 24, 48)]
    errors = [float(jnp.linalg.norm(end - ends[2])) for end in ends[:2]]
    assert 14 < errors[0] / errors[1] < 20  # 16 (1 - 1/256) / (1 - 1/16) = 17


def test_gravity_waves_are_exact_in_time():
    """A small bump without rotation oscillates with ω² = l(l + 1) g H / r², in one step."""
    sphere = Sphere(8, 16, radius=RADIUS)
    z = np.cos(sphere.colatitude)[:, None] * np.ones(16)
    bump = 1e-4 * (1.5 * z**2 - 0.5)
    time, frequency = 5e4, np.sqrt(6 * GRAVITY * 5000) / RADIUS
    end = shallow(sphere, 5000.0, time, 1, rotation=0.0)(at_rest(5000 + bump, 0 * z))
    expected = bump * np.cos(frequency * time)
    np.testing.assert_allclose(end[..., 0] - 5000, expected, atol=3e-11)  # rounding at 5000


def test_a_lake_over_a_mountain_is_at_rest():
    sphere = Sphere(16, 32, radius=RADIUS)
    smooth = np.exp(2 * np.cos(sphere.colatitude)[:, None] * np.ones(32))
    mountain = sphere.synthesis(sphere.analysis(jnp.asarray(200 * smooth)[..., None]))[..., 0]
    lake = data.balanced_height(0 * mountain, sphere=sphere, depth=5000.0, mountain=mountain)
    end = shallow(sphere, 5000.0, DAY, 24, mountain=mountain)(at_rest(lake, 0.0))
    np.testing.assert_allclose(end[..., 0], lake, rtol=1e-12)
    np.testing.assert_allclose(end[..., 1:], 0, atol=1e-17)


def jet(sphere):
    """The jet of Galewsky, Scott and Polvani: its vorticity, and where it is disturbed."""
    latitude = np.pi / 2 - sphere.colatitude
    south, north = np.pi / 7, np.pi / 2 - np.pi / 7
    inside = (latitude > south) & (latitude < north)
    bump = np.where(inside, (latitude - south) * (latitude - north), -1)
    u = np.where(inside, 80 * np.exp(4 / (north - south) ** 2 + 1 / bump), 0)
    wind = np.stack([u, 0 * u], -1)[:, None, None] * np.ones((sphere.longitudes, 1, 1))
    east = 2 * np.pi * np.arange(sphere.longitudes) / sphere.longitudes - np.pi
    disturbed = np.cos(latitude) * np.exp(-((15 * (np.pi / 4 - latitude)) ** 2))
    return sphere.vorticity(jnp.asarray(wind))[..., 0], np.outer(
        120 * disturbed, np.exp(-((3 * east) ** 2))
    )


@pytest.mark.slow
def test_a_jet_is_steady_until_it_is_disturbed():
    """Galewsky, Scott and Polvani, Tellus A 56 (2004): six days at degree 42."""
    sphere = Sphere(64, 128, radius=RADIUS)
    vorticity, bump = jet(sphere)
    h = data.balanced_height(vorticity, sphere=sphere, depth=1e4)
    run = shallow(sphere, 1e4, 6 * DAY, 6 * 72)
    calm = run(at_rest(h, vorticity))
    np.testing.assert_allclose(calm[..., 0], h, rtol=1e-10)
    rolled = run(at_rest(h + bump, vorticity))
    waves = lambda f: float(jnp.std(f[..., 1] - f[..., 1].mean(1, keepdims=True)))  # noqa: E731
    assert waves(calm) < 1e-9 * waves(rolled)
    assert waves(rolled) > 1e-5 and 1e-4 < float(rolled[..., 1].max()) < 2e-4


def test_a_tracer_is_carried_and_waves_move_westward():
    """ψ = Y of degree l drifts by -2Ω/(l(l + 1)): exact for flow without divergence."""
    sphere = Sphere(16, 32, radius=RADIUS)
    east = 2 * np.pi * np.arange(32) / 32
    c, z = np.sin(sphere.colatitude)[:, None], np.cos(sphere.colatitude)[:, None]
    wave = lambda t: 1e-5 * z * c**4 * np.cos(4 * (east + 2 * ROTATION / 30 * t))  # noqa: E731
    time = 2 * DAY
    start = jnp.asarray(np.stack(np.broadcast_arrays(wave(0), 7.0), -1))
    solve = partial(data.solve_barotropic_sphere, sphere=sphere, time=time, steps=96)
    end = jax.jit(solve)(start)
    np.testing.assert_allclose(end[..., 0], wave(time), atol=2e-13)
    np.testing.assert_allclose(end[..., 1], 7.0, rtol=1e-13)  # a constant tracer stays
    # Solid rotation turns the tracer by itself.
    speed = 2 * np.pi / (10 * DAY)
    turn = np.broadcast_arrays(2 * speed * z, c**3 * np.cos(3 * east))
    solve = partial(data.solve_barotropic_sphere, sphere=sphere, time=DAY, steps=48)
    end = jax.jit(solve)(jnp.asarray(np.stack(turn, -1)))
    np.testing.assert_allclose(end[..., 1], c**3 * np.cos(3 * (east - speed * DAY)), atol=1e-7)


@pytest.mark.parametrize("make", [data.shallow_water_sphere, data.barotropic_sphere])
def test_data_are_functions_of_a_key(make, key):
    """The larger set starts with the smaller one, and each state leads to the next."""
    options = {"degree": 7, "settle": 7200.0, "interval": 7200.0, "times": 2}
    two = jax.jit(partial(make, n=2, latitudes=12, longitudes=24, **options))(key)
    one = make(key, 1, 12, 24, **options)
    np.testing.assert_allclose(one[0], two[0], rtol=1e-9, atol=1e-15)
    assert two.shape == (2, 3, 12, 24, 3) and bool(jnp.all(jnp.isfinite(two)))
    sphere = Sphere(12, 24, degree=7, radius=RADIUS)
    if make is data.shallow_water_sphere:
        solve = partial(data.solve_shallow_water_sphere, depth=8000.0, steps=4)
        fields = two[0]
    else:
        solve = partial(data.solve_barotropic_sphere, steps=2)
        fields = two[0, ..., 1:]
        stream = sphere.inverse_laplacian(fields[0, ..., :1])[..., 0]
        np.testing.assert_allclose(two[0, 0, ..., 0], stream, rtol=1e-9)
    step = jax.jit(partial(solve, sphere=sphere, time=7200.0, damping=1e-4))
    np.testing.assert_allclose(step(fields[0]), fields[1], rtol=1e-8, atol=1e-13)


def test_data_are_the_same_fields_on_every_grid(key):
    options = {"degree": 5, "settle": 3600.0, "interval": 3600.0, "times": 1}
    spheres = [Sphere(n, 16, degree=5, grid=g) for g, n in (("gauss", 8), ("equiangular", 9))]
    coefficients = [
        s.analysis(data.shallow_water_sphere(key, 1, s.latitudes, 16, grid=s.grid, **options)[0, 1])
        for s in spheres
    ]
    np.testing.assert_allclose(*coefficients, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda s: data.solve_shallow_water_sphere(
                jnp.ones((16, 8, 3)), sphere=s, depth=1.0, time=1.0, steps=1
            ),
            "depth, vorticity and divergence",
        ),
        (
            lambda s: data.solve_shallow_water_sphere(
                jnp.ones((8, 16, 3)), sphere=s, depth=0.0, time=1.0, steps=1
            ),
            "positive depth",
        ),
        (
            lambda s: data.solve_barotropic_sphere(
                jnp.ones((8, 16, 3)), sphere=s, time=1.0, steps=1
            ),
            "vorticity and tracer",
        ),
        (
            lambda s: data.solve_barotropic_sphere(
                jnp.ones((8, 16, 2)), sphere=s, time=1.0, steps=0
            ),
            "positive time and steps",
        ),
        (
            lambda s: data.shallow_water_sphere(jax.random.key(0), 1, 8, 16, depth=-1.0),
            "positive depth",
        ),
        (lambda s: data.barotropic_sphere(jax.random.key(0), 1, 8, 16, times=0), "times and step"),
        (lambda s: data.shallow_water_sphere(jax.random.key(0), 1, 8, 16), "22"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(Sphere(8, 16))


SMALL = {"depth": 5000.0, "time": 60.0, "steps": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 1.5}, "steps=1.5"),  # was one step of two thirds of the time
        ({"time": np.nan}, "time=nan"),
        ({"time": np.inf}, "time=inf"),
        ({"depth": np.inf}, "depth=inf"),
        ({"gravity": -1.0}, "gravity=-1.0"),
        ({"damping": np.inf}, "damping=inf"),
        ({"mountain": jnp.ones(8)}, r"mountain .* got \(8,\)"),  # was a function of longitude
    ],
)
def test_what_gave_wrong_waters_is_refused(options, message):
    start = jnp.zeros((4, 8, 3))
    with pytest.raises(ValueError, match=message):
        data.solve_shallow_water_sphere(start, sphere=Sphere(4, 8), **(SMALL | options))


def test_a_mountain_keeps_the_precision_of_the_fields():
    start = jnp.zeros((4, 8, 3), jnp.float32).at[..., 0].set(5000)
    hill = jnp.full((4, 8), 10.0)
    options = {"sphere": Sphere(4, 8, radius=RADIUS), "mountain": hill}
    end = data.solve_shallow_water_sphere(start, **SMALL, **options)
    assert end.dtype == jnp.float32
    np.testing.assert_allclose(end, start, atol=1e-2)  # a plateau moves nothing
    height = data.balanced_height(start[..., 1], depth=5000.0, **options)
    assert height.dtype == jnp.float32


@pytest.mark.parametrize("make", [data.shallow_water_sphere, data.barotropic_sphere])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eddies": np.nan}, "eddies=nan"),
        ({"times": 1.5}, "times=1.5"),
        ({"settle": np.inf}, "settle=inf"),
        ({"degree": 1}, "degree=1"),  # no eddy is as large
    ],
)
def test_data_of_no_numbers_are_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(jax.random.key(0), 1, 4, 8, **({"degree": 2} | options))


def test_a_flow_that_needs_negative_depths_is_nan():
    options = {"degree": 2, "settle": 60.0, "interval": 60.0, "step": 60.0, "times": 1}
    states = data.shallow_water_sphere(jax.random.key(0), 1, 4, 8, depth=10.0, **options)
    assert np.isnan(states[..., 0]).all()
