"""Nodes of several levels: volatile ones, and normal ones by their sufficient statistics."""

from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxsci import bayes
from jaxsci.bayes import Node
from jaxsci.bayes._filters.hgf.hgf import Update

SERIES = np.cumsum(np.random.default_rng(0).normal(size=30))
VOLATILE = (Node("continuous", (1,)), Node("volatile"))
LEARNED = (
    Node("normal", (1, 2)),
    Node("continuous", (), (3,)),
    Node("continuous", (), (4,)),
    Node("continuous"),
    Node("continuous"),
)
# Of pyhgf 0.2.12 in float32: mean and precision of the value, then of its volatility, after 10 and
# 30 observations.
PYHGF = {
    "ehgf": [
        [1.26717651, 5.85197544, 0.218284026, 1.03599656],
        [-3.63933039, 5.727705, -0.0689392835, 0.923919857],
    ],
    "standard": [
        [1.27467453, 5.89515686, 0.144426137, 1.03497028],
        [-3.63640332, 5.78288221, -0.107575499, 0.923289716],
    ],
    "unbounded": [
        [1.2712121, 5.87484074, 0.189107433, 0.911145627],
        [-3.63382983, 5.82752037, -0.17983298, 0.793665051],
    ],
}


def run(nodes, y: Any = SERIES, *, update: Update = "ehgf", **given: Any):
    net = bayes.hgf(nodes, update=update)
    params = net.params() | {name: jnp.asarray(value) for name, value in given.items()}
    return bayes.filter(net.step, params, net.init(params), jnp.asarray(y))


@pytest.mark.parametrize("update", get_args(Update))
def test_a_volatile_node_has_the_states_of_pyhgf_and_is_two_continuous_ones(update):
    given: Any = {
        "mean": [0.0, 0.5, 0.3],
        "precision": [4.0, 2.0, 1.5],
        "tonic_volatility": [0.0, -1.0, -2.0],
        "volatility_coupling": [0.7],
    }
    out = run(VOLATILE, update=update, **given)
    found = jnp.stack([out.state.mean[:, 1:], out.state.precision[:, 1:]], -1).reshape(30, 4)
    np.testing.assert_allclose(found[jnp.array([9, 29])], PYHGF[update], rtol=1e-5)
    pair = (Node("continuous", (1,)), Node("continuous", (), (2,)), Node("continuous"))
    apart = run(pair, update=update, **given)
    jax.tree.map(np.testing.assert_array_equal, out, apart)


def fixed(y, count=5.0):
    """ξ and the log density of each observation, at the rate 1 / (ν + 1)."""
    xi, found, logs = np.array([0.2, 1.5]), [], []
    for value in y:
        if not np.isnan(value):
            scale = np.sqrt(xi[1] - xi[0] ** 2)
            logs.append(scipy.stats.t.logpdf(value, count + 1, xi[0], scale))
            xi = xi + (np.array([value, value**2]) - xi) / (count + 1)
        else:
            logs.append(0.0)
        found.append(xi)
    return np.stack(found), np.array(logs)


def test_sufficient_statistics_at_a_fixed_rate():
    y = np.where(np.isin(np.arange(30), (3, 4, 17)), np.nan, SERIES)
    out = run((Node("normal"),), y, mean=[0.0, 0.2, 1.5, 0.0], precision=[1.0, 5.0, 5.0, 1.0])
    means, logs = fixed(y)
    np.testing.assert_allclose(out.state.mean[:, 1:3], means, rtol=1e-12)
    np.testing.assert_allclose(out.log_densities, logs, rtol=1e-10, atol=1e-14)
    before = np.concatenate([[[0.2, 1.5]], means[:-1]])
    np.testing.assert_allclose(out.predicted.mean[:, 0], before[:, 0], rtol=1e-12)
    variance = before[:, 1] - before[:, 0] ** 2
    np.testing.assert_allclose(1 / out.predicted.precision[:, 0], variance, rtol=1e-11)


def test_a_fixed_rate_has_the_statistics_of_pyhgf():
    out = run((Node("normal"),), precision=[1.0, 5.0, 5.0, 1.0])
    known = [[1.0742406, 2.2334194], [-3.027603, 10.4671135]]
    np.testing.assert_allclose(out.state.mean[jnp.array([9, 29]), 1:3], known, rtol=1e-5)


