"""The flow is a density, and it goes where the theory of the min-max problem says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import pde


@pytest.mark.parametrize("dim", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_density_is_that_of_the_samples(dim, key):
    """p(push(z)) = 1/|det ∂push/∂z| for uniform z, whatever the weights."""
    box = pde.Box((-1.0,) * dim, (3.0,) * dim)
    points = pde.adversarial(box, 10, lambda p, x: x[0], key=key, share=0.2, depth=2, width=5)
    leaves, tree = jax.tree.flatten(points.flow)
    keys = jax.random.split(key, len(leaves))
    noise = [0.3 * jax.random.normal(k, w.shape) for k, w in zip(keys, leaves, strict=True)]
    flow = tree.unflatten([w + e for w, e in zip(leaves, noise, strict=True)])

    def one(z):
        log_det = jnp.linalg.slogdet(jax.jacfwd(flow.push)(z))[1]
        x = box.from_unit(flow.push(z))
        return points.density(flow, x) * 4.0**dim, 0.2 + 0.8 * jnp.exp(-log_det)

    density, expected = jax.vmap(one)(jax.random.uniform(key, (20, dim)))
    np.testing.assert_allclose(density, expected, rtol=1e-8)


def test_the_density_is_that_of_the_points_drawn_and_none_outside(key):
    """A tenth of four points is none: the samples are the flow's alone, as the density."""
    line = pde.Interval(0.0, 2.0)
    points = pde.adversarial(line, 4, lambda p, x: x[0], key=key, share=0.1, depth=2, width=5)
    flow = jax.tree.map(lambda w: w + jnp.linspace(-2.0, 2.0, w.size).reshape(w.shape), points.flow)
    x = (jnp.arange(20_000)[:, None] + 0.5) / 10_000
    density = jax.vmap(points.density, (None, 0))(flow, x)
    np.testing.assert_allclose(density.mean() * 2.0, 1.0, atol=1e-3)
    of_flow = pde.adversarial(line, 4, lambda p, x: x[0], key=key, share=0.0, depth=2, width=5)
    np.testing.assert_array_equal(density, jax.vmap(of_flow.density, (None, 0))(flow, x))
    for outside in (-0.1, 2.1, 50.0):
        assert points.density(flow, jnp.array([outside])) == 0.0
    assert jnp.isfinite(jax.grad(lambda x: points.density(flow, x))(jnp.array([5.0]))).all()


def test_it_starts_uniform_and_inside(key):
    line = pde.Interval(-1.0, 1.0).during(0.0, 2.0)
    points = pde.adversarial(line, 2000, lambda p, x: x[0], key=key)
    x = points.sample(key, points.flow)
    assert bool(jax.vmap(line.contains)(x).all())
    np.testing.assert_allclose(jax.vmap(points.density, (None, 0))(points.flow, x), 0.25)
    np.testing.assert_allclose(x.mean(axis=0), [0.0, 1.0], atol=0.06)


def test_a_share_of_the_samples_is_uniform(key):
    line = pde.Interval(0.0, 2.0)
    of = lambda share: pde.adversarial(line, 1000, lambda p, x: x[0], key=key, share=share)  # noqa: E731
    start = of(0.0).flow
    flow = jax.tree.map(lambda w: w + jnp.linspace(-2.0, 2.0, w.size).reshape(w.shape), start)
    whole, part = (of(share).sample(key, flow) for share in (0.0, 0.3))
    np.testing.assert_array_equal(part[:700], whole[300:])
    assert np.abs(whole - of(0.0).sample(key, start)).max() > 0.1
    np.testing.assert_allclose(part[700:], of(0.3).sample(key, start)[700:])
    with pytest.raises(ValueError, match="share must be from 0"):
        of(1.5)


@pytest.mark.parametrize("smoothness", [pytest.param(0.05, marks=pytest.mark.slow), 0.2])
def test_the_maximum_is_that_of_euler_and_lagrange(smoothness, key):
    """r² + 2β p″ = constant, so r² = 1 + cos(πx)/2 gives p = 1 + cos(πx)/(4βπ²)."""
    line = pde.Interval(0.0, 1.0)
    points = pde.adversarial(
        line,
        2000,
        lambda p, x: p * jnp.sqrt(1 + jnp.cos(jnp.pi * x[0]) / 2),
        key=key,
        smoothness=smoothness,
        share=0.0,
        width=4,
        depth=1,
        bins=5,
        steps=200,
        learning_rate=1e-2,
    )
    flow = points.train(key, points.flow, jnp.array(3.0))
    x, w = pde.gauss_legendre(line, 20)
    density = jax.vmap(points.density, (None, 0))(flow, x)
    np.testing.assert_allclose(w @ density, 1.0, atol=1e-2)
    moment = w @ (density * jnp.cos(jnp.pi * x[:, 0]))
    exact = 1 / (8 * smoothness * np.pi**2)
    np.testing.assert_allclose(moment, exact, atol=0.04)


def test_bad_input(key):
    def r(params, x):
        return x[0]

    with pytest.raises(TypeError, match="must be a Box or an Interval.*got Ball"):
        pde.adversarial(pde.Ball((0.0, 0.0), 1.0), 10, r, key=key)
    with pytest.raises(ValueError, match="smoothness and learning_rate > 0"):
        pde.adversarial(pde.Interval(0.0, 1.0), 10, r, key=key, smoothness=0.0)


def test_residuals_that_are_not_finite_do_not_spoil_the_flow(key):
    """Half of the points give NaN: they earn nothing, and the flow stays finite."""
    line = pde.Interval(0.0, 1.0)
    points = pde.adversarial(
        line, 20, lambda p, x: jnp.where(x[0] < 0.5, jnp.nan, p),
        key=key, depth=1, width=2, bins=2, steps=1,
    )  # fmt: skip
    flow = points.train(key, points.flow, jnp.ones(()))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(flow))
