"""The kernel of models of three libraries, their linearisation, dynamics and spectra."""

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.flatten_util import ravel_pytree

import jaxsci as jsci
from jaxsci import ntk


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(2)(linen.LayerNorm()(jnp.tanh(linen.Dense(8)(x))))


class NNXNet(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(3, 8, rngs=rngs)
        self.second = nnx.Linear(8, 2, rngs=rngs)

    def __call__(self, x):
        return self.second(nnx.relu(self.first(x)))


def models():
    key, x = jax.random.key(0), jnp.ones(3)
    field, theta = jsci.pure(eqx.nn.MLP(3, "scalar", 8, 2, jnp.tanh, key=key), dtype=jnp.float64)
    return {
        "linen": jsci.pure(LinenNet(), key, x, dtype=jnp.float64),
        "nnx": jsci.pure(NNXNet(nnx.Rngs(0)), dtype=jnp.float64),
        "equinox": jsci.pure(eqx.nn.MLP(3, 2, 8, 2, key=key), dtype=jnp.float64),
        "residual": (jsci.residual(lambda u, y: jsci.laplacian(u)(y) + u(y) ** 2, field), theta),
    }


@eqx.filter_jit
def naive(f, params, x1, x2):
    flat, unravel = ravel_pytree(params)

    def rows(x):
        return jax.vmap(jax.jacrev(lambda w, z: jnp.atleast_1d(f(unravel(w), z))), (None, 0))(
            flat, x
        )

    return jnp.einsum("nap,mbp->nmab", rows(x1), rows(x2))


@pytest.mark.parametrize("name", ["linen", "nnx", "equinox", "residual"])
def test_one_verb_for_every_kind_of_model(name):
    f, params = models()[name]
    x = jax.random.normal(jax.random.key(1), (5, 3))
    theta = ntk.kernel(f, params, x, x[:2])
    assert theta.dtype == jnp.float64
    expected = naive(f, params, x, x[:2])
    np.testing.assert_allclose(theta.reshape(expected.shape), expected, rtol=1e-11, atol=1e-12)


@pytest.fixture(scope="module")
def problem():
    f, params = jsci.pure(
        eqx.nn.MLP(2, 1, 16, 1, jnp.tanh, key=jax.random.key(3)), dtype=jnp.float64
    )
    x = jax.random.normal(jax.random.key(4), (6, 2))
    z = jax.random.normal(jax.random.key(5), (3, 2))
    return f, params, x, jnp.sin(x[:, :1]), z


def test_linearised_model_has_the_kernel_of_the_model(problem):
    f, params, x, _, _ = problem
    f_lin = ntk.linearize(f, params)
    elsewhere = jax.tree.map(lambda a: a + 0.3, params)
    theta = ntk.kernel(f, params, x)
    np.testing.assert_allclose(ntk.kernel(f_lin, elsewhere, x), theta, rtol=1e-10)


def test_taylor_error_falls_with_the_order(problem):
    f, params, x, _, _ = problem
    direction = jax.tree.map(jnp.ones_like, params)

    def error(order, h):
        moved = jax.tree.map(lambda a, d: a + h * d, params, direction)
        expansion = ntk.taylor(f, params, order=order)
        return float(abs(expansion(moved, x[0]) - f(moved, x[0])).max())

    for order in (0, 1, 2):
        slope = np.log2(error(order, 0.02) / error(order, 0.01))
        assert abs(slope - (order + 1)) < 0.2


def descend(f, params, x, y, rate, steps):
    def loss(p):
        return 0.5 * jnp.sum((jax.vmap(f, (None, 0))(p, x) - y) ** 2)

    @jax.jit
    def run(p):
        def step(p, _):
            return jax.tree.map(lambda a, g: a - rate * g, p, jax.grad(loss)(p)), None

        return jax.lax.scan(step, p, None, length=steps)[0]

    return run(params)


def test_closed_form_dynamics_match_gradient_descent(problem):
    f, params, x, y, z = problem
    f_lin = ntk.linearize(f, params)
    theta, cross = ntk.kernel(f, params, x), ntk.kernel(f, params, z, x)
    rate, steps = 1e-4, 2000
    trained = descend(f_lin, params, x, y, rate, steps)
    outputs = jax.vmap(f, (None, 0))
    for kernels in ((theta, cross), (theta[..., 0, 0], cross[..., 0, 0])):
        at_test = ntk.predict(
            kernels[0],
            y,
            kernel_test=kernels[1],
            f_train=outputs(params, x),
            f_test=outputs(params, z),
            t=rate * steps,
        )
        expected = jax.vmap(f_lin, (None, 0))(trained, z)
        # Gradient descent is an Euler step of gradient flow: the difference is O(rate).
        np.testing.assert_allclose(at_test, expected, atol=2e-3)
    flow = ntk.predict(theta, y, f_train=outputs(params, x), t=0.0)
    np.testing.assert_allclose(flow, outputs(params, x), atol=1e-14)


def test_infinite_time_interpolates_and_damping_is_ridge_regression(problem):
    f, params, x, y, z = problem
    theta, cross = ntk.kernel(f, params, x)[..., 0, 0], ntk.kernel(f, params, z, x)[..., 0, 0]
    np.testing.assert_allclose(ntk.predict(theta, y), y, atol=1e-7)
    ridge = ntk.predict(theta, y, kernel_test=cross, damping=0.1)
    expected = cross @ jnp.linalg.solve(theta + 0.1 * jnp.eye(6), y)
    np.testing.assert_allclose(ridge, expected, rtol=1e-9)


def test_posterior_is_bayesian_linear_regression(problem):
    f, params, x, y, z = problem
    flat, unravel = ravel_pytree(params)
    rows = jax.vmap(jax.jacrev(lambda w, q: f(unravel(w), q)[0]), (None, 0))
    a, b = rows(flat, x), rows(flat, z)
    kernel = a @ a.T
    noise = 0.01
    variance = noise * jnp.trace(kernel) / 6
    precision = jnp.linalg.inv(jnp.eye(flat.size) + a.T @ a / variance)
    mean, covariance = ntk.posterior(kernel, b @ a.T, b @ b.T, y, noise=noise)
    np.testing.assert_allclose(mean, b @ precision @ a.T @ y / variance, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(covariance, b @ precision @ b.T, rtol=1e-8, atol=1e-10)


def test_learning_rate_is_the_edge_of_stability(problem):
    f, params, x, y, _ = problem
    f_lin = ntk.linearize(f, params)
    rate = float(ntk.max_learning_rate(ntk.kernel(f, params, x)))

    def error(factor):
        trained = descend(f_lin, params, x, y, factor * rate, 400)
        return float(jnp.sum((jax.vmap(f_lin, (None, 0))(trained, x) - y) ** 2))

    start = float(jnp.sum((jax.vmap(f, (None, 0))(params, x) - y) ** 2))
    assert error(0.95) < start < error(1.05)


def test_a_kernel_that_is_not_symmetric_is_refused():
    """Solvers read one triangle or the mean: eigenvalues 1.25 and 0.75 where those of it are 1."""
    skew = jnp.array([[1.0, 0.5], [0.0, 1.0]])
    with pytest.raises(ValueError, match="kernel is not symmetric.*differ by up to 0.5"):
        ntk.spectrum(skew)
    rounded = jnp.eye(2).at[0, 1].set(1e-12)
    np.testing.assert_allclose(ntk.spectrum(rounded).values, 1.0)
    assert jax.jit(ntk.spectrum)(skew).values.shape == (2,)  # not known before tracing
    with pytest.raises(ValueError, match="kernel has -1 on its diagonal"):
        ntk.spectrum(jnp.diag(jnp.array([2.0, -1.0])))


def test_spectrum_and_alignment():
    s = ntk.spectrum(jnp.diag(jnp.array([1.0, 4.0, 3.0])))
    np.testing.assert_allclose(s.values, [4.0, 3.0, 1.0])
    np.testing.assert_allclose(s.alignment(jnp.array([0.0, 3.0, 4.0])), [0.36, 0.64, 0.0])
    np.testing.assert_allclose(s.effective_dimension(1.0), 4 / 5 + 3 / 4 + 1 / 2)
    assert ntk.spectrum(jnp.diag(jnp.array([2.0, 0.0]))).effective_dimension(0.0) == 1
    assert jnp.isnan(s._replace(values=jnp.array([2.0, jnp.nan, 0.0])).effective_dimension(0.0))


def test_low_rank_kernels_stay_finite():
    v = jnp.arange(1.0, 5.0)
    kernel = jnp.outer(v, v)
    np.testing.assert_allclose(ntk.predict(kernel, 2 * v), 2 * v, rtol=1e-10)


def test_bad_input(problem):
    f, params, x, y, _ = problem
    theta = ntk.kernel(f, params, x, trace_axes=0)
    with pytest.raises(ValueError, match="Targets of shape"):
        ntk.predict(theta, y[:4])
    with pytest.raises(ValueError, match="kernel_test .* one column for each training example"):
        ntk.predict(theta, y, kernel_test=theta[:, :3])
    with pytest.raises(ValueError, match="kernel of the training set with itself"):
        ntk.predict(theta[:4], y)
    with pytest.raises(ValueError, match=r"it must be \(n, m\)"):
        ntk.spectrum(theta[..., None])
    with pytest.raises(ValueError, match="damping must not be negative"):
        ntk.predict(theta, y, damping=-1.0)
    with pytest.raises(ValueError, match="noise must be positive"):
        ntk.posterior(theta, theta, theta, y, noise=0.0)
    with pytest.raises(ValueError, match="momentum must lie"):
        ntk.max_learning_rate(theta, momentum=1.0)
    with pytest.raises(ValueError, match="order must be 0 or more"):
        ntk.taylor(f, params, order=-1)
    with pytest.raises(ValueError, match="the expansion point has"):
        ntk.linearize(f, params)({"other": x}, x[0])
