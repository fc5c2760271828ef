"""Scales that are drawn too: of the draws, and inferred from data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import bayes

PRIOR = bayes.prior({"w": jnp.zeros((3, 2)), "b": jnp.zeros(())}, scales={"w": 2.0, "b": 0.3})


def test_scales_of_the_draws_are_lognormal_around_those_of_the_prior():
    loose = bayes.hierarchical(PRIOR, deviation=0.4)
    draws = jax.jit(jax.vmap(loose.sample))(jax.random.split(jax.random.key(0), 20_000))
    for name, scale in (("w", 2.0), ("b", 0.3)):
        # E θ² = e^2s E e^2σt = scale² e^2σ², with the fourth moment 3 e^8σ² of it.
        square = jnp.mean(draws[name] ** 2, 0) / (scale**2 * np.exp(2 * 0.4**2))
        spread = np.sqrt((3 * np.exp(4 * 0.4**2) - 1) / 20_000)
        np.testing.assert_allclose(square, 1.0, atol=4 * spread)
    # One scale for a leaf: its entries are large together.
    w = jnp.log(draws["w"].reshape(-1, 6) ** 2)
    together = np.corrcoef(w.T)[np.triu_indices(6, 1)].mean()
    known = 4 * 0.4**2 / (4 * 0.4**2 + np.pi**2 / 2)  # log χ² has the variance π²/2
    np.testing.assert_allclose(together, known, atol=0.02)


def test_whitened_at_zero_scales_is_the_prior():
    loose = bayes.hierarchical(PRIOR)
    white = loose.white(jax.random.key(1))
    still = white._replace(scales=jax.tree.map(jnp.zeros_like, white.scales))
    jax.tree.map(np.testing.assert_array_equal, loose.whiten(still), PRIOR.whiten(white.params))


def test_data_choose_the_scale():
    """200 effects of deviation 3 under a prior of scale 1: the posterior of the scale is known."""
    effects = 3 * jax.random.normal(jax.random.key(2), (200,))
    loose = bayes.hierarchical(bayes.prior({"w": jnp.zeros(200)}, scales=1.0), deviation=1.0)

    log_density = loose.whitened(lambda p: -0.5 * jnp.sum(((p["w"] - effects) / 0.1) ** 2))

    def marginal(t):
        variance = np.exp(2 * t) + 0.01
        return -0.5 * (np.sum(effects**2) / variance + 200 * np.log(variance) + t**2)

    grid = np.linspace(0.5, 2, 2000)
    weight = np.exp([marginal(t) - marginal(1.1) for t in grid])
    mean = np.sum(grid * weight) / weight.sum()
    deviation = np.sqrt(np.sum((grid - mean) ** 2 * weight) / weight.sum())
    first = bayes.hierarchical(bayes.prior({"w": effects}, scales=1.0)).white(jax.random.key(0))
    first = first._replace(params={"w": effects})
    sampler = bayes.langevin(0.1, friction=0.1, adapt=3000)
    found = bayes.draws(jax.random.key(1), sampler, log_density, first, steps=30_000)
    t = found.params.scales["w"]
    assert abs(t.mean() - mean) < 0.5 * deviation
    assert 0.6 * deviation < t.std() < 1.5 * deviation


@pytest.mark.parametrize("deviation", [0.0, jnp.inf, jnp.ones(2)])
def test_a_deviation_that_is_not_positive_is_refused(deviation):
    with pytest.raises(ValueError, match="deviation must be positive, one finite number, got"):
        bayes.hierarchical(PRIOR, deviation=deviation)


def test_a_traced_deviation_that_is_not_positive_is_a_flag():
    sample = jax.jit(lambda s: bayes.hierarchical(PRIOR, deviation=s).sample(jax.random.key(0)))
    assert all(jnp.isnan(leaf).all() for leaf in jax.tree.leaves(sample(-0.5)))


def test_what_is_no_prior_is_refused():
    with pytest.raises(TypeError, match="prior must be a Prior"):
        bayes.hierarchical({"w": 1.0})  # pyright: ignore[reportArgumentType]


def test_scales_of_several_draws_are_not_those_of_entries():
    """Five scales for five weights would broadcast along the wrong axis."""
    loose = bayes.hierarchical(bayes.prior({"w": jnp.ones(5)}))
    white = jax.vmap(loose.white)(jax.random.split(jax.random.key(0), 5))
    with pytest.raises(ValueError, match=r"one number for each leaf, got the shape \(5,\)"):
        loose.whiten(white)
    assert jax.vmap(loose.whiten)(white)["w"].shape == (5, 5)
