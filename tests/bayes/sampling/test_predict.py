"""Mixtures of draws: their moments and scores against sums and integrals written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import bayes

DRAWS = {"a": jnp.array([0.9, 1.1, 1.6])}
X, Y = jnp.array([1.0, 2.0]), jnp.array([1.2, 1.5])
SPREAD = 0.3


def line(p, x):
    return p["a"] * x


FOUND = bayes.predict(line, DRAWS, X, noise=SPREAD)


def density(y):
    """Of the mixture, (len(y), 2)."""
    each = np.exp(-0.5 * ((y[:, None, None] - np.asarray(FOUND.draws)) / SPREAD) ** 2)
    return each.mean(1) / SPREAD / np.sqrt(2 * np.pi)


def test_moments_and_scores_are_those_of_the_mixture():
    np.testing.assert_allclose(FOUND.mean, 1.2 * X, rtol=1e-13)
    np.testing.assert_allclose(FOUND.variance, np.var([0.9, 1.1, 1.6]) * X**2 + 0.09, rtol=1e-12)
    exact = np.log(np.diag(density(np.asarray(Y))))
    np.testing.assert_allclose(FOUND.log_score(Y), exact, rtol=1e-12)
    grid = np.linspace(-3, 8, 40_001)
    below = np.cumsum(density(grid), 0) * (grid[1] - grid[0])
    for i, y in enumerate(np.asarray(Y)):
        quantile = below[np.searchsorted(grid, y), i]
        np.testing.assert_allclose(FOUND.quantile(Y)[i], quantile, atol=1e-3)
        score = np.sum((below[:, i] - (grid >= y)) ** 2) * (grid[1] - grid[0])
        np.testing.assert_allclose(FOUND.crps(Y)[i], score, rtol=2e-3)


def test_values_from_the_mixture_are_covered_as_often_as_they_should_be():
    x = jnp.ones(4000)
    key, other = jax.random.split(jax.random.key(0))
    y = jax.random.choice(key, DRAWS["a"], (4000,)) + SPREAD * jax.random.normal(other, (4000,))
    found = bayes.predict(line, DRAWS, x, noise=SPREAD)
    for level in (0.5, 0.9):
        error = np.sqrt(level * (1 - level) / 4000)
        assert abs(found.coverage(y, level) - level) < 4 * error


def test_noise_that_is_inferred_too():
    draws = DRAWS | {"s": jnp.array([0.1, 0.2, 0.3])}
    found = bayes.predict(line, draws, X, noise=lambda p, x: p["s"] * x)
    noise = np.outer([0.1, 0.2, 0.3], X)
    np.testing.assert_allclose(found.noise, noise, rtol=1e-13)
    known = np.var(found.draws, axis=0) + np.mean(noise**2, axis=0)
    np.testing.assert_allclose(found.variance, known, rtol=1e-12)


def test_coverage_of_what_is_not_a_number_is_none():
    """A missing value counted as one outside the interval."""
    assert jnp.isnan(FOUND.coverage(jnp.array([1.2, jnp.nan])))


def test_inferred_noise_that_is_not_positive_is_a_flag():
    found = bayes.predict(line, DRAWS, X, noise=lambda p, x: 1.5 - x)
    np.testing.assert_array_equal(jnp.isnan(found.variance), [False, True])
    assert jnp.isnan(found.coverage(Y))


def test_noise_of_a_model_of_integers_is_not_rounded():
    found = bayes.predict(lambda p, x: p * x, jnp.array([1, 3]), jnp.array([1, 2]), noise=1.5)
    np.testing.assert_allclose(found.variance, [1 + 1.5**2, 4 + 1.5**2], rtol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="two draws or more"):
        bayes.predict(line, {"a": jnp.ones(1)}, X, noise=1.0)
    with pytest.raises(ValueError, match="noise must be positive, got 0.0"):
        bayes.predict(line, DRAWS, X, noise=0.0)
    with pytest.raises(TypeError, match="f must return one array for one input, got dict"):
        bayes.predict(lambda p, x: {"y": p["a"] * x}, DRAWS, X, noise=1.0)
    with pytest.raises(TypeError, match="f must return real numbers, got complex128"):
        bayes.predict(lambda p, x: 1j * p["a"] * x, DRAWS, X, noise=1.0)
    with pytest.raises(ValueError, match=r"noise of \(4,\) does not fit predictions of \(3, 2\)"):
        bayes.predict(line, DRAWS, X, noise=jnp.ones(4))
    with pytest.raises(ValueError, match=r"y must have the shape \(2,\), got \(3,\)"):
        FOUND.log_score(jnp.ones(3))
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        FOUND.coverage(Y, 90)


def test_what_samplers_return_is_taken_as_it_is():
    """Draws as their parameters, and chains as one set of draws."""
    log_density = lambda p: -0.5 * jnp.sum((p["a"] - 1.0) ** 2)  # noqa: E731
    sampler, key = bayes.langevin(adapt=20), jax.random.key(0)
    one = bayes.draws(key, sampler, log_density, {"a": jnp.zeros(())}, steps=100)
    direct = bayes.predict(line, one.params, X, noise=SPREAD)
    for expected, got in zip(direct, bayes.predict(line, one, X, noise=SPREAD), strict=True):
        np.testing.assert_array_equal(got, expected)
    found = bayes.chains(
        key, sampler, log_density, {"a": jnp.zeros(())}, steps=100, count=3, progress=False
    )
    several = bayes.predict(line, found, X, noise=SPREAD)
    assert several.draws.shape == (30, 2)
    values = np.asarray(found.params["a"]).reshape(-1, 1) * np.asarray(X)
    np.testing.assert_allclose(several.draws, values, rtol=1e-14)