def test_learned_rates_have_the_states_of_pyhgf():
    """Of pyhgf with statistics that are no random walks themselves; its ν is one more than ours."""
    noise = 1 / (1 + np.exp(-4.0))
    out = run(LEARNED, SERIES / 3, mean=np.zeros(6), precision=[noise, 1.0, 1.0, 1.0, 1.0, noise])
    at = jnp.array([9, 29])
    means = [
        [0.352660149, 0.220717177, -0.0650600791, -0.065999642],
        [-0.934823036, 1.12071836, -0.157169372, -0.114042267],
    ]
    precisions = [
        [7.10038519, 7.10202169, 0.917419791, 0.91804862],
        [8.29473877, 8.15052319, 0.841004312, 0.822167218],
    ]
    np.testing.assert_allclose(out.state.mean[at, 1:5], means, rtol=1e-5)
    np.testing.assert_allclose(out.state.precision[at, 1:5], precisions, rtol=1e-5)
    counts = out.state.precision[:, 1:3].mean(1) / noise
    np.testing.assert_allclose(counts[at], [7.2312694, 8.373237], rtol=1e-5)


def test_learned_rates_are_filters_of_y_and_of_its_square():
    given: Any = {
        "mean": [0.0, 0.2, 1.5, 0.1, 0.0, 0.0],
        "precision": [2.0, 3.0, 4.0, 1.0, 1.0, 0.5],
    }
    y = np.where(np.arange(30) == 5, np.nan, SERIES / 3)
    out = run(LEARNED, y, **given)
    alone = (Node("continuous", (1,)), Node("continuous", (), (2,)), Node("continuous"))
    moments = []
    for values, places in ((y, [0, 1, 3]), (y**2, [5, 2, 4])):
        one: Any = {name: np.array(value)[places] for name, value in given.items()}
        own = run(alone, values, **one)
        np.testing.assert_allclose(
            out.state.mean[:, jnp.array(places[1:])], own.state.mean[:, 1:], rtol=1e-12
        )
        moments.append(
            (own.predicted.mean[:, 1], own.predicted.precision[:, 1] / one["precision"][0])
        )
    (mean, count), (square, other) = moments
    count = (count + other) / 2
    exact = scipy.stats.t.logpdf(y, count + 1, mean, np.sqrt(square - mean**2))
    np.testing.assert_allclose(out.log_densities, np.where(np.isnan(y), 0, exact), rtol=1e-10)


def test_moments_of_no_distribution_are_a_flag_and_gaps_have_finite_gradients():
    start = [0.0, 2.0, 1.0, 0.0]
    assert jnp.isnan(run((Node("normal"),), mean=start).log_densities[0])
    net = bayes.hgf((Node("normal"),))
    params = net.params()
    y = jnp.asarray(SERIES).at[3].set(jnp.nan)

    def density(count):
        given = params | {"precision": params["precision"].at[1:3].set(count)}
        return bayes.filter(net.step, given, net.init(given), y).log_density

    many = jax.vmap(jax.value_and_grad(density))(jnp.array([2.0, 4.0, 4.000002]))
    np.testing.assert_allclose(many[1][1], (many[0][2] - many[0][1]) / 2e-6, rtol=1e-4)
    assert jnp.isfinite(many[1]).all()


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((Node("volatile", (1,)), Node("continuous")), "Node 0 is volatile: it is hidden"),
        (
            (Node("continuous", (1,)), Node("volatile", (), (2,)), Node("continuous")),
            "Node 1 is volatile.*takes no volatility parents.*got .* and \\(2,\\)",
        ),
        (
            (Node("normal", (1,)), Node("continuous")),
            "Node 0 is normal: it takes value parents for its statistics, 2, or none",
        ),
        (
            (Node("normal", (), (1,)), Node("continuous")),
            "Node 0 is normal.*no volatility parents",
        ),
        ((Node("continuous", (1,)), Node("normal")), "Node 1 is normal and a parent"),
        ((Node("normal", (1, 7)), Node("continuous")), "Node 0 has the parent 7, but there are 2"),
        (
            (Node("normal", (1, 2)), Node("volatile", (2,)), Node("volatile", (1,))),
            r"depend on each other in a circle, 1 -> 2 -> 1",
        ),
    ],
)
def test_graphs_that_are_refused_when_they_are_made(nodes, message):
    with pytest.raises(ValueError, match=message):
        bayes.hgf(nodes)


def test_a_normal_node_takes_one_value():
    net = bayes.hgf((Node("normal"),))
    params = net.params()
    with pytest.raises(ValueError, match="An observation has 2 values, but 1 nodes are observed"):
        bayes.filter(net.step, params, net.init(params), jnp.ones((3, 2)))
    with pytest.raises(ValueError, match="params must have the shapes"):
        net.init(params | {"mean": jnp.zeros(1)})
