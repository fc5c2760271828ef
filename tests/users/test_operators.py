"""Reports by users of neural-operator packages, on `jaxsci.operators`."""

import itertools
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.operators import (
    FNO,
    GINO,
    GNO,
    DeepONet,
    SpectralConv,
    SphericalConv,
    Transformer,
    h1,
    normalise,
    relative_l2,
    spectral_derivative,
    sphere_grid,
    spherical_harmonics,
)
from jaxsci.operators.data import grf


def on_the_sphere(theta, phi, degree):
    t, p = np.meshgrid(theta, phi, indexing="ij")
    y = spherical_harmonics(jnp.asarray(t.ravel()), jnp.asarray(p.ravel()), degree=degree)
    return y.reshape(len(theta), len(phi), -1)


def identity_on_the_sphere(degree, grid=None):
    layer = SphericalConv(1, 1, degree=degree, grid=grid, key=jax.random.key(0))
    return eqx.tree_at(lambda l: l.weight, layer, jnp.ones_like(layer.weight))


def wave(n, k=1):
    return jnp.asarray(np.sin(2 * np.pi * k * np.arange(n) / n))[:, None]


@pytest.mark.report("GalacticDynamics/galax#836", "SHTOOLS/SHTOOLS#301")
@pytest.mark.parametrize("pole", [0.0, np.pi])
def test_harmonics_have_their_slope_at_the_poles(pole):
    """A function may rise along a meridian across a pole. Right: central differences."""
    phi = jnp.array([0.4])

    def at(theta):
        return spherical_harmonics(theta[None], phi, degree=8)[0]

    numeric = (at(jnp.asarray(pole + 1e-5)) - at(jnp.asarray(pole - 1e-5))) / 2e-5
    # Central differences miss h² l³/6, some 1e-8, of derivatives up to 8.
    np.testing.assert_allclose(jax.jacfwd(at)(jnp.asarray(pole)), numeric, atol=1e-7)
    np.testing.assert_allclose(jax.jacrev(at)(jnp.asarray(pole)), numeric, atol=1e-7)
    slope = jax.jacfwd(at)
    curved = (slope(jnp.asarray(pole + 1e-5)) - slope(jnp.asarray(pole - 1e-5))) / 2e-5
    np.testing.assert_allclose(jax.jacfwd(slope)(jnp.asarray(pole)), curved, atol=1e-6)


@pytest.mark.report("MarcCoru/locationencoder#1")
def test_harmonics_above_degree_thirty_are_numbers():
    """NaN from degree 30 to 50 on. Right: the addition theorem, Σ Y² = (L + 1)²/4π, in float32."""
    theta = jnp.asarray(np.r_[0.0, np.linspace(0.01, 3.1, 9), np.pi], jnp.float32)
    y = spherical_harmonics(theta, theta, degree=50)
    np.testing.assert_allclose(jnp.sum(y**2, 1), 51**2 / (4 * np.pi), rtol=1e-4)


@pytest.mark.report("NVIDIA/physicsnemo#2001", "NVIDIA/physicsnemo#1852")
def test_a_field_that_does_not_repeat_is_no_periodic_one():
    """Derivative of eˣ on i/64: wrong by up to 76 without a word. Right: a warning."""
    u = jnp.exp(jnp.arange(64) / 64)[:, None]
    with pytest.warns(UserWarning, match="does not continue smoothly"):
        spectral_derivative(u)


@pytest.mark.report("NVIDIA/torch-harmonics#265", "ai2cm/ace#144")
@pytest.mark.parametrize(("grid", "rings"), [("gauss", 32), ("equiangular", 33), ("cells", 32)])
@pytest.mark.parametrize("beyond", [False, True], ids=["n/2", "n-2"])
def test_regular_latitudes_are_as_exact_as_gauss_latitudes(grid, rings, beyond):
    """Weather archives have equal steps of latitude. Right: degrees below n/2 come back, and with
    least squares in place of quadrature those up to n - 2."""
    degree = rings - 2 if beyond else 15
    theta, phi, _ = sphere_grid(rings, 64, grid=grid)
    count = (degree + 1) ** 2
    field = on_the_sphere(theta, phi, degree) @ jax.random.normal(jax.random.key(1), (count, 1))
    np.testing.assert_allclose(identity_on_the_sphere(degree, grid)(field), field, atol=1e-12)


