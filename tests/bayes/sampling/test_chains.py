"""Several chains: they agree where their density is one mode, and say so where it is not."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import bayes
from jaxsci.bayes._sampling.chains import _line

KEY = jax.random.key(0)
WIDTHS = jnp.array([0.1, 10.0])


def normal(x):
    return -0.5 * jnp.sum((x / WIDTHS) ** 2)


def two_modes(x):
    """Normal ones of width 0.1 at -1 and 1: fifty times the thermal energy is between them."""
    return jnp.logaddexp(*(-50 * (x - at) ** 2 for at in (-1.0, 1.0)))


def start(key):
    return 20 * WIDTHS * jax.random.normal(key, (2,))


@functools.cache
def found():
    sampler = bayes.langevin(adapt=500)
    return bayes.chains(KEY, sampler, normal, start, steps=4000, progress=False)


def test_chains_from_far_apart_agree():
    assert found().params.shape == (4, 400, 2)
    assert found().health.r_hat.max() < 1.02 and found().settled.all()
    assert found().health.effective.min() > 300
    np.testing.assert_allclose(found().params.std((0, 1)), WIDTHS, rtol=0.15)


def test_chains_go_on_from_where_they_were(tmp_path):
    jsci.save(tmp_path / "chains.jsci", found().chain)
    kept = jsci.load(tmp_path / "chains.jsci", found().chain)
    more = bayes.chains(KEY, bayes.langevin(adapt=500), normal, kept, steps=200, progress=False)
    np.testing.assert_array_equal(more.chain.count, 4700)


def test_the_bar_shows_health(capsys, monkeypatch):
    monkeypatch.setattr("jaxsci.bayes._sampling.chains.tqdm", functools.partial(_bar, delay=0.0))
    bayes.chains(KEY, bayes.langevin(adapt=500), normal, start, steps=4000)
    shown = capsys.readouterr().err
    assert "R̂ 1.0" in shown and "effective draws" in shown


def _bar(*args, delay, **options):
    from tqdm import tqdm

    return tqdm(*args, **options | {"delay": delay})


def test_cycles_find_both_modes_of_a_density():
    """By itself no chain crosses between them, and R̂ says so."""

    def run(steps, **options):
        sampler = bayes.langevin(adapt=500, **options)
        first = lambda key: jax.random.rademacher(key, (), float)  # noqa: E731
        return bayes.chains(
            jax.random.key(3), sampler, two_modes, first, steps=steps, count=8, progress=False
        )

    stuck, cycled = run(200), run(6000, cycle=100, hottest=100.0)
    assert stuck.health.r_hat > 2
    assert cycled.health.r_hat < 1.2
    assert abs(jnp.mean(cycled.params > 0) - 0.5) < 0.1
    width = jnp.std(jnp.abs(cycled.params))
    np.testing.assert_allclose(width, 0.1, rtol=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 70}, "7 draws of each chain are too few for R̂: take at least 80 steps"),
        ({"start": lambda key: jnp.full(2, jnp.nan)}, "The first draws are not finite"),
        ({"sampler": bayes.langevin(adapt=4, cycle=60)}, "steps must be a multiple of cycle"),
    ],
)
def test_bad_input(change, message):
    options = {"sampler": bayes.langevin(adapt=4), "start": start, "steps": 80} | change
    with pytest.raises(ValueError, match=message):
        bayes.chains(
            KEY, options["sampler"], normal, options["start"], steps=options["steps"],
            progress=False,
        )  # fmt: skip


def test_a_cycle_that_cannot_work_is_refused():
    with pytest.raises(ValueError, match="cycle and hottest must be at least 1, got 10 and 0.5"):
        bayes.langevin(cycle=10, hottest=0.5)
    with pytest.raises(ValueError, match="cycle and hottest must be at least 1, got None and inf"):
        bayes.langevin(hottest=jnp.inf)
    with pytest.raises(ValueError, match="numbers of steps, got 10 and 2.5"):
        bayes.langevin(adapt=10, cycle=2.5)  # pyright: ignore[reportArgumentType]


def test_what_cannot_be_chains():
    sampler = bayes.langevin(adapt=4)

    def run(key, at=start, **options: Any):
        given: dict[str, Any] = {"steps": 80, "progress": False}
        return bayes.chains(key, sampler, normal, at, **given | options)

    for count in (0, 2.0):
        with pytest.raises(ValueError, match=f"at least 1, got {count}"):
            run(KEY, count=count)
    one = bayes.draws(KEY, sampler, normal, jnp.zeros(2), steps=20).chain
    with pytest.raises(ValueError, match=r"start is the chain of one draws\(\)"):
        run(KEY, one)
    with pytest.raises(TypeError, match="steps and keep_every must be integers, got 80.0 and 10"):
        run(KEY, steps=80.0)
    with pytest.raises(TypeError, match="not under jax.jit"):
        jax.jit(run)(KEY)


def test_the_bar_hides_no_parameter_that_does_not_move():
    drawn = np.random.default_rng(0).normal(size=(2, 20, 3))
    drawn[:, :, 1] = 1.0
    assert "R̂ nan, at least nan" in _line([{"w": drawn, "none": np.ones((2, 20, 0))}])
