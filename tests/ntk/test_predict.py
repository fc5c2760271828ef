"""Predictions against the training they predict."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import ntk

X = jax.random.normal(jax.random.key(0), (8, 2))
X_TEST = jax.random.normal(jax.random.key(1), (3, 2))
Y = jnp.sin(X[:, 0]) + X[:, 1]


@pytest.fixture(scope="module")
def linear_model():
    """A linearised network, for which the predictions are exact."""
    f, params = jsci.pure(eqx.nn.MLP(2, "scalar", 12, 1, jnp.tanh, key=jax.random.key(2)))
    f_lin = ntk.linearize(f, params)
    kernels = ntk.kernel(f, params, X), ntk.kernel(f, params, X_TEST, X)
    outputs = [jsci.vmap(f, (None, 0))(params, x) for x in (X, X_TEST)]
    return f_lin, params, kernels, outputs


def test_matches_gradient_flow_integrated_numerically(linear_model):
    f_lin, params, (k_train, k_test), (f_train, f_test) = linear_model
    loss = lambda p: 0.5 * jnp.mean((jsci.vmap(f_lin, (None, 0))(p, X) - Y) ** 2)  # noqa: E731
    t, steps = 3.0, 300

    def runge_kutta(_, p):
        h = t / steps
        slope = lambda q: jax.tree.map(jnp.negative, jax.grad(loss)(q))  # noqa: E731
        move = lambda a, d: jax.tree.map(lambda x, y: x + a * y, p, d)  # noqa: E731
        k1 = slope(p)
        k2 = slope(move(h / 2, k1))
        k3 = slope(move(h / 2, k2))
        k4 = slope(move(h, k3))
        return jax.tree.map(
            lambda x, a, b, c, d: x + h / 6 * (a + 2 * b + 2 * c + d), p, k1, k2, k3, k4
        )

    trained = jax.jit(lambda p: jax.lax.fori_loop(0, steps, runge_kutta, p))(params)
    for x, kernel, start in ((X, None, f_train), (X_TEST, k_test, f_test)):
        predicted = ntk.predict(k_train, Y, kernel, t=t, f_train=f_train, f_test=start)
        np.testing.assert_allclose(
            predicted, jsci.vmap(f_lin, (None, 0))(trained, x), rtol=1e-8, atol=1e-8
        )


def test_infinite_time_interpolates_and_ridge_is_kernel_ridge(linear_model):
    _, _, (k_train, k_test), _ = linear_model
    np.testing.assert_allclose(ntk.predict(k_train, Y), Y, rtol=1e-7)
    ridge = ntk.predict(k_train, Y, k_test, ridge=0.3)
    expected = k_test @ np.linalg.solve(k_train + 0.3 * np.eye(8), Y)
    np.testing.assert_allclose(ridge, expected, rtol=1e-10)
    on_training = ntk.predict(k_train, Y, ridge=0.3)
    np.testing.assert_allclose(
        on_training, k_train @ np.linalg.solve(k_train + 0.3 * np.eye(8), Y), rtol=1e-10
    )


def test_several_outputs_and_time_zero(linear_model):
    _, _, (k_train, k_test), (f_train, f_test) = linear_model
    y, start = jnp.stack([Y, 2 * Y], 1), jnp.stack([f_train, f_train], 1)
    at_start = ntk.predict(k_train, y, t=0.0, f_train=start)
    np.testing.assert_allclose(at_start, start, rtol=1e-14)
    both = ntk.predict(k_train, y, k_test, t=2.0)
    np.testing.assert_allclose(both[:, 1], 2 * both[:, 0], rtol=1e-12)
    np.testing.assert_allclose(both[:, 0], ntk.predict(k_train, Y, k_test, t=2.0), rtol=1e-12)


def test_max_learning_rate_is_the_boundary(linear_model):
    """Gradient descent contracts just below it and expands just above."""
    _, _, (k_train, _), _ = linear_model
    for momentum in (0.0, 0.6):
        limit = ntk.max_learning_rate(k_train, momentum=momentum)
        for factor, stable in ((0.99, True), (1.01, False)):
            rate = factor * limit / 8
            values = np.linalg.eigvalsh(k_train)
            # Heavy ball on one mode: f ← f + v, v ← μv - ηλ/n f.
            worst = max(
                np.abs(np.linalg.eigvals([[1 - rate * v, momentum], [-rate * v, momentum]])).max()
                for v in values
            )
            assert (worst <= 1) == stable


def test_posterior_matches_numpy(linear_model):
    _, _, (k_train, k_test), _ = linear_model
    k_test_test = k_test @ np.linalg.pinv(k_train) @ k_test.T + 0.1 * np.eye(3)
    mean, covariance = ntk.posterior(k_train, Y, k_test, k_test_test, noise=0.01)
    inverse = np.linalg.inv(k_train + 0.01 * np.eye(8))
    np.testing.assert_allclose(mean, k_test @ inverse @ Y, rtol=1e-9)
    np.testing.assert_allclose(
        covariance, k_test_test - k_test @ inverse @ k_test.T, rtol=1e-8, atol=1e-10
    )


def test_taylor_expansion_has_the_order_of_its_remainder():
    f, params = jsci.pure(eqx.nn.MLP(2, "scalar", 6, 1, jnp.tanh, key=jax.random.key(2)))
    direction = jax.tree.map(lambda p: jax.random.normal(jax.random.key(5), p.shape), params)
    for degree in (0, 1, 2, 3):
        expanded = jax.jit(ntk.taylor_expand(f, params, degree))
        errors = []
        for h in (0.02, 0.01):
            moved = jax.tree.map(lambda p, d, h=h: p + h * d, params, direction)
            errors.append(abs(expanded(moved, X[0]) - f(moved, X[0])))
        order = np.log2(errors[0] / errors[1])
        assert abs(order - (degree + 1)) < 0.15


def test_spectrum():
    values = jnp.array([3.0, 1.0, 0.5])
    basis = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (3, 3)))[0]
    theta = basis @ jnp.diag(values) @ basis.T
    np.testing.assert_allclose(ntk.spectrum(theta), values, rtol=1e-12)
    np.testing.assert_allclose(
        ntk.effective_dimension(theta, 0.5), 3 / 3.5 + 1 / 1.5 + 0.5, rtol=1e-12
    )
    np.testing.assert_allclose(
        ntk.target_power(theta, 2 * basis[:, 1]), [0.0, 1.0, 0.0], atol=1e-12
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ntk.predict(jnp.eye(3), jnp.ones(3), t=-1.0), "must not be negative"),
        (lambda: ntk.predict(jnp.eye(3), jnp.ones(3), t=math.nan), "must not be negative"),
        (lambda: ntk.posterior(*([jnp.eye(2)] * 4), noise=0.0), "noise must be positive"),
        (lambda: ntk.max_learning_rate(jnp.eye(2), momentum=1.0), r"in \[0, 1\)"),
        (lambda: ntk.effective_dimension(jnp.eye(2), 0.0), "ridge must be positive"),
        (lambda: ntk.taylor_expand(jnp.sin, 1.0, -1), "degree must not be negative"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
