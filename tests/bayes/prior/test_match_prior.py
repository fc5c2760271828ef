"""Priors of functions: matched scales are those that are known, and kernels come out right."""

from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import bayes

X = jnp.linspace(-1, 1, 5)[:, None]


def squares(x, y):
    return jnp.sum((x[:, None] - y[None]) ** 2, -1)


def test_energy_distance_of_two_normals():
    """2 E|N(2, 2)| - 2 E|N(0, 2)|, and zero in the mean for equal distributions."""
    keys = jax.random.split(jax.random.key(0), (400, 2))
    draw = lambda key: jax.random.normal(key, (30, 1))  # noqa: E731
    apart = jax.vmap(lambda k: bayes.energy_distance(draw(k[0]), 2 + draw(k[1])))(keys)
    equal = jax.vmap(lambda k: bayes.energy_distance(draw(k[0]), draw(k[1])))(keys)
    from_zero = 2 / np.sqrt(np.pi)
    normal = jax.scipy.stats.norm
    t = np.sqrt(2.0)
    exact = 2 * (2 * (2 * normal.cdf(t) - 1) + 2 * np.sqrt(2) * normal.pdf(t)) - 2 * from_zero
    for found, known in ((apart, exact), (equal, 0.0)):
        error = found.std() / np.sqrt(400)
        assert abs(found.mean() - known) < 4 * error


def test_energy_distance_has_a_derivative_where_draws_coincide():
    x = jnp.ones((3, 2))
    assert jnp.isfinite(jax.grad(bayes.energy_distance)(x, x)).all()


def test_sinkhorn_distance_is_that_of_the_best_plan():
    """By an assignment of draws: of equally many, one of them is the best plan."""
    scipy = pytest.importorskip("scipy.optimize")
    x, y = (jax.random.normal(k, (12, 2)) for k in jax.random.split(jax.random.key(0)))
    y = 2 * y + 1
    costs = np.linalg.norm(x[:, None] - y[None], axis=-1)
    best = costs[scipy.linear_sum_assignment(costs)].mean()
    found = bayes.sinkhorn_distance(x, y, blur=0.002, steps=5000)
    np.testing.assert_allclose(found, best, rtol=0.01)
    np.testing.assert_allclose(bayes.sinkhorn_distance(x, x), 0, atol=1e-12)


def test_the_slope_of_a_sinkhorn_distance():
    x, y = (jax.random.normal(k, (6, 2)) for k in jax.random.split(jax.random.key(1)))
    distance = lambda t: bayes.sinkhorn_distance(x + t, y, blur=0.5, steps=500)  # noqa: E731
    slope = (distance(0.5 + 1e-5) - distance(0.5 - 1e-5)) / 2e-5
    np.testing.assert_allclose(jax.grad(distance)(0.5), slope, rtol=1e-6)


def test_draws_of_a_gaussian_process_have_its_covariance():
    kernel = lambda x, y: 2 * jnp.exp(-squares(x, y))  # noqa: E731
    draw = jax.jit(jax.vmap(bayes.gaussian_process(kernel), (0, None)))
    f = draw(jax.random.split(jax.random.key(0), 20_000), X)
    np.testing.assert_allclose(f.T @ f / 20_000, kernel(X, X), atol=4 * 2 * np.sqrt(2 / 20_000))


def line(p, x):
    return p["level"] + p["slope"] * x[0]


START = bayes.prior({"level": jnp.zeros(()), "slope": jnp.zeros(())})


def test_scales_of_a_linear_model_are_those_of_its_kernel():
    target = bayes.gaussian_process(lambda x, y: 9 * x @ y.T + 0.25)
    found = bayes.match_prior(
        jax.random.key(0), line, START, target, X, steps=400, learning_rate=0.1
    )
    scales = jax.tree.map(jnp.exp, found.params.log_scales)
    np.testing.assert_allclose([scales["slope"], scales["level"]], [3.0, 0.5], rtol=0.06)
    assert found.distances.shape == (400,)
    assert abs(found.distances[-50:].mean()) < 0.05 * found.distances[:5].mean()


