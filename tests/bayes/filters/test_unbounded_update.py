"""The unbounded update against pyhgf 0.2.12, its equations written out, and the exact posterior."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import lambertw, wrightomega

from jaxsci import bayes
from jaxsci.bayes import Node
from jaxsci.bayes._filters.hgf.hgf import Update
from jaxsci.bayes._filters.hgf.unbounded_update import unbounded, wright_omega

THREE = (Node("binary", (1,)), Node("continuous", (), (2,)), Node("continuous"))
# The first 30 binary observations that pyhgf comes with.
CHOICES = np.array([int(bit) for bit in f"{0x3DFEEFFF:030b}"], float)


def written_out(mean, precision, volatility, coupling, before, after):
    """The same as its authors write it: with exponentials, and Lambert's function of one."""
    total = before + volatility
    w, surprise = volatility / total, after / total - 1
    pi1 = precision + coupling**2 / 2 * w * (1 - w)
    mu1 = mean + coupling * w / (2 * pi1) * surprise
    scaled = precision / coupling**2
    w0 = lambertw(after / (2 * scaled) * np.exp(0.5 / scaled) / volatility).real
    mode = mean + (w0 - 0.5 / scaled) / coupling
    moved = volatility * np.exp(coupling * (mode - mean))
    w, surprise = moved / (before + moved), after / (before + moved) - 1
    pi2 = precision + coupling**2 / 2 * w * (w + (2 * w - 1) * surprise)
    if pi2 <= 0:
        pi2 = precision + coupling**2 / 2 * w * (1 - w)
    mu2 = mode + (coupling * w * surprise / 2 - precision * (mode - mean)) / pi2
    terms = (mean, precision, volatility, coupling, before, after)
    share = 1 / (1 + np.exp(energy(mu1, *terms) - energy(mu2, *terms)))
    variance = (1 - share) / pi1 + share / pi2 + share * (1 - share) * (mu1 - mu2) ** 2
    return (1 - share) * mu1 + share * mu2, 1 / variance


def energy(x, mean, precision, volatility, coupling, before, after):
    total = before + volatility * np.exp(coupling * (x - mean))
    return -0.5 * (np.log(total) + after / total + precision * (x - mean) ** 2)


#            mean precision volatility coupling before after
CHILDREN = [
    (0.3, 1.5, 0.2, 1.0, 0.5, 0.4),  # as expected
    (0.3, 1.5, 0.2, 1.0, 0.05, 6.0),  # a surprise
    (-1.0, 0.4, 2.0, 0.7, 0.01, 0.02),  # less than expected, where the curvature is negative
    (-1.0, 8.0, 0.1, -1.3, 0.3, 2.0),
]


@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_moves_the_belief_as_the_equations_say_and_near_the_exact_posterior(child):
    mean, precision, *rest = (jnp.asarray(value) for value in child)
    names = ("volatility", "coupling", "before", "after")
    update = lambda m, p, *r: unbounded(m, p, **dict(zip(names, r, strict=True)))  # noqa: E731
    found = update(mean, precision, *rest)
    np.testing.assert_allclose(found, written_out(*child), rtol=1e-12)
    x = np.linspace(-30, 30, 60_001)
    density = np.exp(energy(x, *child))
    exact = np.sum(x * density) / np.sum(density)
    deviation = np.sqrt(np.sum((x - exact) ** 2 * density) / np.sum(density))
    assert abs(found[0] - exact) < 0.2 * deviation
    assert abs(found[1] ** -0.5 / deviation - 1) < 0.2
    slopes = jax.jacfwd(update, (0, 2, 5))(mean, precision, *rest)[0]
    for place, slope in zip((0, 2, 5), slopes, strict=True):
        up, down = (np.array(child), np.array(child))
        up[place], down[place] = up[place] + 1e-6, down[place] - 1e-6
        by_steps = (written_out(*up)[0] - written_out(*down)[0]) / 2e-6
        np.testing.assert_allclose(slope, by_steps, rtol=1e-6, atol=1e-8)


def test_what_cannot_move_says_nothing():
    for still in ({"volatility": 0.0}, {"coupling": 0.0}):
        given = {"volatility": 0.2, "coupling": 1.0, "before": 0.5, "after": 3.0} | still
        arrays = jax.tree.map(jnp.asarray, given)
        update = lambda m, rest: unbounded(m, jnp.array(1.5), **rest)  # noqa: E731
        np.testing.assert_array_equal(update(jnp.array(0.3), arrays), (0.3, 1.5))
        slopes = jax.jacfwd(update, (0, 1))(jnp.array(0.3), arrays)
        assert all(jnp.isfinite(leaf) for leaf in jax.tree.leaves(slopes))


