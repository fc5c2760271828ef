"""Time slabs: exact hand-over, errors near rounding after many of them, and an end that is said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import pde
from jaxsci.pde._collocation.in_slabs.slab_equations import SlabEquations
from jaxsci.pde._collocation.in_slabs.slab_file import SlabFile
from jaxsci.pde._collocation.in_slabs.slabs import initial_state, next_state, slab_function

LINE = pde.Interval(0.0, 1.0)
SLAB = LINE.during(0.0, 1.0)
FEATURES = pde.random_features(SLAB, 150, key=jax.random.key(0), scale=2.0)
POINTS = pde.sobol(SLAB, 450)


def rest(x):
    return jnp.sin(jnp.pi * x[0])


def at_rest(f):
    return pde.hard(f, lift=rest, factor=lambda x: x[0] * (1 - x[0]))


def error(result, exact):
    at = pde.uniform(LINE.during(result.times[0], result.times[-1]), 200)(jax.random.key(3))
    found = jax.vmap(lambda x: result.field(result.params, x))(at)
    expected = jax.vmap(exact)(at)
    return float(jnp.linalg.norm(found - expected) / jnp.linalg.norm(expected))


@pytest.fixture(scope="module")
def wave():
    seen = []
    times = np.linspace(0.0, 3.0, 7)
    result = pde.march(
        pde.wave(1.0), at_rest, FEATURES, POINTS, times, order=2,
        callback=lambda slab, residual: seen.append((slab, residual)),
    )  # fmt: skip
    return result, seen


def test_heat_to_rounding_in_unequal_slabs():
    """The time need not begin at zero."""
    result = pde.march(pde.heat(0.1), at_rest, FEATURES, POINTS, [1.0, 1.3, 2.0, 2.5])
    exact = lambda x: jnp.exp(-0.1 * jnp.pi**2 * (x[1] - 1)) * rest(x)  # noqa: E731
    assert result.completed
    assert error(result, exact) < 1e-11


def test_a_wave_over_six_slabs(wave):
    result, seen = wave
    assert error(result, lambda x: jnp.cos(jnp.pi * x[1]) * rest(x)) < 1e-9
    assert [slab for slab, _ in seen] == list(range(6))
    np.testing.assert_array_equal([residual for _, residual in seen], result.residuals)


def test_values_and_slopes_continue_through_the_bounds(wave):
    result, _ = wave
    u = lambda x: result.field(result.params, x)  # noqa: E731
    for t in result.times[1:-1]:
        before, after = (jnp.array([0.3, t + d]) for d in (-1e-9, 1e-9))
        slopes = [jax.grad(u)(x)[1] for x in (before, after)]
        np.testing.assert_allclose(u(before), u(after), atol=1e-8)
        np.testing.assert_allclose(slopes[0], slopes[1], atol=1e-6)


@pytest.mark.parametrize("order", [1, 2])
def test_the_state_is_that_of_the_slab_before_whatever_its_coefficients(order):
    """Value, and for order 2 the slope, at each bound for random coefficients and lengths."""
    free = slab_function(FEATURES, order)
    state = initial_state(0.5, 0.3, (150,))
    for k, length in enumerate((0.7, 0.2, 0.4)):
        c = jax.random.normal(jax.random.key(k), (150,))
        then = next_state(state, c, length, order)
        x = jnp.array([0.4, float(then.time)])
        before = lambda x, state=state, c=c: free(state, c, x)  # noqa: E731
        after = lambda x, then=then: free(then, 0 * FEATURES.biases, x)  # noqa: E731
        np.testing.assert_allclose(before(x), after(x), rtol=1e-11)
        if order == 2:
            slopes = [jax.grad(f)(x)[1] for f in (before, after)]
            np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-10)
        state = then


def test_what_has_no_derivative_in_time_is_solved_anew_in_each_slab():
    """u_t = p with p = cos(3t) sin(pi x) - 2 u: p does not begin where the trial function does, and
    an error of one slab's end is not handed to the next."""

    def op(w, x):
        u, p = w(x)
        forced = jnp.cos(3 * x[1]) * rest(x)
        return jnp.stack([jsci.derivative(w, 1, component=0)(x) - p, p - forced + 2 * u])

    trial = lambda f: pde.hard(f, lift=lambda x: 0 * x, factor=lambda x: 1.0)  # noqa: E731
    result = pde.march(op, trial, FEATURES, POINTS, [0.0, 0.5, 1.0, 1.5], outputs=2)

    def exact(x):  # u' + 2 u = cos 3t from zero
        wave = (2 * jnp.cos(3 * x[1]) + 3 * jnp.sin(3 * x[1]) - 2 * jnp.exp(-2 * x[1])) / 13
        return rest(x) * jnp.stack([wave, jnp.cos(3 * x[1]) - 2 * wave])

    assert result.completed
    assert error(result, exact) < 1e-9


