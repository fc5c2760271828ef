"""Kalman's filter gives the density that the dense normal distribution of all observations has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import bayes

TIMES = np.array([0.5, 1.0, 0.1, 2.0, 0.7])
PARAMS = {"damping": jnp.array(0.3), "walk": jnp.array(0.4), "noise": jnp.array(0.2)}
LOOK = np.array([[1.0, 0.0], [0.5, 1.0]])


def transition(p, x, dt):
    return jnp.stack([x[0] + dt * x[1], jnp.exp(-p["damping"] * dt) * x[1]])


def observe(p, x):
    del p
    return jnp.asarray(LOOK, x.dtype) @ x


def process_factor(p, dt):
    return p["walk"] * jnp.sqrt(dt) * jnp.array([[0.1, 0.0], [0.2, 1.0]], dt.dtype)


def noise_factor(p):
    return p["noise"] * jnp.array([[1.0, 0.0], [0.5, 1.0]], p["noise"].dtype)


def model(form):
    if form == "square root":
        noises = process_factor, noise_factor
    else:
        square = lambda g: g @ g.T  # noqa: E731
        noises = lambda p, dt: square(process_factor(p, dt)), lambda p: square(noise_factor(p))
    return bayes.kalman(
        transition, observe, process_noise=noises[0], observation_noise=noises[1], form=form
    )


def dense(y):
    """log N(y) of all that was seen, by the covariance of the whole series."""
    factors = [np.asarray(process_factor(PARAMS, jnp.asarray(dt))) for dt in TIMES]
    rates = [np.array([[1.0, dt], [0.0, np.exp(-0.3 * dt)]]) for dt in TIMES]
    mean, p = np.array([0.5, -0.2]), np.diag([1.0, 2.0])
    means, blocks, n = [], {}, len(TIMES)
    for k in range(n):
        mean, p = rates[k] @ mean, rates[k] @ p @ rates[k].T + factors[k] @ factors[k].T
        means.append(LOOK @ mean)
        later = p
        for j in range(k, n):
            later = later if j == k else rates[j] @ later
            blocks[j, k] = LOOK @ later @ LOOK.T
            blocks[k, j] = blocks[j, k].T
    whole = np.block([[blocks[i, j] for j in range(n)] for i in range(n)])
    noise = np.asarray(noise_factor(PARAMS))
    whole += np.kron(np.eye(n), noise @ noise.T)
    seen = ~np.isnan(y.ravel())
    gap = (y.ravel() - np.concatenate(means))[seen]
    whole = whole[np.ix_(seen, seen)]
    return -0.5 * (gap @ np.linalg.solve(whole, gap) + np.linalg.slogdet(2 * np.pi * whole)[1])


def run(form, y, params=PARAMS, dtype=float):
    kalman = model(form)
    first = kalman.init(jnp.array([0.5, -0.2], dtype), jnp.diag(jnp.array([1.0, 2.0], dtype)))
    return bayes.filter(kalman.step, params, first, jnp.asarray(y), dt=jnp.asarray(TIMES, dtype))


Y = np.random.default_rng(0).normal(size=(5, 2))
GAPS = np.where([[0, 0], [1, 0], [1, 1], [0, 0], [0, 1]], np.nan, Y)


@pytest.mark.parametrize("form", ["covariance", "square root"])
@pytest.mark.parametrize("y", [Y, GAPS], ids=["whole", "with gaps"])
def test_density_and_its_gradient_are_those_of_the_dense_normal(form, y):
    out = run(form, jnp.asarray(y))
    np.testing.assert_allclose(out.log_density, dense(y), rtol=1e-10)
    np.testing.assert_allclose(out.log_densities.sum(), out.log_density, rtol=1e-12)
    slope = jax.grad(lambda noise: run(form, y, PARAMS | {"noise": noise}).log_density)(0.2)
    h = 1e-5
    up, down = (run(form, y, PARAMS | {"noise": 0.2 + s * h}).log_density for s in (1, -1))
    np.testing.assert_allclose(slope, (up - down) / (2 * h), rtol=1e-6)


def test_both_forms_agree_on_states_and_predictions():
    one, other = (run(form, jnp.asarray(GAPS)) for form in ("covariance", "square root"))
    np.testing.assert_allclose(one.state.mean, other.state.mean, rtol=1e-10)
    np.testing.assert_allclose(one.state.covariance, other.state.covariance, rtol=1e-9, atol=1e-12)
    for mine, its in zip(one.predicted, other.predicted, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-10)


def test_square_roots_keep_the_digits_of_float32():
    params = jax.tree.map(lambda p: jnp.asarray(p, jnp.float32), PARAMS)
    out = run("square root", jnp.asarray(Y, jnp.float32), params, jnp.float32)
    assert out.log_density.dtype == jnp.float32
    np.testing.assert_allclose(out.log_density, dense(Y), rtol=3e-6)


def test_an_extended_filter_follows_a_pendulum():
    """x'' = -sin x, seen with little noise from a state that is nearly known."""
    dt, steps = 0.05, 80

    def swing(p, x, dt):
        return jnp.stack([x[0] + dt * x[1], x[1] - dt * jnp.sin(x[0])])

    path = [np.array([1.2, 0.0])]
    for _ in range(steps):
        path.append(
            np.array([path[-1][0] + dt * path[-1][1], path[-1][1] - dt * np.sin(path[-1][0])])
        )
    path = np.stack(path[1:])
    kalman = bayes.kalman(
        swing,
        lambda p, x: x[0],
        process_noise=lambda p, dt: 1e-10 * jnp.eye(2),
        observation_noise=lambda p: jnp.array(1e-4),
    )
    first = kalman.init(jnp.array([1.0, 0.3]), 0.1 * jnp.eye(2))
    out = bayes.filter(kalman.step, {}, first, jnp.asarray(path[:, 0]), dt=dt)
    deviation = jnp.sqrt(jnp.diagonal(out.state.covariance, axis1=1, axis2=2))
    assert (jnp.abs(out.state.mean - path)[-20:] < 4 * deviation[-20:]).all()
    assert jnp.abs(out.state.mean[-1] - path[-1]).max() < 0.01


def test_bad_input():
    kalman = model("covariance")
    with pytest.raises(ValueError, match="form must be one of"):
        model("square_root")
    with pytest.raises(ValueError, match=r"must be \(n,\) and \(n, n\), got \(2,\) and \(3, 3\)"):
        kalman.init(jnp.zeros(2), jnp.eye(3))
    with pytest.raises(ValueError, match=r"has 3 values, but observe\(\) returns 2"):
        bayes.filter(kalman.step, PARAMS, kalman.init(jnp.zeros(2), jnp.eye(2)), jnp.ones((4, 3)))


@pytest.mark.parametrize(
    ("process", "observation", "form", "message"),
    [
        (jnp.ones(2), jnp.eye(2), "covariance", r"process_noise\(\) .* \(2, 2\), .* shape \(2,\)"),
        (jnp.array(0.1), jnp.eye(2), "covariance", r"process_noise\(\) .* got the shape \(\)"),
        (jnp.eye(2), jnp.ones(2), "covariance", r"observation_noise\(\) .* got the shape \(2,\)"),
        (jnp.eye(2), jnp.array(0.1), "square root", r"observation_noise\(\) .* shape \(\)"),
        (jnp.ones((1, 2)), jnp.eye(2), "square root", r"process_noise\(\) .* \(1, 2\)"),
    ],
)
def test_a_noise_that_would_be_broadcast_is_refused(process, observation, form, message):
    """A variance that was added to every entry of a covariance gave a plausible density."""
    kalman = bayes.kalman(
        transition,
        observe,
        process_noise=lambda p, dt: process,
        observation_noise=lambda p: observation,
        form=form,
    )
    with pytest.raises(ValueError, match=message):
        bayes.filter(kalman.step, PARAMS, kalman.init(jnp.zeros(2), jnp.eye(2)), jnp.ones((4, 2)))


def test_a_state_of_another_shape_is_refused():
    kalman = bayes.kalman(
        lambda p, x, dt: x[0],
        lambda p, x: x,
        process_noise=lambda p, dt: jnp.eye(1),
        observation_noise=lambda p: jnp.eye(1),
    )
    with pytest.raises(ValueError, match=r"transition\(\) must return .* \(1,\), got \(\)"):
        bayes.filter(kalman.step, {}, kalman.init(jnp.zeros(1), jnp.eye(1)), jnp.ones(3))


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        ([[-0.1, 0.0], [0.0, 1.0]], "negative eigenvalues, got -0.1"),
        ([[1.0, 2.0], [2.0, 1.0]], "negative eigenvalues, got -1"),
        ([[1.0, 0.5], [0.0, 1.0]], "must be symmetric"),
        ([[jnp.nan, 0.0], [0.0, 1.0]], "must be finite"),
    ],
)
def test_a_matrix_that_is_no_covariance_is_refused(covariance, message):
    with pytest.raises(ValueError, match=message):
        model("covariance").init(jnp.zeros(2), jnp.array(covariance))


@pytest.mark.parametrize("covariance", [jnp.zeros((2, 2)), jnp.diag(jnp.array([1.0, 0.0]))])
def test_a_root_of_a_singular_covariance_is_refused(covariance):
    with pytest.raises(ValueError, match="positive definite in square roots, got the eigenvalue 0"):
        model("square root").init(jnp.zeros(2), covariance)


def test_a_factor_in_place_of_a_covariance_is_a_flag():
    pair = bayes.kalman(
        lambda p, x, dt: x,
        lambda p, x: x,
        process_noise=lambda p, dt: jnp.eye(2),
        observation_noise=lambda p: p,
    )
    root = jnp.array([[1.0, 0.0], [0.9, 0.4]])
    state = pair.init(jnp.zeros(2), jnp.eye(2))
    density = lambda p: bayes.filter(pair.step, p, state, jnp.ones((3, 2))).log_density  # noqa: E731
    assert jnp.isnan(density(root)) and jnp.isfinite(density(root @ root.T))


def walk(form, process, noise):
    return bayes.kalman(
        lambda p, x, dt: jnp.eye(1) @ x,
        lambda p, x: x[0],
        process_noise=lambda p, dt: process * jnp.eye(1),
        observation_noise=lambda p: noise,
        form=form,
    )


@pytest.mark.parametrize("form", ["covariance", "square root"])
def test_a_model_in_more_digits_than_its_state(form):
    small = [jnp.asarray(a, jnp.float32) for a in ([0.0], [[1.0]], [1.0, 2.0])]
    found = walk(form, 1.0, 1.0)
    out = bayes.filter(found.step, {}, found.init(*small[:2]), small[2])
    assert {a.dtype for a in jax.tree.leaves(out)} == {np.dtype("float32")}
    np.testing.assert_allclose(out.state.mean[:, 0], [2 / 3, 1.5], rtol=1e-5)


@pytest.mark.parametrize(("process", "noise"), [(-0.5, 1.0), (1.0, -0.1)])
def test_a_negative_variance_of_noise_is_a_flag(process, noise):
    """Though the sum with the state's variance is positive."""
    found = walk("covariance", process, noise)
    state = found.init(jnp.zeros(1), jnp.eye(1))
    assert jnp.isnan(bayes.filter(found.step, {}, state, jnp.zeros(1)).log_density)
