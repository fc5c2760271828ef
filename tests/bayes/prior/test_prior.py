"""A normal prior: its density, its draws, and what it is to a sampler and to `laplace`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import bayes

PARAMS = {"w": 0.5 * jnp.ones((3, 2)), "b": jnp.array([0.1, -0.2])}
SCALES = {"w": 2.0, "b": 0.3}


def test_density_and_draws_are_normal():
    prior = bayes.prior(PARAMS, scales=SCALES)
    logs = [jax.scipy.stats.norm.logpdf(PARAMS[k], 0, SCALES[k]).sum() for k in SCALES]
    np.testing.assert_allclose(prior.log_density(PARAMS), sum(logs), rtol=1e-13)
    draws = jax.vmap(prior.sample)(jax.random.split(jax.random.key(0), 20_000))
    for name, scale in SCALES.items():
        deviation = jnp.sqrt(jnp.mean(draws[name] ** 2, 0))
        np.testing.assert_allclose(deviation, scale, rtol=4 * np.sqrt(0.5 / 20_000))
    assert draws["w"].shape[1:] == (3, 2)


def test_whitened_parameters_have_a_unit_prior():
    prior = bayes.prior(PARAMS, scales=SCALES)
    z = prior.white(jax.random.key(1))
    theta = prior.whiten(z)
    jax.tree.map(np.testing.assert_array_equal, theta, prior.sample(jax.random.key(1)))
    unit = sum(jax.scipy.stats.norm.logpdf(leaf).sum() for leaf in jax.tree.leaves(z))
    volume = 6 * np.log(2.0) + 2 * np.log(0.3)
    np.testing.assert_allclose(prior.log_density(theta), unit - volume, rtol=1e-12)


def test_a_likelihood_becomes_a_density_of_whitened_parameters():
    prior = bayes.prior(PARAMS, scales=SCALES)
    z, batch = prior.white(jax.random.key(1)), jnp.arange(3.0)
    likelihood = lambda p, b: -jnp.sum(p["w"] * b[:, None] ** 2) + jnp.sum(p["b"])  # noqa: E731
    square = sum(np.sum(np.asarray(leaf) ** 2) for leaf in jax.tree.leaves(z))
    right = likelihood(prior.whiten(z), batch) - square / 2
    np.testing.assert_allclose(prior.whitened(likelihood)(z, batch), right, rtol=1e-14)


def test_scales_as_initialised_and_of_one_number():
    scales = jax.tree.map(jnp.exp, bayes.prior(PARAMS | {"v": jnp.zeros((2, 2))}).log_scales)
    np.testing.assert_allclose([scales["w"], scales["b"], scales["v"]], [0.5, 1, 1], rtol=1e-12)
    same = bayes.prior(PARAMS, scales=2.0)
    np.testing.assert_allclose([same.precision["w"], same.precision["b"]], 0.25, rtol=1e-12)


def test_laplace_takes_its_precision():
    prior = bayes.prior({"a": jnp.array(1.0)}, scales=2.0)
    x = jnp.array([1.0, 2.0])
    line = lambda p, x: p["a"] * x  # noqa: E731
    found = jsci.laplace(line, {"a": 1.0}, x, prior=prior.precision, noise=1.0)
    np.testing.assert_allclose(found.covariance, 1 / (5 + 0.25), rtol=1e-12)


def test_numbers_are_parameters_too():
    prior = bayes.prior({"a": 1.0}, scales=2.0)
    known = -0.5 * 0.25 - np.log(2.0) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(prior.log_density({"a": 1.0}), known, rtol=1e-12)
    np.testing.assert_allclose(prior.whiten({"a": 1.0})["a"], 2.0, rtol=1e-12)


def test_the_density_of_several_draws_is_not_one_number():
    with pytest.raises(ValueError, match=r"leaves of the shapes \[\(2,\), \(3, 2\)\], got"):
        bayes.prior(PARAMS).log_density({"w": jnp.ones((5, 3, 2)), "b": jnp.ones((5, 2))})


@pytest.mark.parametrize(
    ("params", "scales", "error", "message"),
    [
        ({}, None, ValueError, "no leaves"),
        ({"a": jnp.arange(3)}, None, TypeError, "real arrays, got a leaf of int"),
        (PARAMS, {"w": 1.0}, ValueError, "a number for each leaf; got"),
        (PARAMS, {"w": 1.0, "b": 0.0}, ValueError, "must be positive and finite, got 0.0"),
        (PARAMS, jnp.inf, ValueError, "must be positive and finite, got inf"),
        (PARAMS, {"w": 1.0, "b": jnp.ones(2)}, ValueError, r"one number for each leaf, got \(2,\)"),
    ],
)
def test_bad_input(params, scales, error, message):
    with pytest.raises(error, match=message):
        bayes.prior(params, scales=scales)


def test_integers_in_units_of_the_scales():
    whitened = bayes.prior({"a": jnp.zeros(2)}, scales=0.5).whiten({"a": jnp.array([1, 2])})
    np.testing.assert_allclose(whitened["a"], [0.5, 1.0], rtol=1e-12)