@pytest.mark.report("NVIDIA/torch-harmonics#265")
def test_a_grid_with_poles_is_not_taken_for_gauss_latitudes():
    """33 x 64 points with both poles were transformed as Gauss points, 13 % wrong. Refused."""
    theta, phi, _ = sphere_grid(33, 64, grid="equiangular")
    field = on_the_sphere(theta, phi, 8) @ jax.random.normal(jax.random.key(1), (81, 1))
    with pytest.raises(ValueError, match="'equiangular'"):
        identity_on_the_sphere(8)(field)
    with pytest.raises(ValueError, match="'equiangular'"):
        FNO(1, 1, width=2, modes=4, depth=1, basis="sphere", key=jax.random.key(0))


@pytest.mark.report("jaxsci")
def test_south_first_is_the_mirror_image():
    """WeatherBench begins at the south pole. Right: the layer commutes with the reflection."""
    layer = SphericalConv(1, 1, degree=6, grid="gauss", key=jax.random.key(0))
    a = jax.random.normal(jax.random.key(1), (8, 14, 1))
    np.testing.assert_allclose(layer(a[::-1]), layer(a)[::-1], atol=1e-12)


@pytest.mark.report(
    "google-deepmind/weathernext#145",
    "mercator-ocean/oceanbench#294",
    "luo-yining/CFDBench#3",
)
def test_land_is_no_error_of_the_sea():
    """The sea's temperature is NaN on land, of weight 0. Right: 0.1 for 10 % too much at sea."""
    weights = jnp.ones(16).at[3:6].set(0)
    sea = 2 + wave(16)
    target = sea.at[3:6].set(jnp.nan)
    np.testing.assert_allclose(relative_l2(1.1 * sea, target, weights=weights), 0.1, rtol=1e-12)
    slope = jax.grad(relative_l2)(1.1 * sea, target, weights=weights)
    assert jnp.all(jnp.isfinite(slope)) and not jnp.any(slope[3:6])
    assert jnp.isnan(relative_l2(sea, target))


@pytest.mark.report("jaxsci")
@pytest.mark.parametrize("loss", [relative_l2, h1])
def test_water_at_rest_does_not_ruin_the_batch(loss):
    """A target of zeros gave inf, and `fit` stopped. Right: the absolute error, or ‖p‖/floor."""
    u = jnp.stack([wave(16), jnp.zeros((16, 1))])
    p = jnp.stack([wave(16), jnp.full((16, 1), 0.02)])
    np.testing.assert_allclose(jax.vmap(loss)(p, u), [0, 0.02], rtol=1e-12)
    np.testing.assert_allclose(loss(p[1], u[1], floor=1e-3), 20, rtol=1e-12)
    objective = jsci.objective({"data": lambda p, s: loss(p * s[0], s[1])})
    result = jsci.fit(
        objective, jnp.asarray(0.5), {"data": (p, u)}, optax.sgd(0.1), steps=3, progress=False
    )
    assert np.all(np.isfinite(result.history["loss"]))


@pytest.mark.report("jaxsci")
@pytest.mark.parametrize("loss", [relative_l2, h1])
def test_a_field_that_has_died_out_has_a_finite_error(loss):
    """1e-30 of float32 is left. Right: ‖p‖/floor, where squares in units of 1e-30 overflowed."""
    p, u = jnp.ones((8, 1), jnp.float32), jnp.full((8, 1), 1e-30, jnp.float32)
    value, slope = jax.value_and_grad(loss)(p, u, floor=1e-3)
    np.testing.assert_allclose(value, 1000, rtol=1e-6)
    assert jnp.all(jnp.isfinite(slope))


@pytest.mark.report("jaxsci")
def test_floor_and_lengths_may_be_computed():
    """A floor or a length found inside jit ended in an error of tracers. Right: as outside."""
    p, u = wave(16), wave(16, 2)
    arguments = {"floor": jnp.asarray(3.0), "lengths": jnp.asarray(2.0)}
    right = h1(p, u, floor=3.0, lengths=2.0)
    np.testing.assert_allclose(jax.jit(h1)(p, u, **arguments), right, rtol=1e-14)
    np.testing.assert_allclose(h1(p, u, **arguments), right, rtol=1e-14)