def test_sinkhorn_distance_finds_the_scales():
    """A tenth too small: with 64 draws the distance is smaller for functions that vary less."""
    target = bayes.gaussian_process(lambda x, y: 9 * x @ y.T + 4)
    found = bayes.match_prior(
        jax.random.key(0), line, START, target, X,
        steps=200, learning_rate=0.1, distance=bayes.sinkhorn_distance,
    )  # fmt: skip
    scales = jax.tree.map(jnp.exp, found.params.log_scales)
    np.testing.assert_allclose([scales["slope"], scales["level"]], [3.0, 2.0], rtol=0.15)


@pytest.mark.slow
def test_a_critic_finds_the_scales():
    """Without the tenth that is missing by a distance between few draws: its draws are new."""
    target = bayes.gaussian_process(lambda x, y: 9 * x @ y.T + 0.25)
    found = bayes.match_prior(
        jax.random.key(0), line, START, target, X,
        steps=200, learning_rate=0.1, distance=bayes.critic(30),
    )  # fmt: skip
    scales = jax.tree.map(jnp.exp, found.params.log_scales)
    np.testing.assert_allclose([scales["slope"], scales["level"]], [3.0, 0.5], rtol=0.06)


def test_a_critic_sees_wasserstein_distance():
    """Of constants with the deviations 1 and 3, whose best plan stretches: 2 E|z| √points.

    The penalty lets slopes exceed 1 by distance / (20 norms of the draws): 4 % here."""
    three = lambda key, x: 3 * jax.random.normal(key) * jnp.ones(len(x))  # noqa: E731
    level = bayes.prior({"level": jnp.zeros(())})
    found = bayes.match_prior(
        jax.random.key(0), lambda p, x: p["level"], level, three, X,
        steps=100, learning_rate=1e-9, distance=bayes.critic(30),
    )  # fmt: skip
    exact = 2 * np.sqrt(2 / np.pi) * np.sqrt(len(X))
    np.testing.assert_allclose(found.distances[50:].mean(), exact, rtol=0.08)


@pytest.mark.slow
def test_a_critic_has_no_unit():
    """All of it is in units of the draws: other units change the distances by their factor."""

    @jax.jit
    def distances(scale):
        target = lambda key, x: scale * 3 * jax.random.normal(key) * x[:, 0]  # noqa: E731
        start = bayes.prior({"level": jnp.zeros(()), "slope": jnp.zeros(())}, scales=scale)
        distance = bayes.critic(8, steps=2)
        key = jax.random.key(0)
        return (
            bayes.match_prior(key, line, start, target, X, steps=5, distance=distance).distances
            / scale
        )

    for scale in (1e-3, 1e3):
        np.testing.assert_allclose(distances(scale), distances(1.0), rtol=1e-3)


def test_points_that_are_drawn_and_an_infinite_network_as_target():
    infinite = jsci.ntk.infinite
    net = infinite.serial(infinite.Dense(8), infinite.Erf(), infinite.Dense(1))
    target = bayes.gaussian_process(lambda x, y: net.kernel(x, y).nngp)
    draw = lambda key: jax.random.uniform(key, (4, 1))  # noqa: E731
    found = bayes.match_prior(jax.random.key(0), line, START, target, draw, steps=2, draws=4)
    assert jnp.isfinite(found.distances).all()


