"""Hierarchical Gaussian filters against pyhgf 0.2.12, and against the recursion written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import bayes
from jaxsci.bayes import Node

# The 320 binary observations that pyhgf comes with.
BITS = 0xF7FBBFFF7F0480050043DC96FCF7A2DF5D4485020CFBEF7710C4280AFA59FA1673B36D0904100880
BINARY = np.array([int(bit) for bit in f"{BITS:0320b}"], float)
THREE = (
    Node("binary", value_parents=(1,)),
    Node("continuous", volatility_parents=(2,)),
    Node("continuous"),
)
SERIES = np.cumsum(np.random.default_rng(0).normal(size=30))


def density(volatilities, u, nodes=THREE):
    net = bayes.hgf(nodes)
    params = net.params()
    params |= {"tonic_volatility": params["tonic_volatility"].at[1:3].set(volatilities)}
    return bayes.filter(net.step, params, net.init(params), u).log_density


VALUE_AND_GRAD = jax.jit(jax.value_and_grad(density))
AT = jnp.array([-4.0, -6.0])


def test_binary_observations_have_the_density_of_pyhgf():
    value, gradient = VALUE_AND_GRAD(AT, jnp.asarray(BINARY))
    np.testing.assert_allclose(value, -207.28131967, atol=1e-7)
    np.testing.assert_allclose(gradient, [4.65849808, -8.81903e-4], atol=1e-7)


def test_what_is_missing_updates_nothing_and_has_finite_gradients():
    gaps = jnp.asarray(BINARY).at[50:90].set(jnp.nan)
    value, gradient = VALUE_AND_GRAD(AT, gaps)
    assert jnp.isfinite(value) and jnp.isfinite(gradient).all()
    net = bayes.hgf(THREE)
    params = net.params()
    state = bayes.filter(net.step, params, net.init(params), gaps[:90]).state
    np.testing.assert_array_equal(
        state.mean[50:, 1:], jnp.broadcast_to(state.mean[49, 1:], (40, 2))
    )
    assert (jnp.diff(state.precision[49:, 1:], axis=0) < 0).all()


def test_subjects_and_parameters_in_a_batch():
    many = jnp.stack([AT, AT + 0.5])
    subjects = jnp.asarray(BINARY).reshape(2, 160)[:, :20]
    both = jax.vmap(jax.vmap(density, (None, 0)), (0, None))(many, subjects)
    assert both.shape == (2, 2)
    np.testing.assert_allclose(both[1, 0], density(many[1], subjects[0]), rtol=1e-12)


def written_out(y, update):
    """A continuous observation, its hidden value, and the volatility of that, step by step."""
    noise, omega, drift, keep, alpha, kappa = 4.0, (-1.0, -2.0), 0.1, 0.9, 0.8, 0.5
    m1, p1, m2, p2, total = 0.5, 2.0, 0.3, 1.5, 0.0
    for value in y:
        mh2, ph2 = m2, 1 / (1 / p2 + np.exp(omega[1]))
        volatility = np.exp(omega[0] + kappa * mh2)
        mh1, ph1 = keep * m1 + drift, 1 / (1 / p1 + volatility)
        spread = 1 / noise + alpha**2 / ph1
        total -= 0.5 * ((value - alpha * mh1) ** 2 / spread + np.log(2 * np.pi * spread))
        p1 = ph1 + alpha**2 * noise
        m1 = mh1 + alpha * noise / p1 * (value - alpha * mh1)
        gamma, delta = volatility * ph1, ph1 / p1 + ph1 * (m1 - mh1) ** 2 - 1
        p2 = ph2 + 0.5 * (kappa * gamma) ** 2 * (1 + 2 * delta) - 0.5 * kappa**2 * gamma * delta
        m2 = mh2 + 0.5 * kappa * gamma * delta / (ph2 if update == "ehgf" else p2)
    return total, (m1, m2), (p1, p2)


@pytest.mark.parametrize("update", ["ehgf", "standard"])
def test_continuous_observations_follow_the_equations(update):
    nodes = (
        Node("continuous", value_parents=(1,)),
        Node("continuous", volatility_parents=(2,)),
        Node("continuous"),
    )
    net = bayes.hgf(nodes, update=update)
    params = {
        "mean": jnp.array([0.0, 0.5, 0.3]),
        "precision": jnp.array([4.0, 2.0, 1.5]),
        "tonic_volatility": jnp.array([0.0, -1.0, -2.0]),
        "tonic_drift": jnp.array([0.0, 0.1, 0.0]),
        "autoconnection": jnp.array([1.0, 0.9, 1.0]),
        "value_coupling": jnp.array([0.8]),
        "volatility_coupling": jnp.array([0.5]),
    }
    out = bayes.filter(net.step, params, net.init(params), jnp.asarray(SERIES))
    total, means, precisions = written_out(SERIES, update)
    np.testing.assert_allclose(out.log_density, total, rtol=1e-12)
    np.testing.assert_allclose(out.state.mean[-1, 1:], means, rtol=1e-12)
    np.testing.assert_allclose(out.state.precision[-1, 1:], precisions, rtol=1e-12)
    deviation = out.predicted.precision[:, 0] ** -0.5
    scored = jax.scipy.stats.norm.logpdf(SERIES, out.predicted.mean[:, 0], deviation)
    np.testing.assert_allclose(out.log_densities, scored, rtol=1e-12)


def test_one_hidden_value_is_a_kalman_filter():
    net = bayes.hgf((Node("continuous", value_parents=(1,)), Node("continuous")))
    params = net.params() | {"precision": jnp.array([4.0, 0.5])}
    out = bayes.filter(net.step, params, net.init(params), jnp.asarray(SERIES), dt=0.5)
    walk = bayes.kalman(
        lambda p, x, dt: x,
        lambda p, x: x[0],
        process_noise=lambda p, dt: jnp.exp(-4.0) * dt * jnp.eye(1),
        observation_noise=lambda p: jnp.array(0.25),
    )
    first = walk.init(jnp.zeros(1), 2 * jnp.eye(1))
    exact = bayes.filter(walk.step, {}, first, jnp.asarray(SERIES), dt=0.5)
    np.testing.assert_allclose(out.log_densities, exact.log_densities, rtol=1e-12)
    np.testing.assert_allclose(out.state.mean[:, 1], exact.state.mean[:, 0], rtol=1e-12)


def test_two_observations_of_one_value_have_the_density_of_kalmans_filter():
    """They are correlated: the sum of their own densities is not that of both."""
    nodes = (Node("continuous", (2,)), Node("continuous", (2,)), Node("continuous"))
    net = bayes.hgf(nodes)
    params = net.params() | {
        "precision": jnp.array([4.0, 1.0, 0.5]),
        "value_coupling": jnp.array([1.0, 0.7]),
    }
    y = jnp.stack([jnp.asarray(SERIES), 0.7 * jnp.asarray(SERIES) + 0.3], 1)
    y = y.at[3, 0].set(jnp.nan).at[5, 1].set(jnp.nan).at[7].set(jnp.nan)
    out = bayes.filter(net.step, params, net.init(params), y)
    walk = bayes.kalman(
        lambda p, x, dt: x,
        lambda p, x: jnp.array([1.0, 0.7]) * x[0],
        process_noise=lambda p, dt: jnp.exp(-4.0) * dt * jnp.eye(1),
        observation_noise=lambda p: jnp.diag(jnp.array([0.25, 1.0])),
    )
    exact = bayes.filter(walk.step, {}, walk.init(jnp.zeros(1), 2 * jnp.eye(1)), y)
    np.testing.assert_allclose(out.log_densities, exact.log_densities, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(out.state.mean[:, 2], exact.state.mean[:, 0], rtol=1e-12)


def test_two_observed_nodes_inform_their_parent_and_its_parent_each_if_it_is_seen():
    """A choice and a rating of one value, which has a drift of its own."""
    nodes = (
        Node("binary", value_parents=(2,)),
        Node("continuous", value_parents=(2,)),
        Node("continuous", value_parents=(3,)),
        Node("continuous"),
    )
    net = bayes.hgf(nodes)
    params = net.params() | {
        "mean": jnp.array([0.0, 0.0, 0.4, 0.2]),
        "precision": jnp.array([1.0, 2.0, 1.0, 3.0]),
        "value_coupling": jnp.array([1.5, 0.7, 1.0]),
    }
    dt, omega = 2.0, np.exp(-4.0)
    mean3, precision3 = 0.2, 1 / (1 / 3 + dt * omega)
    mean2, precision2 = 0.4 + dt * mean3, 1 / (1 + dt * omega)
    chance = 1 / (1 + np.exp(-1.5 * mean2))
    for choice, rating in ((1.0, 0.3), (np.nan, 0.3), (1.0, np.nan)):
        push = narrowing = density = 0.0
        if not np.isnan(choice):
            push += 1.5 * (choice - chance)
            narrowing += 1.5**2 * chance * (1 - chance)
            density += np.log(chance)
        if not np.isnan(rating):
            push += 0.7 * 2 * (rating - 0.7 * mean2)
            narrowing += 0.7**2 * 2
            variance = 1 / 2 + 0.7**2 / precision2
            gap = rating - 0.7 * mean2
            density -= 0.5 * (gap**2 / variance + np.log(2 * np.pi * variance))
        after = mean2 + push / (precision2 + narrowing)
        above = precision3 + dt**2 * precision2
        drift = mean3 + dt * precision2 * (after - mean2) / above
        y = jnp.array([[choice, rating]])
        out = bayes.filter(net.step, params, net.init(params), y, dt=dt)
        np.testing.assert_allclose(out.log_density, density, rtol=1e-12)
        np.testing.assert_allclose(out.state.mean[0, 2:], [after, drift], rtol=1e-12)
        np.testing.assert_allclose(out.state.precision[0, 3], above, rtol=1e-12)


def test_an_expansion_without_a_maximum_is_a_flag():
    value, _ = VALUE_AND_GRAD(jnp.array([3.0, 2.0]), jnp.asarray(BINARY))
    assert jnp.isnan(value)


def test_what_no_model_can_mean_is_a_flag():
    net = bayes.hgf(THREE)
    params = net.params()
    run = lambda p, u: bayes.filter(net.step, p, net.init(p), u).log_densities  # noqa: E731
    found = run(params, jnp.array([1.0, 0.3, 1.0]))
    assert jnp.isfinite(found[0]) and jnp.isnan(found[1:]).all()
    wrong = params | {"precision": jnp.array([1.0, -40.0, 1.0])}
    assert jnp.isnan(run(wrong, jnp.ones(3))[1:]).all()


def test_a_noise_of_negative_precision_is_a_flag():
    """Its variance was outweighed by that of the hidden value: -1/40 + 1."""
    net = bayes.hgf((Node("continuous", value_parents=(1,)), Node("continuous")))
    params = net.params() | {"precision": jnp.array([-40.0, 1.0])}
    out = bayes.filter(net.step, params, net.init(params), jnp.asarray(SERIES))
    assert jnp.isnan(out.log_density)


@pytest.mark.parametrize(("dtype", "drive"), [(jnp.float32, 80.0), (jnp.float64, 600.0)])
def test_gradients_are_finite_where_a_chance_is_one_to_rounding(dtype, drive):
    net = bayes.hgf((Node("binary", value_parents=(1,)), Node("continuous")))
    params = jax.tree.map(lambda p: p.astype(dtype), net.params())

    def density(mean):
        moved = params | {"mean": params["mean"].at[1].set(mean)}
        return bayes.filter(net.step, moved, net.init(moved), jnp.zeros(1, dtype)).log_density

    value, slope = jax.value_and_grad(density)(jnp.asarray(drive, dtype))
    np.testing.assert_allclose([value, slope], [-drive, -1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "error", "message"),
    [
        ((), ValueError, "needs nodes: at least one observed"),
        (("binary",), TypeError, "Node 0 is 'binary'; write Node"),
        ((Node("discrete"),), ValueError, "Node 0 is of kind 'discrete'"),  # pyright: ignore[reportArgumentType]
        ((Node("binary", (1,)),), ValueError, "Node 0 has the parent 1, but there are 1 nodes"),
        (
            (Node("binary", (1,)), Node("continuous", (2,)), Node("continuous", (), (1,))),
            ValueError,
            r"Nodes \[1, 2\] depend on each other in a circle, 1 -> 2 -> 1",
        ),
        (
            (Node("continuous", (1, 1)), Node("continuous")),
            ValueError,
            r"Node 0 has the value parents \(1, 1\): one of them is there twice",
        ),
        ((Node("binary", 1), Node("continuous")), TypeError, r"a tuple such as \(1,\), got 1"),  # pyright: ignore[reportArgumentType]
        ((Node("binary", (1,)), Node("binary")), ValueError, "Node 1 is binary and a parent"),
        ((Node("continuous"),), ValueError, "Node 0 is observed.*needs a value parent"),
    ],
)
def test_graphs_that_are_refused_when_they_are_made(nodes, error, message):
    with pytest.raises(error, match=message):
        bayes.hgf(nodes)


def test_bad_input():
    net = bayes.hgf(THREE)
    params = net.params()
    with pytest.raises(ValueError, match="update must be one of"):
        bayes.hgf(THREE, update="bounded")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="An observation has 2 values, but 1 nodes are observed"):
        bayes.filter(net.step, params, net.init(params), jnp.ones((3, 2)))
    with pytest.raises(ValueError, match="params must have the shapes"):
        net.init(params | {"mean": jnp.zeros(2)})
    with pytest.raises(ValueError, match="params must have the shapes"):
        bayes.filter(net.step, params | {"drift": 1.0}, net.init(params), jnp.ones(3))
