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
# And its 614 exchange rates, in steps of 1e-4 after the first.
STEPS = """
10357 -38 40 -16 -40 25 -17 15 -79 -2 -70 3 6 5 52 18 3 3 21 112 51 -39 12 -8 -11 32 37 41 22 78
0 -17 -28 -10 56 110 5 -1 7 -40 -32 18 70 10 1 16 -61 1 76 42 -73 -1 1 33 11 34 -80 -22 -2 53 8
-89 25 29 -18 0 -29 49 -27 -36 -86 -32 -1 28 -31 -42 47 10 25 -1 -15 -14 95 27 -32 -27 -6 -13 8
-61 -52 54 36 0 2 69 28 33 -51 -37 -7 -63 -21 -43 39 33 19 1 35 -3 41 46 34 -45 1 26 35 74 -29
-51 -1 -3 60 102 160 31 -19 -33 -4 -48 66 8 29 113 96 1 21 -15 162 -1 -12 1 1 68 58 -45 -35 0 51
0 -36 33 -26 -28 30 66 1 -6 -65 -76 -50 33 28 -1 -100 -18 -85 -121 0 -78 -11 -4 2 -4 -46 -51 -65
2 -44 -25 -49 -120 -41 -9 1 9 -36 -34 -53 32 30 0 37 -35 -18 -100 -6 50 0 4 -1 2 -76 45 68 0 -46
70 8 -124 -52 5 0 4 -34 76 24 -55 -33 -1 37 113 9 -16 -18 -4 0 -103 9 -2 -52 -20 -1 1 21 8 -82
-24 -11 25 0 -9 -86 -42 -15 32 6 0 -28 -29 -10 31 73 -5 0 -81 -119 27 55 53 -34 1 -39 -33 -129
-41 -29 -3 2 14 -34 -49 18 -1 -38 0 1 -57 -46 -8 16 -17 -2 3 -8 -46 -59 42 36 -2 -1 70 -23 10 92
31 -2 -66 75 109 -39 6 -28 0 44 -13 -69 -115 -86 42 0 16 0 60 8 45 53 -2 7 51 75 -35 40 -20 -1
-19 -3 47 30 31 25 -2 -21 -20 38 -35 -117 -146 1 61 11 71 -30 -29 -7 0 -33 -135 -25 61 -48 58 0
-19 -59 -64 0 52 18 0 -4 -85 -23 -101 -50 -8 -1 3 59 136 117 -12 26 0 -9 35 21 -45 -33 -8 0 11
-31 -22 -8 48 -48 0 -24 -94 -38 8 6 -22 1 -6 -7 -44 62 67 58 4 2 0 64 1 86 24 1 -15 -30 -42 -90
-60 -51 -2 17 -24 -77 -83 -9 16 1 -8 20 -37 4 32 -45 -3 5 52 19 -10 -2 -15 -2 -24 -61 -59 -140
18 -19 -2 35 -7 -1 47 41 77 2 -9 -13 33 -49 61 14 1 -8 3 -26 -34 -51 -54 6 2 -64 -46 -32 -6 -6 0
27 23 -33 -95 12 6 0 -35 -33 -47 -25 -31 -39 0 5 -20 -28 15 98 69 -3 -37 9 55 42 8 62 1 -48 -38
-41 11 -16 -21 2 32 10 -54 -74 -117 -81 -1 18 0 -38 -49 -25 -61 1 14 0 8 22 32 16 0 -28 -9 90 24
-27 5 1 -19 -39 -28 0 -29 -41 1 23 -25 -4 28 92 20 3 9 -22 -55 13 13 -60 0 -4 -19 -70 -132 13 -4
-5 0 44 27 -18 -19 11 -7 -102 -58 -13 3 -51 -105 8 9 -103 -88 41 -71 23 -17 -74 -154 -180 157
260 108 4 95 -25 61 8 -19 -51 4 19 14 35 26 20 96 1 65 48 -62 -107 -129 4 0 -13 365
"""
RATES = np.cumsum([int(step) for step in STEPS.split()]) / 1e4
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


def test_exchange_rates_have_the_surprise_of_pyhgf():
    """By its convention, which leaves the noise of the observation out; it prints -886.61737 in
    float32, which is 5e-7 off."""
    nodes = (
        Node("continuous", value_parents=(1,)),
        Node("continuous", volatility_parents=(2,)),
        Node("continuous"),
    )
    net = bayes.hgf(nodes)
    params = net.params() | {
        "mean": jnp.array([0.0, RATES[0], 0.0]),
        "precision": jnp.array([1e4, 1e4, 10.0]),
        "tonic_volatility": jnp.array([0.0, -13.0, -2.0]),
    }
    out = bayes.filter(net.step, params, net.init(params), jnp.asarray(RATES))
    mean, precision = out.predicted.mean[:, 1], out.predicted.precision[:, 1]
    surprise = -jax.scipy.stats.norm.logpdf(RATES, mean, precision**-0.5).sum()
    np.testing.assert_allclose(surprise, -886.61786, atol=1e-5)


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