@pytest.mark.report("jaxsci")
def test_h1_on_another_domain():
    """`measure` of other packages. Right: 0.1 √(1 + 3²)/√(1 + 1²) for sin x + 0.1 sin 3x, as the
    domain is [0, 2π]; with the length of 1 it was another number."""
    x = jnp.asarray(2 * np.pi * np.arange(512) / 512)[:, None]
    value = h1(jnp.sin(x) + 0.1 * jnp.sin(3 * x), jnp.sin(x), periodic=True, lengths=2 * np.pi)
    # Central differences of sin 3x: slope 3 (1 - (3h)²/6).
    np.testing.assert_allclose(value, 0.1 * np.sqrt(5), rtol=3e-4)


@pytest.mark.report(
    "neuraloperator/neuraloperator#128",
    "neuraloperator/neuraloperator#185",
    "neuraloperator/neuraloperator#263",
)
def test_each_axis_has_its_own_padding_and_basis():
    """`padding=(0, 0.25)` ended in a comparison of a tuple with a number. Right: along a periodic
    axis a shift of the input shifts the output, also beside an axis with ends."""
    make = partial(FNO, 1, 1, width=2, modes=(2, 2), depth=1, key=jax.random.key(0))
    for model in (make(padding=(0, 0.25)), make(basis=("fourier", "chebyshev"))):
        layer = model.convolutions[0]
        a = jax.random.normal(jax.random.key(1), (8, 6, 2))
        np.testing.assert_allclose(layer(jnp.roll(a, 1, 0)), jnp.roll(layer(a), 1, 0), atol=1e-13)
    with pytest.raises(ValueError, match="one for each of the 2 grid axes"):
        make(padding=(0, 0.25, 0))


@pytest.mark.report("jaxsci")
def test_numbers_of_numpy_are_numbers():
    """Sizes read from a file or a table. Right: as Python's; no fractions, and no tuples."""
    make = partial(FNO, 1, 1, width=2, depth=1, key=jax.random.key(0))
    layer = make(modes=np.int64(3), padding=np.float32(0.25))
    np.testing.assert_array_equal(layer(wave(16)), make(modes=3, padding=0.25)(wave(16)))
    assert make(modes=np.array([3, 2])).modes == (3, 2)
    box = partial(GINO, 1, 1, radius=0.4, width=2, depth=1, key=jax.random.key(0))
    plain = box(grid=(4, 4), modes=1)
    table = box(grid=np.array([4, 4]), modes=np.int64(1))
    assert jax.tree.structure(table) == jax.tree.structure(plain)
    assert identity_on_the_sphere(np.int64(2), "gauss").degree == 2
    assert grf(jax.random.key(0), np.int64(8), boundary="periodic").shape == (8,)
    with pytest.raises(TypeError, match="padding is a number"):
        make(modes=3, padding=("0.25",))
    with pytest.raises(ValueError, match="modes is the highest wave number"):
        make(modes=3.0)
    with pytest.raises(TypeError, match="integer"):
        box(grid=(4.5, 4), modes=1)


@pytest.mark.report("MarcCoru/locationencoder#1")
def test_latitudes_are_no_colatitudes():
    """Latitudes, or angles in degrees, went in without a word. Right: Y₁₀ = √(3/4π) cos θ, so
    0.488603 at the north pole; a little past a pole, as in differences, is no mistake."""
    latitude = jnp.array([90.0, 0.0, -45.0])
    for wrong in (jnp.deg2rad(latitude), 90 - latitude):
        with pytest.warns(UserWarning, match="takes colatitudes.*deg2rad"):
            spherical_harmonics(wrong, jnp.zeros(3), degree=1)
    y = spherical_harmonics(jnp.deg2rad(90 - latitude), jnp.zeros(3), degree=1)
    np.testing.assert_allclose(y[:, 2], 0.4886025 * np.array([1, 0, -(0.5**0.5)]), atol=1e-7)
    spherical_harmonics(jnp.array([-0.01, np.pi + 0.01]), jnp.zeros(2), degree=1)


