"""A filter is a scan: missing observations, irregular times, and a step of one's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import bayes


def step(rate, level, now):
    """An average that forgets, with unit noise; the state stays where nothing is seen."""
    error = jnp.where(now.seen, now.value - level, 0)
    log_density = jnp.where(now.seen, -0.5 * (error**2 + jnp.log(2 * jnp.pi)), 0)
    return level + (1 - jnp.exp(-rate * now.dt)) * error, level, log_density


def loop(rate, y, dt):
    level, total, levels = 0.0, 0.0, []
    for value, t in zip(y, dt, strict=True):
        if not np.isnan(value):
            total -= 0.5 * ((value - level) ** 2 + np.log(2 * np.pi))
            level += (1 - np.exp(-rate * t)) * (value - level)
        levels.append(level)
    return total, levels


Y = np.array([1.0, np.nan, -0.5, 2.0])
DT = np.array([1.0, 0.3, 2.0, 0.5])


def test_it_is_the_loop_over_observations_with_gaps_and_irregular_times():
    total, levels = loop(0.7, Y, DT)
    out = bayes.filter(step, jnp.array(0.7), jnp.array(0.0), jnp.asarray(Y), dt=jnp.asarray(DT))
    np.testing.assert_allclose(out.log_density, total, rtol=1e-13)
    np.testing.assert_allclose(out.state, levels, rtol=1e-13)
    np.testing.assert_allclose(out.predicted, [0.0, *levels[:-1]], rtol=1e-13)


def test_a_mask_and_nan_say_the_same_and_gradients_are_finite():
    density = lambda rate, y, mask: bayes.filter(step, rate, 0.0, y, mask=mask).log_density  # noqa: E731
    by_nan = jax.value_and_grad(density)(0.7, jnp.asarray(Y), None)
    filled, mask = jnp.where(jnp.isnan(Y), 99.0, Y), ~jnp.isnan(Y)
    by_mask = jax.value_and_grad(density)(0.7, filled, mask)
    np.testing.assert_allclose(by_nan, by_mask, rtol=1e-14)
    assert np.isfinite(by_nan).all()
    of_data = jax.grad(density, 1)(0.7, jnp.asarray(Y), None)
    np.testing.assert_array_equal(of_data == 0, np.isnan(Y))


def test_a_series_goes_on_from_its_last_state():
    whole = bayes.filter(step, 0.7, 0.0, jnp.asarray(Y))
    first = bayes.filter(step, 0.7, 0.0, jnp.asarray(Y[:2]))
    rest = bayes.filter(step, 0.7, first.state[-1], jnp.asarray(Y[2:]))
    np.testing.assert_allclose(first.log_density + rest.log_density, whole.log_density, rtol=1e-14)


def test_another_series_of_the_same_length_compiles_nothing(compilations):
    run = lambda y: jax.block_until_ready(bayes.filter(step, 0.7, 0.0, y))  # noqa: E731
    run(jnp.asarray(Y))
    other = jnp.asarray(2 * Y)
    with compilations() as count:
        run(other)
    assert count() == 0


def test_under_jit_a_time_that_runs_backwards_is_a_flag():
    density = lambda dt: bayes.filter(step, 0.7, 0.0, jnp.asarray(Y), dt=dt).log_densities  # noqa: E731
    found = jax.jit(density)(jnp.asarray(DT).at[0].set(-1.0))
    assert jnp.isnan(found[2:]).all()


def test_a_state_may_hold_the_key_of_a_random_step():
    def noisy(scale, state, now):
        key, level = state
        key, drawn = jax.random.split(key)
        return (key, level + scale * jax.random.normal(drawn)), level, jnp.zeros(())

    out = bayes.filter(noisy, 1.0, (jax.random.key(0), 0.0), jnp.zeros(3))
    known = jax.random.normal(jax.random.split(jax.random.key(0))[1])
    np.testing.assert_allclose(out.state[1][0], known, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"observations": jnp.ones(())}, ValueError, r"must be \(T,\) or \(T, m\)"),
        ({"observations": jnp.ones(0)}, ValueError, "at least one"),
        ({"observations": 1j * jnp.ones(4)}, TypeError, "must be real, got complex"),
        ({"mask": jnp.ones(3, bool)}, ValueError, r"mask of shape \(3,\) does not fit"),
        ({"dt": jnp.ones(3)}, ValueError, r"one for each of 4 observations, got \(3,\)"),
        ({"dt": -1.0}, ValueError, "dt must not be negative, got -1.0"),
    ],
)
def test_bad_input(change, error, message):
    options = {"observations": jnp.asarray(Y)} | change
    with pytest.raises(error, match=message):
        bayes.filter(step, 0.7, 0.0, **options)
