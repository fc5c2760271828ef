"""Observations of exponential families, by their sufficient statistics."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from jaxsci import bayes
from jaxsci.bayes import Node
from jaxsci.bayes._filters.hgf.families import family_of

RNG = np.random.default_rng(0)
COUNTS, WAITS, BITS = (
    RNG.poisson(3.0, 12).astype(float),
    RNG.exponential(2.0, 12),
    np.array([1.0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1]),
)
PAIRS = np.random.default_rng(1).normal(size=(30, 2)) @ np.array([[1, 0.4], [0, 0.5]]) + 0.3
# ξ and ν of one prediction of each.
XI, NU = 1.7, 4.0


def _log_waits(y, xi, nu):
    a, b = 2 * nu + 1, nu * xi[0]
    return jnp.log(a * (a + 1) * y) + a * jnp.log(b) - (a + 2) * jnp.log(b + y)


def _positive(y):
    return jnp.where(y > 0, y, jnp.nan)[None]


# A gamma distribution of the shape 2, as a user writes it: 0 is no observation of it.
WAIT = bayes.Family("waits", _positive, _log_waits, lambda xi: xi[0] ** 2 / 2, (1.0,))
KINDS: Any = {"bernoulli": BITS, "poisson": COUNTS, "exponential": WAITS, WAIT: WAITS}


def run(kind, y, first=None, nu=NU, nodes=()):
    net = bayes.hgf((Node(kind), *nodes))
    params = net.params()
    k = len(params["mean"]) // 2
    given = params | {"precision": params["precision"].at[1 : 1 + k].set(nu)}
    if first is not None:
        given["mean"] = params["mean"].at[1 : 1 + k].set(jnp.asarray(first))
    return bayes.filter(net.step, given, net.init(given), jnp.asarray(y))


def _conjugate(likelihood, y, xi, nu, low, high):
    """The average of p(y | θ) over exp(ν (η(θ) ξ - b)) by quadrature, with the measure dη."""

    def integral(f):
        return scipy.integrate.quad(f, low, high, epsabs=0, epsrel=1e-11, limit=200)[0]

    prior = lambda t: likelihood(t, xi) ** nu  # noqa: E731
    return integral(lambda t: prior(t) * likelihood(t, None, y)) / integral(prior)


def _chance(t, xi, y=None):
    p = 1 / (1 + np.exp(-t))
    s = xi if y is None else y
    return p**s * (1 - p) ** (1 - s)


def _rate(t, xi, y=None):
    s = xi if y is None else y
    return np.exp(s * t - np.exp(t) - (0 if y is None else scipy.special.gammaln(y + 1)))


def _decay(shape):
    def likelihood(t, xi, y=None):
        s = xi if y is None else y
        return t**shape * np.exp(-t * s) * (1 if y is None else y ** (shape - 1))

    return likelihood


@pytest.mark.parametrize(
    ("kind", "likelihood", "xi", "y", "limits"),
    [
        ("bernoulli", _chance, 0.3, 1.0, (-40, 40)),
        ("poisson", _rate, XI, 3.0, (-30, 5)),
        ("exponential", _decay(1), XI, 2.5, (0, 30)),
        (WAIT, _decay(2), XI, 2.5, (0, 30)),
    ],
)
def test_a_prediction_is_the_average_over_the_conjugate_density(kind, likelihood, xi, y, limits):
    out = run(kind, [y], [xi])
    exact = _conjugate(likelihood, y, xi, NU, *limits)
    np.testing.assert_allclose(out.log_density, np.log(exact), rtol=1e-8)
    np.testing.assert_allclose(out.state.mean[0, 1], xi + (y - xi) / (NU + 1), rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("bernoulli", lambda y, xi: scipy.stats.bernoulli.logpmf(y, xi)),
        ("poisson", lambda y, xi: scipy.stats.nbinom.logpmf(y, NU * xi, NU / (NU + 1))),
        ("exponential", lambda y, xi: scipy.stats.lomax.logpdf(y, NU + 1, scale=NU * xi)),
        (WAIT, lambda y, xi: scipy.stats.betaprime.logpdf(y, 2, 2 * NU + 1, scale=NU * xi)),
    ],
)
def test_a_series_has_the_known_densities_and_variances(kind, known):
    y = KINDS[kind].copy()
    y[[2, 5]] = np.nan
    out = run(kind, y)
    family = family_of(kind)
    assert family
    xi = family.first[0]
    for value, found, density, precision in zip(
        y, out.state.mean[:, 1], out.log_densities, out.predicted.precision[:, 0], strict=True
    ):
        spread = {"bernoulli": xi * (1 - xi), "poisson": xi, "exponential": xi**2}
        np.testing.assert_allclose(1 / precision, spread.get(kind, xi**2 / 2), rtol=1e-12)
        if np.isnan(value):
            assert density == 0
        else:
            np.testing.assert_allclose(density, known(value, xi), rtol=1e-11)
            xi += (value - xi) / (NU + 1)
        np.testing.assert_allclose(found, xi, rtol=1e-12)


def test_several_values_have_the_statistics_of_pyhgf_and_students_density():
    pair = bayes.multivariate_normal(2)
    out = run(pair, PAIRS, nu=5.0)
    known = [
        [0.06272981, 0.20751214, 0.376285, 0.11282632, 0.30903995],
        [0.42074266, 0.18279289, 0.9134383, 0.38699406, 0.27549312],
    ]
    np.testing.assert_allclose(out.state.mean[jnp.array([9, 29]), 1:6], known, rtol=2e-6)
    xi = np.asarray(out.state.mean[28, 1:6])
    square = np.array([[xi[2], xi[3]], [xi[3], xi[4]]]) - np.outer(xi[:2], xi[:2])
    student: Any = scipy.stats.multivariate_t
    exact = student(xi[:2], square, df=6).logpdf(PAIRS[29])
    np.testing.assert_allclose(out.log_densities[29], exact, rtol=1e-10)
    np.testing.assert_allclose(out.predicted.precision[29, 0], 1 / square[0, 0], rtol=1e-12)


def test_one_value_of_a_multivariate_family_is_the_normal_one():
    y = PAIRS[:8, 0]
    one, other = (run(kind, y) for kind in (bayes.multivariate_normal(1), "normal"))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), one, other)
    assert bayes.multivariate_normal(2) == bayes.multivariate_normal(2)


def test_parents_learn_the_rate_of_each_statistic():
    """The belief about a Poisson rate is a continuous filter of the counts; ν = π̂ / π_noise."""
    nodes = (Node("poisson", (1,)), Node("volatile"))
    alone = (Node("continuous", (1,)), Node("volatile"))
    outs, noise = [], 0.5
    for graph in (nodes, alone):
        net = bayes.hgf(graph)
        params = net.params() | {"precision": jnp.array([noise, 1.0, 1.0])}
        params["mean"] = jnp.array([0.0, 2.0, 0.0])
        outs.append(bayes.filter(net.step, params, net.init(params), jnp.asarray(COUNTS)))
    one, other = outs
    np.testing.assert_allclose(one.state.mean[:, 1:], other.state.mean[:, 1:], rtol=1e-12)
    xi, nu = other.predicted.mean[:, 1], other.predicted.precision[:, 1] / noise
    exact = scipy.stats.nbinom.logpmf(COUNTS, nu * xi, nu / (nu + 1))
    np.testing.assert_allclose(one.log_densities, exact, rtol=1e-10)


def test_families_beside_other_nodes_take_their_values_in_order():
    net = bayes.hgf(
        (
            Node(bayes.multivariate_normal(2)),
            Node("continuous", (2,)),
            Node("continuous"),
            Node("poisson"),
        )
    )
    params = net.params()
    y = jnp.column_stack([PAIRS[:5], WAITS[:5], COUNTS[:5]])
    out = bayes.filter(net.step, params, net.init(params), y)
    alone = run(bayes.multivariate_normal(2), PAIRS[:5], nu=3.0).log_densities
    alone += run("poisson", COUNTS[:5], nu=3.0).log_densities
    pair = bayes.hgf((Node("continuous", (1,)), Node("continuous")))
    given = pair.params()
    alone += bayes.filter(pair.step, given, pair.init(given), y[:, 2]).log_densities
    np.testing.assert_allclose(out.log_densities, alone, rtol=1e-12)


@pytest.mark.parametrize("kind", list(KINDS))
def test_gaps_have_finite_gradients_and_what_cannot_be_is_a_flag(kind):
    net = bayes.hgf((Node(kind),))
    params, y = net.params(), jnp.asarray(KINDS[kind]).at[3].set(jnp.nan)

    def density(given):
        return bayes.filter(net.step, given, net.init(given), y).log_density

    slopes = jax.grad(density)(params)
    assert all(jnp.isfinite(a).all() for a in slopes.values())
    impossible = run(kind, y.at[5].set(-1.5))
    assert jnp.isfinite(impossible.log_densities[:5]).all()
    assert jnp.isnan(impossible.log_densities[5:]).all()
    assert jnp.isnan(impossible.state.mean[5:, 1]).all()


def test_families_of_other_shapes_are_refused():
    for wrong, message in (
        ({"statistics": lambda y: jnp.stack([y, y])}, r"statistics of waits must .* \(1,\)"),
        ({"log_density": lambda y, xi, nu: xi}, r"log_density of waits must .* got \(1,\)"),
        ({"variance": lambda xi: xi}, r"variance of waits must return the shape \(\)"),
        ({"first": ()}, "waits needs at least one statistic"),
        ({"size": 0}, "waits needs at least one statistic"),
        ({"example": 0.0}, "statistics of waits are NaN for its example, 0.0"),
    ):
        with pytest.raises(ValueError, match=message):
            bayes.hgf((Node(replace(WAIT, **wrong)),))
    with pytest.raises(ValueError, match="Node 0 is poisson: it takes value parents .*, 1, or no"):
        bayes.hgf((Node("poisson", (1, 2)), Node("continuous"), Node("continuous")))
    with pytest.raises(ValueError, match="Node 1 is waits and a parent"):
        bayes.hgf((Node("continuous", (1,)), Node(WAIT)))
    for size in (0, 1.5):
        with pytest.raises(ValueError, match=f"size must be a number of values.* got {size}"):
            bayes.multivariate_normal(size)  # pyright: ignore
    with pytest.raises(ValueError, match=r"has 3 values, but 1 nodes .* which take \[2\]"):
        run(bayes.multivariate_normal(2), jnp.ones((4, 3)))