@pytest.mark.report("jaxsci")
def test_rounded_fields_are_periodic(recwarn):
    """A wave of 1 mK on 300 K in float32 has steps of a few roundings, so that its first and last
    value may be equal. Right: no warning. Of 10 K on linspace(0, 1, N) they are, and it warns."""
    x = np.arange(64) / 64
    for shift in np.linspace(0, 1, 50, endpoint=False):
        field = 300 + 1e-3 * np.sin(2 * np.pi * (x + shift))
        spectral_derivative(jnp.asarray(field[:, None], jnp.float32), axis=0)
    assert not recwarn.list
    both_ends = 300 + 10 * np.sin(np.linspace(0, 2 * np.pi, 9))
    with pytest.warns(UserWarning, match="first point once more"):
        spectral_derivative(jnp.asarray(both_ends[:, None], jnp.float32), axis=0)


@pytest.mark.report("jaxsci")
def test_harmonics_take_vectors_of_floats(monkeypatch):
    """Whole numbers truncated the recursion's coefficients, and one point was an index error."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    whole = jnp.array([1, 2])
    with pytest.raises(TypeError, match=r"floats.*astype\(float\)"):
        spherical_harmonics(whole, whole, degree=3)
    for shape in ((), (2, 3)):
        with pytest.raises(ValueError, match="two vectors"):
            spherical_harmonics(jnp.ones(shape), jnp.ones(shape), degree=3)


@pytest.mark.report("neuraloperator/neuraloperator#72")
def test_padding_does_not_break_super_resolution():
    """Changed outputs on a finer grid. Right: second order in the spacing at least."""
    layer = SpectralConv(1, 1, modes=3, padding=0.25, key=jax.random.key(0))
    on = [layer(jnp.exp(jnp.arange(n) / n)[:, None])[:: n // 64] for n in (64, 128, 256)]
    first, second = (jnp.max(jnp.abs(p - q)) for p, q in itertools.pairwise(on))
    assert jnp.log2(first / second) > 1.9


@pytest.mark.report("neuraloperator/neuraloperator#329")
def test_a_small_spread_on_a_large_mean_is_no_nan():
    """Mean of squares minus squared mean cancels in float32. Right: mean 0, variance 1, but for
    the rounding of the field itself: 5e4 has steps of 0.004, next to a spread of 0.35."""
    a = (5e4 + 0.5 * wave(64)).astype(jnp.float32)
    b = normalise(a)
    assert abs(float(jnp.mean(b))) < 0.02
    np.testing.assert_allclose(jnp.mean(b**2), 1, atol=0.02)


@pytest.mark.report("neuraloperator/neuraloperator#322")
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_on_any_size(dtype):
    """Sizes other than powers of two failed. Right: float64, to a few roundings of the dtype."""
    layer = SpectralConv(1, 1, modes=(3, 3), key=jax.random.key(0))
    a = jax.random.normal(jax.random.key(1), (10, 15, 1))
    half = jax.tree.map(lambda w: w.astype(dtype), layer)(a.astype(dtype))
    assert half.dtype == dtype
    error = relative_l2(half.astype(jnp.float64), layer(a))
    assert error < 4 * jnp.finfo(dtype).eps


@pytest.mark.report("neuraloperator/neuraloperator#192")
def test_a_function_follows_from_its_slope_and_one_value():
    """The slope was learnt and the function wrong. Right: y = cos 2πx + 1/2 for y' and y(0)."""
    x = 2 * np.pi * np.arange(32) / 32
    y, slope = jnp.asarray(np.cos(x) + 0.5)[:, None], -2 * np.pi * wave(32)
    f, params = jsci.pure(FNO(1, 1, width=8, modes=4, depth=2, key=jax.random.key(0)))
    terms = {
        "slope": lambda p, a: (spectral_derivative(f(p, a)) - a) / (2 * np.pi),
        "value": lambda p, a: f(p, a)[0] - y[0],
    }
    data = {name: slope[None] for name in terms}
    adam = optax.adam(optax.cosine_decay_schedule(1e-2, 300))
    result = jsci.fit(jsci.objective(terms), params, data, adam, steps=300, progress=False)
    assert relative_l2(f(result.params, slope), y) < 0.03