def test_the_slope_in_a_coupling_of_zero():
    def update(coupling):
        given = {"volatility": 0.2, "before": 0.5, "after": 3.0}
        arrays = jax.tree.map(jnp.asarray, given)
        return jnp.stack(unbounded(jnp.array(0.3), jnp.array(1.5), coupling=coupling, **arrays))

    exact = 0.5 * (0.2 / 0.7) * (3.0 / 0.7 - 1) / 1.5  # ½ w δ / π
    np.testing.assert_allclose(jax.jacfwd(update)(jnp.array(0.0)), [exact, 0.0], atol=1e-12)
    np.testing.assert_allclose((update(1e-5) - update(-1e-5)) / 2e-5, [exact, 0.0], atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_omega_is_scipys_wherever_its_exponential_cannot_be_written(dtype):
    a = jnp.asarray([-60.0, -8.0, -1.0, 0.0, 0.5, 1.0, 3.0, 90.0, 5000.0], dtype)
    exact = wrightomega(np.asarray(a, float))
    np.testing.assert_allclose(wright_omega(a), exact, rtol=float(12 * jnp.finfo(dtype).eps))
    slope = jax.vmap(jax.grad(wright_omega))(a)
    np.testing.assert_allclose(slope, exact / (1 + exact), rtol=float(12 * jnp.finfo(dtype).eps))


def run(volatilities, y: Any = CHOICES, update: Update = "unbounded"):
    net = bayes.hgf(THREE, update=update)
    params = net.params()
    params |= {"tonic_volatility": params["tonic_volatility"].at[1:].set(jnp.asarray(volatilities))}
    return bayes.filter(net.step, params, net.init(params), jnp.asarray(y))


def test_states_are_those_of_pyhgf_and_of_the_recursion_written_out():
    state = run([-4.0, -6.0]).state
    np.testing.assert_allclose(
        state.mean[jnp.array([9, 29]), 1:],
        [[1.28691041, 0.130191669], [1.94573021, 0.272663981]],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        state.precision[jnp.array([9, 29]), 1:],
        [[2.45783186, 1.17447054], [2.52635264, 1.59885943]],
        rtol=1e-5,
    )
    m1, p1, m2, p2 = 0.0, 1.0, 0.0, 1.0
    for choice in CHOICES:
        before, p2 = 1 / p1, 1 / (1 / p2 + np.exp(-6.0))
        volatility = np.exp(-4.0 + m2)
        expected, chance = m1, 1 / (1 + np.exp(-m1))
        p1 = 1 / (before + volatility) + chance * (1 - chance)
        m1 = expected + (choice - chance) / p1
        after = 1 / p1 + (m1 - expected) ** 2
        m2, p2 = written_out(m2, p2, volatility, 1.0, before, after)
    np.testing.assert_allclose(state.mean[-1, 1:], [m1, m2], rtol=1e-10)
    np.testing.assert_allclose(state.precision[-1, 1:], [p1, p2], rtol=1e-10)


def test_it_goes_on_where_the_other_updates_have_no_maximum():
    wild, half = jnp.array([2.0, 2.0]), jnp.where(jnp.arange(30) < 15, CHOICES, jnp.nan)
    assert jnp.isnan(run(wild, half, update="ehgf").log_density)
    density = jax.jit(jax.value_and_grad(lambda w, y: run(w, y).log_density))
    value, slope = density(wild, half)
    assert jnp.isfinite(value) and jnp.isfinite(slope).all()
    up, down = (density(wild + jnp.array([s * 1e-6, 0]), half)[0] for s in (1, -1))
    np.testing.assert_allclose(slope[0], (up - down) / 2e-6, rtol=1e-5)
    certain = density(jnp.array([3.0, 2.0]), jnp.asarray(CHOICES))[1]
    assert jnp.isfinite(certain).all(), "where chances are 1 to rounding, exp(drive) is infinite"


def test_what_is_missing_moves_no_volatility():
    out = run([-4.0, -6.0], np.where(np.arange(30) < 20, CHOICES, np.nan))
    np.testing.assert_array_equal(out.state.mean[20:, 1:], out.state.mean[19:29, 1:])
    np.testing.assert_array_equal(out.state.precision[20:], out.predicted.precision[20:])


def test_two_children_count_one_after_the_other():
    """One volatility of two values, each of which is observed."""
    nodes = (
        Node("continuous", (2,)),
        Node("continuous", (3,)),
        Node("continuous", (), (4,)),
        Node("continuous", (), (4,)),
        Node("continuous"),
    )
    net = bayes.hgf(nodes, update="unbounded")
    params = net.params() | {"tonic_volatility": jnp.array([0.0, 0.0, -1.0, -0.5, -2.0])}
    params |= {"volatility_coupling": jnp.array([1.0, 0.6])}
    out = bayes.filter(net.step, params, net.init(params), jnp.array([[2.0, -1.5]]))
    mean, precision = 0.0, 1 / (1 + np.exp(-2.0))
    for y, omega, kappa in ((2.0, -1.0, 1.0), (-1.5, -0.5, 0.6)):
        expected = 1 / (1 + np.exp(omega))
        after = 1 / (expected + 1) + (y / (expected + 1)) ** 2
        volatility = np.exp(omega + kappa * mean)
        mean, precision = written_out(mean, precision, volatility, kappa, 1.0, after)
    np.testing.assert_allclose(out.state.mean[0, 4], mean, rtol=1e-12)
    np.testing.assert_allclose(out.state.precision[0, 4], precision, rtol=1e-12)
