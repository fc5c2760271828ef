"""One step samples every normal density, with exact gradients and with noisy ones."""

import functools
import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import bayes

VARIANCES = jnp.logspace(-3, 1, 20)
KEYS = jax.random.split(jax.random.key(0), 16)


def wide(x):
    return -0.5 * jnp.sum(x**2 / VARIANCES.astype(x.dtype))


def noisy(x, key):
    """With noise of the gradient of one posterior standard deviation, after the mean of two."""
    noise = jnp.sqrt(2) * jax.random.normal(key, x.shape) / jnp.sqrt(VARIANCES)
    return wide(x) + x @ noise


def same(key):
    return key


def many(log_density, start, batches=None, steps=6000):
    chains = jax.jit(
        jax.vmap(
            lambda key: bayes.draws(
                key, bayes.langevin(), log_density, start, steps=steps, batches=batches
            )
        )
    )
    return chains(KEYS)


@pytest.mark.parametrize("start", [0.0, 10.0], ids=["at the mode", "316 deviations away"])
def test_variances_over_four_orders_of_magnitude(start):
    found = many(wide, jnp.full(20, start))
    ratio = jnp.mean(found.params**2, axis=(0, 1)) / VARIANCES
    assert ratio.min() > 0.95 and ratio.max() < 1.05
    health = bayes.health(found.params)
    assert health.r_hat.max() < 1.01 and found.settled.all()
    assert health.effective.min() > 0.08 * 16 * 6000  # independent draws for each gradient


def test_noise_of_the_gradient_is_not_added_to_that_of_the_dynamics():
    found = many(noisy, jnp.zeros(20), same)
    ratio = jnp.mean(found.params**2, axis=(0, 1)) / VARIANCES
    assert ratio.min() > 0.95 and ratio.max() < 1.05
    np.testing.assert_allclose(found.chain.noise.mean(0) * VARIANCES, 1.0, rtol=0.1)


def test_noise_that_heats_more_than_a_low_friction_cools():
    noise = lambda p, e: -0.5 * p**2 + 3.0 * e * p  # noqa: E731
    sampler = bayes.langevin(friction=0.05)
    chain = lambda key: bayes.draws(  # noqa: E731
        key, sampler, noise, 0.0, steps=20_000, batches=jax.random.normal
    )
    found = jax.jit(jax.vmap(chain))(KEYS)
    assert abs(jnp.var(found.params) - 1) < 0.1  # 2 if no friction were added


def test_the_posterior_of_a_linear_model_is_that_of_laplace():
    x = jnp.linspace(-1, 2, 15)
    y = 1 + 0.5 * x + 0.3 * jnp.sin(9 * x)
    line = lambda w, x: w["level"] + w["slope"] * x  # noqa: E731

    def log_density(w):
        return -0.5 * jnp.sum(((line(w, x) - y) / 0.3) ** 2) - 0.5 * (
            w["level"] ** 2 + w["slope"] ** 2
        )

    found = many(log_density, {"level": 0.0, "slope": 0.0}, steps=20_000)
    exact = jsci.laplace(line, {"level": 0.0, "slope": 0.0}, x, prior=1.0, noise=0.3)
    flat = jnp.stack([found.params["level"].ravel(), found.params["slope"].ravel()])
    covariance = jnp.cov(flat)
    scale = jnp.sqrt(jnp.diag(exact.covariance))
    gap = (covariance - exact.covariance) / (scale[:, None] * scale[None])
    assert jnp.abs(gap).max() < 0.02


@functools.cache
def short(steps, start=None):
    sampler = bayes.langevin(adapt=20)
    first = {"a": jnp.ones(3), "b": jnp.array(0.5)}
    density = lambda p: -0.5 * (jnp.sum(p["a"] ** 2) + p["b"] ** 4)  # noqa: E731
    return bayes.draws(
        KEYS[0], sampler, density, first if start is None else short(start).chain, steps=steps
    )


def test_a_chain_that_continues_is_the_chain_that_did_not_stop(tmp_path):
    whole, rest = short(60), short(40, start=20)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[2:], b), whole.params, rest.params)
    jsci.save(tmp_path / "chain.jsci", rest.chain)
    kept = jsci.load(tmp_path / "chain.jsci", rest.chain)
    np.testing.assert_array_equal(kept.momentum, whole.chain.momentum)
    assert whole.params["a"].shape == (6, 3)


