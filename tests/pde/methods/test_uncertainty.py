"""The Laplace approximation is exact for a linear model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import pde


def _line(params, x):
    return params[0] + params[1] * x


def test_linear_regression_has_its_textbook_deviation():
    x = np.linspace(-1, 2, 12)
    y = 1 + 0.5 * x + 0.1 * np.sin(9 * x)
    loss = jsci.objective({"data": lambda p, s: _line(p, s[0]) - s[1]}, {"data": 3.0})
    batch = {"data": (jnp.asarray(x), jnp.asarray(y))}
    design = np.stack([np.ones(12), x], axis=1)
    best, square, _, _ = np.linalg.lstsq(design, y)
    deviation = pde.laplace_deviation(_line, loss, jnp.asarray(best), batch, prior=1e-14)
    at = np.array([1.0, 0.7])
    expected = np.sqrt(square[0] / 10 * at @ np.linalg.solve(design.T @ design, at))
    np.testing.assert_allclose(deviation(jnp.array(0.7)), expected, rtol=1e-10)
    # With the noise given: of one value, so √(3/12) of it for a scaled residual.
    known = pde.laplace_deviation(
        lambda p, x: p[1], loss, jnp.asarray(best), batch, prior=1e-14, noise=0.1 * 0.5
    )
    slope = 0.1 * np.sqrt(np.linalg.inv(design.T @ design)[1, 1])
    np.testing.assert_allclose(known(jnp.array(0.0)), slope, rtol=1e-10)


@pytest.mark.slow
def test_the_posterior_of_a_coefficient_by_laplace_and_by_draws():
    """D of u_t = D u_xx from thirty noisy values, the field solved for.

    Right: the Cramér-Rao bound of the solution in closed form as the deviation of log D, the same
    for draws within four standard errors, and errors over twenty data sets that are as large as it.
    """
    slab, noise, size = pde.Interval(0.0, 1.0).during(0.0, 1.0), 0.02, 25
    phi = pde.polynomial_features(slab, [5, 5])
    inside, places = (pde.sobol(slab, n)(jax.random.key(n)) for n in (75, 30))
    field = lambda c, x: jnp.sin(jnp.pi * x[0]) + x[1] * x[0] * (1 - x[0]) * (c @ phi(x))  # noqa: E731

    def rows(d):
        heat = jax.vmap(jsci.residual(pde.heat(d), field), (None, 0))
        zero = jnp.zeros(size)
        return jnp.column_stack([jax.jacfwd(heat)(zero, inside), heat(zero, inside)])

    one, two = rows(1.0), rows(2.0)

    def cooled(log_d, x):
        both = one + (jnp.exp(log_d) - 1) * (two - one)
        q, r = jnp.linalg.qr(both[:, :-1])
        return field(jax.scipy.linalg.solve_triangular(r, -q.T @ both[:, -1]), x)

    def exact(log_d, x):
        return jnp.sin(jnp.pi * x[0]) * jnp.exp(-jnp.exp(log_d) * jnp.pi**2 * x[1])

    true, loss = jnp.log(0.1), jsci.objective({"data": lambda p, s: cooled(p, s[0]) - s[1]})
    clean = jax.vmap(exact, (None, 0))(true, places)
    bound = noise / jnp.linalg.norm(jax.vmap(jax.grad(exact), (None, 0))(true, places))
    found = []
    for key in jax.random.split(jax.random.key(1), 20):
        seen = clean + noise * jax.random.normal(key, (30,))
        batch = {"data": (places, seen)}
        optimizer = jsci.levenberg_marquardt()
        best = jsci.fit(loss, jnp.log(0.3), batch, optimizer, steps=10, progress=False).params
        normal = jsci.laplace(cooled, best, places, prior=1e-6, noise=noise, targets=seen)
        found.append((best - true, jnp.sqrt(normal.covariance[0, 0])))
    errors, bars = np.array(found).T
    np.testing.assert_allclose(bars, bound, rtol=0.1)
    assert 0.5 < np.sqrt(np.mean((errors / bars) ** 2)) < 1.5  # 1 ± 0.16 if the bars are right

    def log_density(log_d):
        misfit = jax.vmap(cooled, (None, 0))(log_d, places) - seen
        return -0.5 * jnp.sum((misfit / noise) ** 2)

    sampler = jsci.bayes.langevin(adapt=300)
    drawn = jsci.bayes.draws(jax.random.key(6), sampler, log_density, best, steps=2000).params
    count = float(jsci.bayes.health(drawn[None]).effective)
    assert count > 100
    np.testing.assert_allclose(drawn.std() / bars[-1], 1.0, atol=4 / np.sqrt(2 * count))
    np.testing.assert_allclose(drawn.mean(), best, atol=4 * bars[-1] / np.sqrt(count) + 1e-3)


def test_bad_input():
    loss = jsci.objective({"data": lambda p, s: _line(p, s[0]) - s[1]})
    batch = {"data": (jnp.array([0.0, 1.0]), jnp.array([1.0, 2.0]))}
    with pytest.raises(ValueError, match="2 residuals determine 2 parameters.*give noise="):
        pde.laplace_deviation(_line, loss, jnp.ones(2), batch)
    with pytest.raises(ValueError, match="prior and noise must be positive"):
        pde.laplace_deviation(_line, loss, jnp.ones(2), batch, prior=0.0)
    with pytest.raises(ValueError, match="must be positive, got 1e-10 and -0.1"):
        pde.laplace_deviation(_line, loss, jnp.ones(2), batch, noise=-0.1)