def test_each_component_has_the_order_of_its_own_highest_derivative():
    """u_tt = Δu, p_t = u and q = u - p in one march of second order: p has no slope of its own at
    the beginning, and q none of its values there."""

    def op(w, x):
        u, p, q = w(x)
        accelerated = jsci.derivative(w, 1, 1, component=0)(x) - jsci.derivative(
            w, 0, 0, component=0
        )(x)
        return jnp.stack([accelerated, jsci.derivative(w, 1, component=1)(x) - u, q - u + p])

    def trial(f):
        return pde.hard(
            f, lift=lambda x: rest(x) * jnp.array([1.0, 0.0, 0.0]), factor=lambda x: 1.0
        )

    features = lambda x: jnp.sin(jnp.pi * x[0]) * x[1] ** jnp.arange(10)  # noqa: E731
    result = pde.march(op, trial, features, POINTS, [0.0, 0.4, 0.7, 1.2], outputs=3, order=2)

    def exact(x):
        u, p = jnp.cos(jnp.pi * x[1]), jnp.sin(jnp.pi * x[1]) / jnp.pi
        return rest(x) * jnp.stack([u, p, u - p])

    assert result.completed
    assert error(result, exact) < 1e-8


def mirrored(f):
    """A trial function of two places."""
    both = lambda params, x: f(params, x) + f(params, x.at[0].set(1 - x[0]))  # noqa: E731
    return pde.hard(both, lift=rest, factor=lambda x: x[0] * (1 - x[0]))


def late(u, x):
    """Looks at another place from t = 0.5 on."""
    elsewhere = u(x.at[0].set(x[0] / 2))
    return pde.burgers(0.1)(u, x) + jnp.where(x[1] > 0.5, 0.1, 0.0) * elsewhere


@pytest.mark.slow
@pytest.mark.parametrize(
    ("op", "trial", "order", "local"),
    [
        (pde.burgers(0.1), at_rest, 1, 3),
        (pde.wave(1.0), at_rest, 2, 3),
        (pde.heat(0.1), mirrored, 1, 0),
        (late, at_rest, 1, 0),
        (lambda u, x: jax.grad(u)(x)[1] + u(x) - jnp.sin(x[0]), at_rest, 1, 3),
    ],
    ids=["burgers", "wave", "two places", "another place", "no derivative in space"],
)
def test_derivatives_of_features_give_the_rows_of_the_equations(
    monkeypatch, op, trial, order, local
):
    """In each slab, and what is no sum of derivatives at a point is left as it stands."""
    features = pde.polynomial_features(SLAB, [6, 4])
    used, by_derivatives = [], SlabEquations._by_derivatives

    def counted(self, state):
        used.append(float(state.time))
        found = by_derivatives(self, state)
        for mine, direct in zip(found, self.as_they_stand(state), strict=True):
            c = np.random.default_rng(len(used)).normal(size=24)
            for a, b in zip(jax.tree.leaves(mine(c)), jax.tree.leaves(direct(c)), strict=True):
                if not isinstance(a, str):
                    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.abs(b).max())
        return found

    monkeypatch.setattr(SlabEquations, "_by_derivatives", counted)
    points = np.asarray(POINTS(jax.random.key(1)))[:80]
    pde.march(op, trial, features, points, [0.0, 0.3, 0.5, 1.0], order=order, tolerance=np.inf)
    assert len(set(used)) == local


@pytest.mark.slow
def test_derivatives_that_matter_only_at_the_solution():
    """Neither F = 0 nor the test function has slopes above 2: the equation there is u_t = 3x."""
    space = pde.Interval(-1.0, 1.0)
    slab = space.during(0.0, 1.0)

    def op(u, x):
        slope = jsci.derivative(u, 0)(x)
        return jsci.derivative(u, 1)(x) + 0.1 * jnp.maximum(slope**2 - 4, 0) - 3 * x[0]

    trial = lambda f: lambda c, x: f(c, x)  # noqa: E731
    features = pde.polynomial_features(slab, [2, 4])
    result = pde.march(op, trial, features, pde.sobol(slab, 60), [0.0, 0.5, 1.0], tolerance=0.1)
    # u = 3xt until its slope is 2, and a function of t less from then on.
    np.testing.assert_allclose(result.field(result.params, jnp.array([0.5, 0.5])), 0.75, atol=1e-8)
    late = jnp.array([0.5, 1.0])
    expected = 1.5 - 0.1 * (3 * (1 - (2 / 3) ** 3) - 4 / 3)  # ∫ 0.1 (9t² - 4) dt from 2/3 to 1
    np.testing.assert_allclose(result.field(result.params, late), expected, atol=5e-3)