def test_the_dtype_stays():
    found = bayes.draws(
        KEYS[0], bayes.langevin(adapt=4), wide, jnp.zeros(20, jnp.float32), steps=10
    )
    assert {leaf.dtype for leaf in (found.params, *found.chain[:4])} == {jnp.dtype("float32")}


def test_a_metric_that_does_not_fit_is_a_flag():
    """Four steps of adaptation end on the way, where gradients are larger than they will be."""
    found = bayes.draws(KEYS[0], bayes.langevin(adapt=4), wide, jnp.full(20, 1e3), steps=10)
    assert not found.settled


def test_a_chain_that_leaves_its_density_is_a_flag():
    """Beyond a hard bound the gradient is zero: draws went on to 84 deviations outside."""

    def bounded(x):
        return jnp.where(jnp.all(jnp.abs(x) < 1), -0.5 * jnp.sum(x**2), -jnp.inf)

    found = bayes.draws(KEYS[0], bayes.langevin(adapt=4), bounded, jnp.zeros(2), steps=100)
    kept = found.params[jnp.isfinite(found.params).all(1)]
    assert len(kept) < 10 and jnp.abs(kept).max(initial=0) < 1.5 and not found.settled


def test_under_jit_a_start_of_no_density_is_a_flag():
    log_density = lambda x: jnp.sum(jnp.log(x))  # noqa: E731
    run = lambda x: bayes.draws(KEYS[0], bayes.langevin(adapt=4), log_density, x, steps=10)  # noqa: E731
    assert jnp.isnan(jax.jit(run)(jnp.array([-1.0])).params).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 5}, "steps must be at least keep_every, and that 1; got 5 and 10"),
        ({"start": jnp.full(20, jnp.nan)}, "log_density is nan at the start"),
        ({"log_density": lambda x: -jnp.sqrt(jnp.sum(x**2))}, "second derivatives .* not finite"),
        ({"log_density": lambda x: -jnp.sum(x[:3] ** 2)}, "17 of 20 parameters do not change"),
    ],
)
def test_bad_input(change, message):
    options = {"log_density": wide, "start": jnp.zeros(20), "steps": 10} | change
    with pytest.raises(ValueError, match=message):
        bayes.draws(KEYS[0], bayes.langevin(adapt=4), options.pop("log_density"), **options)


def test_parameters_that_are_none_complex_or_several_chains_are_refused():
    sampler = bayes.langevin(adapt=4)
    with pytest.raises(ValueError, match="start has no parameters"):
        bayes.draws(KEYS[0], sampler, lambda p: 0.0, {}, steps=10)
    with pytest.raises(TypeError, match="Parameters must be real"):
        bayes.draws(
            KEYS[0], sampler, lambda p: -jnp.sum(abs(p) ** 2), jnp.ones(2, complex), steps=10
        )
    metric = jnp.ones((2, 20))
    several = jax.vmap(sampler.init)(KEYS[:2], jnp.zeros((2, 20)), metric)
    with pytest.raises(ValueError, match=r"start holds \(2,\) chains: continue them by chains"):
        bayes.draws(KEYS[0], sampler, wide, several, steps=10)


def test_a_sampler_that_cannot_work_is_refused():
    with pytest.raises(ValueError, match="step must lie between 0 and 2"):
        bayes.langevin(2.5)
    with pytest.raises(ValueError, match="friction and adapt must be positive"):
        bayes.langevin(friction=0.0)


@pytest.mark.skipif(not importlib.util.find_spec("blackjax"), reason="blackjax is not installed")
def test_the_recipe_for_nuts_of_another_library():
    """As the page has it, on a density that is known."""
    page = (Path(__file__).parents[3] / "docs" / "bayes.md").read_text(encoding="utf-8")
    recipe = page.split('```python title="With blackjax"\n')[1].split("```")[0]
    names = {
        "jax": jax, "key": jax.random.key(0), "params": jnp.zeros(2),
        "log_posterior": lambda x: -0.5 * jnp.sum((x / jnp.array([0.1, 3.0])) ** 2),
    }  # fmt: skip
    exec(recipe, names)
    np.testing.assert_allclose(names["draws"].std(0), [0.1, 3.0], rtol=0.25)
    assert bayes.health(names["draws"][None]).effective.min() > 50