@pytest.mark.slow
@pytest.mark.parametrize("distance", [bayes.energy_distance, bayes.critic()])
def test_a_matched_network_has_the_kernel_that_was_asked_for(distance):
    """Of a smooth process in eight dimensions, which the initialised network does not have."""
    key = jax.random.key(0)
    x = jax.random.normal(key, (400, 8))
    kernel = lambda x, y: jnp.exp(-squares(x, y) / (2 * 5.0**2))  # noqa: E731
    f, params = jsci.pure(jsci.nn.MLP(8, "scalar", width=30, depth=2, key=key))
    start = bayes.prior(params)

    def points(key):
        where, shift = jax.random.split(key)
        return jax.random.choice(where, x, (40,)) + 0.3 * jax.random.normal(shift, (40, 8))

    found = bayes.match_prior(
        key, f, start, bayes.gaussian_process(kernel), points, distance=distance
    )
    at, wanted = x[:60], kernel(x[:60], x[:60])

    @jax.jit
    def error(prior):
        draw = lambda k: jax.vmap(f, (None, 0))(prior.sample(k), at)  # noqa: E731
        values = jax.vmap(draw)(jax.random.split(key, 4000))
        return jnp.linalg.norm(values.T @ values / 4000 - wanted) / jnp.linalg.norm(wanted)

    assert error(found.params) < 0.35
    assert error(found.params) < error(start) / 3


def test_bad_input():
    key, target = jax.random.key(0), bayes.gaussian_process(lambda x, y: x @ y.T)
    with pytest.raises(ValueError, match="draws must be at least 2 and steps 1, got 1 and 300"):
        bayes.match_prior(key, line, START, target, X, draws=1)
    with pytest.raises(ValueError, match=r"the shape \(5,\), got \(\) and \(5, 1\)"):
        bayes.match_prior(key, line, START, lambda key, x: x, X)
    with pytest.raises(ValueError, match="The distance is nan at first"):
        bayes.match_prior(
            key, line, START, bayes.gaussian_process(lambda x, y: -x @ y.T - 1), X, steps=2
        )
    with pytest.raises(ValueError, match="jitter must be positive"):
        bayes.gaussian_process(squares, jitter=0.0)
    with pytest.raises(ValueError, match=r"kernel\(x, x\) must be a matrix \(5, 5\)"):
        bayes.gaussian_process(lambda x, y: x)(key, X)
    with pytest.raises(ValueError, match="with two draws or more"):
        bayes.energy_distance(jnp.ones((1, 2)), jnp.ones((3, 2)))
    change: dict[str, Any]
    for change in ({"blur": 0.0}, {"blur": jnp.inf}, {"steps": 2.5}):
        with pytest.raises(ValueError, match="blur and steps must be positive, and steps whole"):
            bayes.sinkhorn_distance(X, X, **change)
    for change in ({"draws": 2.5}, {"steps": 2.5}):
        with pytest.raises(ValueError, match="draws must be at least 2 and steps 1"):
            bayes.match_prior(key, line, START, target, X, **change)
    with pytest.raises(ValueError, match="learning_rate must be positive, got -1"):
        bayes.match_prior(key, line, START, target, X, learning_rate=-1.0)
    for change in ({"width": 0}, {"width": 2.5}, {"steps": 0}):
        with pytest.raises(ValueError, match="width and steps must be at least 1, and whole"):
            bayes.critic(**change)
    with pytest.raises(ValueError, match="learning_rate must be positive, got nan"):
        bayes.critic(learning_rate=np.nan)
    with pytest.raises(ValueError, match="There are no points"):
        bayes.match_prior(key, line, START, lambda key, x: x[:, 0], X[:0])
    with pytest.raises(ValueError, match="draws of one size"):
        bayes.energy_distance(jnp.ones((3, 1)), jnp.ones((3, 2)))


@pytest.mark.parametrize("distance", [bayes.energy_distance, bayes.sinkhorn_distance])
def test_distances_of_numbers_that_are_not_real(distance, monkeypatch):
    """Squares of integers would wrap around, and those of complex numbers have no sign."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    x, y = jnp.array([[100], [90]], jnp.int8), jnp.array([[-100], [-90]], jnp.int8)
    np.testing.assert_allclose(distance(x, y), distance(x.astype(float), y.astype(float)))
    assert distance(x, y) > 180
    with pytest.raises(TypeError, match="x must be real, got complex128"):
        distance(1j * X, X)