@pytest.mark.parametrize(
    "trial",
    [
        pytest.param(lambda f: lambda c, x: f(2 * c, x), id="changed"),
        pytest.param(lambda f: lambda c, x: f(c, x) + c[1], id="used"),
    ],
)
def test_coefficients_that_slabs_cannot_hand_over(trial):
    slab = pde.Interval(-1.0, 1.0).during(0.0, 1.0)
    features = pde.polynomial_features(slab, [4, 3])
    with pytest.raises(ValueError, match="give c to f as it is"):
        pde.march(pde.heat(0.1), trial, features, pde.sobol(slab, 60), [0.0, 1.0])


@pytest.mark.slow
def test_finer_features_are_looked_at_before_the_first_slab():
    seen = []
    with pytest.raises(ValueError, match="450 equations for 500 coefficients"):
        pde.march(
            pde.heat(0.1), at_rest, FEATURES, POINTS(jax.random.key(0)), [0.0, 0.5],
            finer=pde.random_features(SLAB, 500, key=jax.random.key(1)),
            callback=lambda *_: seen.append(1),
        )  # fmt: skip
    assert not seen


def test_times_that_were_not_solved_have_no_value(wave):
    result, _ = wave
    at = jnp.array([[0.5, -0.1], [0.5, 0.0], [0.5, 3.0], [0.5, 3.1]])
    found = jax.vmap(lambda x: result.field(result.params, x))(at)
    np.testing.assert_array_equal(jnp.isnan(found), [True, False, False, True])
    slopes = jax.vmap(jax.grad(lambda x: result.field(result.params, x)))(at)
    np.testing.assert_array_equal(jnp.isnan(slopes[:, 1]), [True, False, False, True])


def test_a_slab_that_is_not_resolved_ends_the_march():
    features = pde.random_features(SLAB, 40, key=jax.random.key(0), scale=3.0)
    points = pde.sobol(SLAB, 120)
    # Still at first, and then a force that the features do not resolve.
    op = lambda u, x: jax.grad(u)(x)[1] - jnp.where(x[1] > 1.0, jnp.sin(60 * x[0]), 0.0)  # noqa: E731
    trial = lambda f: pde.hard(f, lift=lambda x: 0 * x[0], factor=lambda x: 1.0)  # noqa: E731
    with pytest.warns(UserWarning, match=r"ends at t = 1: slab 1 leaves a relative residual"):
        result = pde.march(op, trial, features, points, [0.0, 1.0, 2.0])
    assert not result.completed
    np.testing.assert_array_equal(result.times, [0.0, 1.0])
    with (
        pytest.warns(UserWarning, match="slab 0"),
        pytest.raises(ValueError, match="could not solve its first slab"),
    ):
        pde.march(op, trial, features, points, [1.0, 2.0])


def test_the_order_in_time_is_that_of_the_equations():
    """One too low leaves the initial slope free, and any solution would do."""
    march = lambda op, order: pde.march(op, at_rest, FEATURES, POINTS, [0.0, 0.5], order=order)  # noqa: E731
    with pytest.raises(ValueError, match="a derivative of order 2 in time: give order=2"):
        march(pde.wave(1.0), 1)
    with pytest.raises(ValueError, match="a derivative of order 1 in time: give order=1"):
        march(pde.heat(0.1), 2)
    with pytest.raises(ValueError, match="order 3 in time: write them as a system"):
        march(lambda u, x: jsci.derivative(u, 1, 1, 1)(x), 1)
    with pytest.raises(ValueError, match="order must be 1 or 2, got 3"):
        march(pde.heat(0.1), 3)


def test_a_derivative_in_time_is_found_wherever_it_is():
    """In a tenth of the domain, which the first points are not in."""
    points = jnp.asarray(sorted(map(tuple, np.asarray(POINTS(jax.random.key(0))).tolist())))
    op = lambda u, x: jnp.where(  # noqa: E731
        x[0] > 0.9, jsci.derivative(u, 1, 1)(x), jsci.derivative(u, 0, 0)(x)
    )
    with pytest.raises(ValueError, match="a derivative of order 2 in time: give order=2"):
        pde.march(op, at_rest, FEATURES, points, [0.0, 0.5])


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_finer_march_estimates_the_error(order):
    """Of features that are a little too few, in each slab."""
    space = lambda n: lambda x: jnp.sin(jnp.pi * x[0]) * x[1] ** jnp.arange(n)  # noqa: E731
    op, rate = (pde.heat(0.5), 0.5 * jnp.pi**2) if order == 1 else (pde.wave(1.0), jnp.pi)
    trial = lambda f: pde.hard(f, lift=rest, factor=lambda x: 1.0)  # noqa: E731
    result = pde.march(
        op,
        trial,
        space(3),
        POINTS,
        [0.0, 0.5, 1.1, 1.4],
        order=order,
        finer=space(8),
        tolerance=0.1,
    )
    exact = lambda x: (jnp.exp(-rate * x[1]) if order == 1 else jnp.cos(rate * x[1])) * rest(x)  # noqa: E731
    for k in range(3):
        at = pde.uniform(LINE.during(*result.times[k : k + 2]), 500)(jax.random.key(3))
        found, expected = (
            jax.vmap(u)(at) for u in (lambda x: result.field(result.params, x), exact)
        )
        true = jnp.linalg.norm(found - expected) / jnp.linalg.norm(expected)
        assert 1e-5 < true < 0.1
        np.testing.assert_allclose(result.errors[k], true, rtol=0.1)