@pytest.mark.report("neuraloperator/neuraloperator#296")
def test_the_gradient_through_a_rollout_is_that_of_the_loop():
    """Training on the model's own steps. Right: a `scan` in the objective equals the loop."""
    layer = SpectralConv(1, 1, modes=3, key=jax.random.key(0))
    f, params = jsci.pure(layer, dtype=jnp.float64)
    start = wave(16)

    def scanned(p):
        return jnp.sum(jax.lax.scan(lambda u, _: (f(p, u), None), start, length=3)[0] ** 2)

    def looped(p):
        return jnp.sum(f(p, f(p, f(p, start))) ** 2)

    for p, q in zip(
        *(jax.tree.leaves(jax.grad(g)(params)) for g in (scanned, looped)), strict=True
    ):
        np.testing.assert_allclose(p, q, rtol=1e-10, atol=1e-12)


@pytest.mark.report("lululxvi/deeponet#28")
def test_each_function_has_its_own_points():
    """Own output points by `vmap`; unequal numbers of input points filled up with weight 0."""
    net = DeepONet(1, 1, sensors=5, dim=1, width=4, depth=1, key=jax.random.key(0))
    a = jax.random.normal(jax.random.key(1), (2, 5, 1))
    y = jax.random.uniform(jax.random.key(2), (2, 3, 1))
    np.testing.assert_allclose(jax.vmap(net)(a, y)[1], net(a[1], y[1]), atol=1e-14)
    make = {"dim": 2, "width": 4, "depth": 1, "key": jax.random.key(3)}
    x = jax.random.uniform(jax.random.key(4), (6, 2))
    field, weights = jnp.sin(x[:, :1]), jnp.full(6, 1 / 6)
    more = [jnp.concatenate([v, jnp.zeros((2, *v.shape[1:]))]) for v in (field, x, weights)]
    at = jnp.array([[0.2, 0.7]])
    for model in (Transformer(1, 1, heads=2, **make), GNO(1, 1, radius=0.5, **make)):
        np.testing.assert_allclose(model(*more, at), model(field, x, weights, at), atol=1e-14)
        slope = jax.grad(lambda v, model=model: jnp.sum(model(v, *more[1:], at)))(more[0])
        assert jnp.all(jnp.isfinite(slope)) and not jnp.any(slope[6:])


@pytest.mark.report("lululxvi/deeponet#28")
def test_wrong_shapes_of_a_deeponet_are_named():
    """Points without an axis of coordinates, and 12 values for 10 sensors: what is wanted."""
    net = DeepONet(1, 1, sensors=10, dim=1, width=4, depth=1, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"\(50,\)"):
        net(jnp.ones((10, 1)), jnp.ones(50))
    with pytest.raises(ValueError, match="sensors"):
        net(jnp.ones((12, 1)), jnp.ones((50, 1)))


@pytest.mark.report("neuraloperator/neuraloperator#480", "neuraloperator/neuraloperator#700")
def test_factorised_weights_come_back_from_a_file(tmp_path):
    """Right: every parameter bit by bit."""
    layer = SpectralConv(
        2, 2, modes=(2, 2), factorisation="tucker", rank=0.5, key=jax.random.key(0)
    )
    _, params = jsci.pure(layer)
    jsci.save(tmp_path / "model", params)
    again = jsci.load(tmp_path / "model", like=params)
    assert all(
        np.array_equal(p, q)
        for p, q in zip(jax.tree.leaves(params), jax.tree.leaves(again), strict=True)
    )


@pytest.mark.report("ecmwf/AI_weather_quest#7")
def test_only_the_ratio_of_weights_counts():
    """Weights of another sum gave another score. Right: the same, for a target of zeros too."""
    p, u, w = wave(16) + 0.1, wave(16), jnp.linspace(1, 2, 16)
    np.testing.assert_allclose(
        relative_l2(p, u, weights=7 * w), relative_l2(p, u, weights=w), rtol=1e-14
    )
    zero = jnp.zeros_like(u)
    np.testing.assert_allclose(relative_l2(0 * p + 0.3, zero, weights=7 * w), 0.3, rtol=1e-14)


