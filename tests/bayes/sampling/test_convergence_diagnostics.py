"""Split R̂ and the effective sample size, on chains whose autocorrelation is known."""

import numpy as np
import pytest

from jaxsci import bayes


def chains(correlation, m=8, n=4000):
    """Autoregressive chains with unit variance."""
    rng = np.random.default_rng(0)
    x = np.zeros((m, n))
    x[:, 0] = rng.normal(size=m)
    for k in range(1, n):
        x[:, k] = correlation * x[:, k - 1] + np.sqrt(1 - correlation**2) * rng.normal(size=m)
    return x


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, -0.4])
def test_effective_draws_of_autoregressive_chains(correlation):
    found = bayes.health(chains(correlation))
    exact = 8 * 4000 * (1 - correlation) / (1 + correlation)
    np.testing.assert_allclose(found.effective, exact, rtol=0.15)
    assert abs(found.r_hat - 1) < 0.01


def test_chains_that_disagree_or_drift():
    x = chains(0.0, n=1000)
    apart, drift = x + np.arange(8)[:, None], x + np.linspace(0, 3, 1000)[None]
    found = bayes.health({"apart": apart, "drift": drift})
    # Variances between the means, over those inside: those of 0 ... 7, and of two halves.
    np.testing.assert_allclose(found.r_hat["apart"], np.sqrt(1 + 8 * 7.5 / 12 * 16 / 15), rtol=0.1)
    assert found.r_hat["drift"] > 1.2
    assert found.effective["apart"] < 50


def test_a_common_offset_takes_no_digits_of_float32():
    x = chains(0.0, n=1000).astype(np.float32)
    near, far = bayes.health(x), bayes.health(np.float32(2**20) + np.round(x * 2**4) / 2**4)
    assert near.r_hat.dtype == near.effective.dtype == np.float32
    exact = bayes.health(np.round(x.astype(float) * 2**4) / 2**4)
    np.testing.assert_allclose(far.r_hat, exact.r_hat, rtol=1e-5)
    np.testing.assert_allclose(far.effective, exact.effective, rtol=1e-3)


def test_too_few_draws_are_refused():
    with pytest.raises(ValueError, match=r"at least \(1, 8\): got the shapes \[\(4, 7\)\]"):
        bayes.health(np.zeros((4, 7)))


def test_draws_of_one_chain_are_not_taken_for_chains():
    with pytest.raises(ValueError, match=r"same axes .* single chain add an axis"):
        bayes.health({"w": np.zeros((400, 20)), "b": np.zeros((400, 10, 3))})


@pytest.mark.parametrize("still", ["a", "z"])  # before or after the one that moved
def test_what_is_printed_shows_a_parameter_that_never_moved(still):
    params = {"m": chains(0.0, n=100)[..., None], "none": np.zeros((8, 100, 0))}
    assert "nan" not in str(bayes.health(params))
    found = bayes.health(params | {still: np.ones((8, 100))})
    assert str(found) == "Health(R̂ at most nan, effective draws at least nan)"