@pytest.mark.parametrize("end", [0.1, 3.0])
def test_points_fill_the_slab(end):
    """Drawn over a tenth of it, the rest would have no equation."""
    with pytest.raises(ValueError, match="share of a slab, spread from 0 to 1"):
        points = pde.sobol(LINE.during(0.0, end), 450)
        pde.march(pde.heat(0.1), at_rest, FEATURES, points, [0.0, 0.5])


@pytest.mark.parametrize("times", [[0.0], [1.0, 0.0], [0.0, 0.0], [0.0, np.nan], [0.0, np.inf]])
def test_times_must_ascend(times):
    with pytest.raises(ValueError, match="times must ascend"):
        pde.march(pde.heat(0.1), at_rest, FEATURES, POINTS, times)


@pytest.mark.slow
def test_a_front_in_pieces_and_slabs():
    """Burgers at 0.1/π, nonlinear, by polynomials of a partition of unity."""
    viscosity, breaks = 0.1 / jnp.pi, [[0.08, 0.25, 0.6], 1]
    trial = lambda f: pde.hard(  # noqa: E731
        f, lift=lambda x: -rest(x), factor=lambda x: x[0] * (1 - x[0])
    )
    features = pde.polynomial_features(SLAB, [10, 8], breaks=breaks)
    points = pde.graded(SLAB, 640, breaks)
    result = pde.march(pde.burgers(viscosity), trial, features, points, [0.0, 0.2, 0.4])
    exact = lambda x: pde.reference.burgers_cole_hopf(x, viscosity=viscosity)  # noqa: E731
    assert error(result, exact) < 1e-6


def test_a_march_goes_on_from_its_checkpoint(tmp_path):
    path, seen = tmp_path / "slabs.jsci", []

    def march(times, op=None):
        return pde.march(
            op or pde.heat(0.1),
            at_rest,
            FEATURES,
            POINTS,
            times,
            checkpoint=path,
            callback=lambda slab, _: seen.append(slab),
        )

    first = march([0.0, 0.5, 1.0])
    again = march([0.0, 0.5, 1.0, 1.5])
    assert seen == [0, 1, 2]
    np.testing.assert_array_equal(again.params[1][:2], first.params[1])
    whole = pde.march(pde.heat(0.1), at_rest, FEATURES, POINTS, [0.0, 0.5, 1.0, 1.5])
    np.testing.assert_array_equal(again.params[1], whole.params[1])
    assert again.completed
    with pytest.raises(ValueError, match="another march"):
        march([0.0, 0.5, 1.0, 1.5], op=pde.heat(0.2))
    pulse = lambda u, x: pde.heat(0.1)(u, x) - jnp.where(x[1] < 0.5, 1.0, 0.0)  # noqa: E731
    with pytest.raises(ValueError, match="another march: its slab 0"):
        march([0.0, 0.5, 1.0, 1.5], op=pulse)
    with pytest.raises(ValueError, match="not the first of"):
        march([0.0, 0.7, 1.0, 1.5])


def test_files_that_are_no_checkpoint_of_this_march_are_refused(tmp_path):
    path, bounds, params = tmp_path / "slabs.jsci", np.array([0.0, 0.5, 1.0]), np.ones(3)
    state = initial_state(0.0, 0.5, (3,))
    file = SlabFile(path, bounds, params, state)
    file.write([(state, jnp.asarray(params))], [1e-5])
    read = lambda tolerance: file.restore(lambda *_: 1e-5, tolerance)  # noqa: E731
    assert read(1e-3)[1] == [1e-5]
    with pytest.raises(ValueError, match="made with a larger tolerance"):
        read(1e-6)
    for metadata in ({}, {"times": 3, "residuals": 1}, {"times": [0.0], "residuals": []}):
        jsci.save(path, jnp.ones(3), metadata=metadata)
        with pytest.raises(ValueError, match="no checkpoint of march"):
            read(1e-3)
    with pytest.raises(ValueError, match="is not a file"):
        SlabFile(tmp_path, bounds, params, state)