@pytest.mark.report("pdebench/PDEBench#41", "microsoft/aurora#130")
def test_a_small_channel_has_its_own_error():
    """Humidity predicted as zero beside geopotential costs 1e-7 in one norm of all channels.
    Right: 1 for that channel, by the norm of each."""
    u = jnp.concatenate([5e4 + wave(16), 5e-3 * (2 + wave(16))], -1)
    p = u.at[:, 1].set(0)
    each = jax.vmap(relative_l2, -1)(p[..., None, :], u[..., None, :])
    np.testing.assert_allclose(each, [0, 1], rtol=1e-14)


@pytest.mark.report("microsoft/aurora#178")
def test_odd_axes_work_and_wrong_ones_are_named():
    """Axes of one or an odd number of points are grids; channels first, too many modes are not."""
    model = FNO(1, 1, width=2, modes=(0, 3), depth=1, key=jax.random.key(0))
    assert model(jax.random.normal(jax.random.key(1), (1, 9, 1))).shape == (1, 9, 1)
    with pytest.raises(ValueError, match="channels-last"):
        FNO(3, 1, width=2, modes=(2, 2), depth=1, key=jax.random.key(0))(jnp.ones((3, 8, 8)))
    with pytest.raises(ValueError, match="finer grid or a layer with fewer modes"):
        model(jnp.ones((4, 6, 1)))


@pytest.mark.report("jaxsci")
def test_points_outside_the_box_of_a_gino():
    """Coordinates ten times the box: its balls see nothing. Refused, unless of weight 0."""
    model = GINO(1, 1, grid=(4, 4), radius=0.4, width=2, modes=1, depth=1, key=jax.random.key(0))
    x = jax.random.uniform(jax.random.key(1), (6, 2))
    a, w = jnp.ones((6, 1)), jnp.full(6, 1 / 6)
    with pytest.raises(ValueError, match="Scale the coordinates"):
        model(a, 10 * x, w)
    with pytest.raises(ValueError, match="y reaches"):
        model(a, x, w, 10 * x)
    model(a, x.at[0].set(5.0), w.at[0].set(0.0))


@pytest.mark.report("jaxsci")
def test_corners_that_a_gino_does_not_reach_are_flagged(recwarn):
    """The last grid point stands a spacing before the end of the box. Right: what a point sees
    depends on the input, or there is a warning; none for the rest of the box."""
    make = partial(GINO, 1, 1, grid=(4, 4), width=2, modes=1, depth=1, key=jax.random.key(0))
    x = jax.random.uniform(jax.random.key(1), (6, 2), maxval=0.75)
    a, w, corner = jnp.ones((6, 1)), jnp.full(6, 1 / 6), jnp.ones((1, 2))
    far, near = make(radius=0.4), make(radius=0.3)
    assert jnp.any(jax.grad(lambda a: far(a, x, w, corner)[0, 0])(a))
    near(a, x, w)
    near(a, x.at[0].set(1.0), w.at[0].set(0.0))
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"1 of 1 points, such as \[1. 1.\].*radius above 0.354"):
        assert not jnp.any(jax.grad(lambda a: near(a, x, w, corner)[0, 0])(a))
    with pytest.warns(UserWarning, match="balls of radius 0.3 are empty"):
        near(a, x.at[0].set(1.0), w)


@pytest.mark.report("jaxsci")
def test_points_that_a_gno_does_not_reach_are_flagged(recwarn):
    """Asked far from all input, its answer does not depend on it. Right: a warning."""
    model = GNO(1, 1, dim=1, radius=0.2, width=2, depth=1, key=jax.random.key(0))
    x, a, w = jnp.linspace(0, 1, 8)[:, None], jnp.ones((8, 1)), jnp.full(8, 1 / 8)
    model(a, x, w, jnp.array([[-0.1], [1.1]]))
    model(a, x.at[0].set(9.0), w.at[0].set(0.0))
    assert not recwarn.list
    for points, weights, y in ((x, w, [[0.5], [1.3]]), (x, w.at[:4].set(0), [[0.1]])):
        with pytest.warns(UserWarning, match="1 of . points.* see nothing of the input"):
            model(a, points, weights, jnp.array(y))


@pytest.mark.report("jaxsci")
def test_fields_without_a_grid_have_no_slopes():
    """A vector without its axis of channels was an error of `min`. Right: what is wanted."""
    with pytest.raises(ValueError, match=r"fields \(\*grid, channels\)"):
        h1(jnp.ones(8), jnp.ones(8))
