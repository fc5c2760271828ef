"""The three limits of deep networks: their exponents, and what they do to data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import ntk
from jaxsci.ntk import infinite
from jaxsci.ntk._gaussian import expectation


def second_hermite(z):
    return z**2 - 1


@pytest.mark.parametrize(
    ("activation", "classifier"),
    [
        (jnp.tanh, "singular kernel"),
        (jax.nn.selu, "singular kernel"),
        (second_hermite, "nearest neighbour"),
        (jax.nn.relu, "majority vote"),
        (jax.nn.gelu, "majority vote"),
        (lambda z: 2 * z, "none"),
        (jax.nn.sigmoid, "none"),
    ],
    ids=["tanh", "selu", "h2", "relu", "gelu", "linear", "sigmoid"],
)
def test_classifier(activation, classifier):
    limit = ntk.deep_limit(activation)
    assert limit.classifier == classifier
    assert np.isnan(limit.exponent) == (classifier != "singular kernel")


def test_exponent_of_erf_in_closed_form():
    """φ̌(ρ) ∝ asin(2ρ/3): A'² and B' are its slopes at 0 and 1."""
    limit = ntk.deep_limit(jax.scipy.special.erf)
    at_one = np.arcsin(2 / 3)
    first, last = 2 / 3 / at_one, 2 / 3 / np.sqrt(1 - 4 / 9) / at_one
    np.testing.assert_allclose(limit.exponent, -2 * np.log(first) / np.log(last), rtol=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 20])
def test_optimal_activation_has_the_exponent_of_the_dimension(dimension):
    limit = ntk.deep_limit(ntk.optimal_activation(dimension).activation)
    np.testing.assert_allclose(limit.exponent, dimension, rtol=1e-9)


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_deep_kernel_grows_as_its_exponent_says(dimension):
    """K ~ ‖x - x'‖^-α at 1 - ρ = ‖x - x'‖² / 2; corrections are of the relative order 1 - ρ."""
    gap = jnp.logspace(-8, -5, 13)
    activation = ntk.optimal_activation(dimension).activation
    kernel = ntk.deep_kernel(activation, 1 - gap, depth=100)
    slope = np.polyfit(np.log(gap) / 2, np.log(kernel), 1)[0]
    np.testing.assert_allclose(slope, -dimension, rtol=1e-3)


@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.relu], ids=["tanh", "relu"])
def test_deep_kernel_is_that_of_the_layers(activation):
    """Against `infinite.serial`, each layer scaled so that the variance stays one."""
    x = jax.random.normal(jax.random.key(0), (6, 3))
    x = x / jnp.linalg.norm(x, axis=1, keepdims=True)
    gain = 1 / np.sqrt(expectation(lambda z: activation(z) ** 2))
    layers = {jnp.tanh: infinite.Tanh(), jax.nn.relu: infinite.Relu()}
    first = infinite.Dense(1, weight_std=float(np.sqrt(3)), bias_std=0.0)  # means over 3 entries
    other = infinite.Dense(1, weight_std=float(gain), bias_std=0.0)
    net = infinite.serial(first, *[layers[activation], other] * 3)
    stated = infinite.Elementwise(activation).error(1.0)[0]
    kernel = ntk.deep_kernel(activation, x @ x.T, depth=3)
    np.testing.assert_allclose(kernel, net.kernel(x).nngp, atol=10 * float(stated) + 1e-12)


@pytest.fixture(scope="module")
def noisy_halves():
    """An octant of the sphere, two thirds of it in one class, a tenth of the labels wrong."""
    keys = jax.random.split(jax.random.key(1), 2)

    def draw(key, n):
        x = jnp.abs(jax.random.normal(key, (n, 3)))
        x = x / jnp.linalg.norm(x, axis=1, keepdims=True)
        return x, jnp.where(x[:, 2] > 1 / 3, 1.0, -1.0)

    x, y = draw(keys[0], 1500)
    flipped = jax.random.bernoulli(jax.random.key(2), 0.1, y.shape)
    return (x, jnp.where(flipped, -y, y)), draw(keys[1], 2000)


def kernel_regression(activation, train, x, depth):
    kernel = ntk.deep_kernel(activation, jnp.clip(train[0] @ train[0].T, -1, 1), depth=depth)
    kernel = kernel.at[jnp.diag_indices_from(kernel)].set(1.0)
    cross = ntk.deep_kernel(activation, jnp.clip(x @ train[0].T, -1, 1), depth=depth)
    return cross @ jnp.linalg.solve(kernel, train[1])


@pytest.mark.parametrize(
    ("activation", "depth", "same"),
    [
        (second_hermite, 15, 0.99),
        (jnp.square, 120, 1.0),
        (ntk.optimal_activation(2).activation, 60, 0.97),
    ],
    ids=["nearest neighbour", "majority vote", "singular kernel"],
)
def test_deep_network_classifies_as_its_limit(noisy_halves, activation, depth, same):
    """Regression with the kernel of a deep network. Inputs with two equally near examples take
    more depth, and the singular kernel is a limit up to a bounded factor: a few may differ."""
    train, (x, _) = noisy_halves
    limit = ntk.deep_limit(activation).predict(*train, x)
    deep = kernel_regression(activation, train, x, depth)
    assert jnp.mean(jnp.sign(deep) == jnp.sign(limit)) >= same


def test_only_the_optimal_exponent_forgets_noise(noisy_halves):
    """With a tenth of labels wrong, one neighbour errs on a tenth of inputs, and the vote on a
    third; the singular kernel of exponent d errs least (clean labels of the test inputs)."""
    train, (x, clean) = noisy_halves
    risks = [
        float(jnp.mean(jnp.sign(ntk.deep_limit(f).predict(*train, x)) != clean))
        for f in (second_hermite, jax.nn.relu, ntk.optimal_activation(2).activation)
    ]
    np.testing.assert_allclose(risks[:2], [0.1, 1 / 3], atol=0.03)
    assert risks[2] < 0.06


def test_one_hot_labels_and_float32():
    x = jnp.eye(3, dtype=jnp.float32)
    limit = ntk.deep_limit(ntk.optimal_activation(2).activation)
    labels = jnp.eye(3, dtype=jnp.float32)
    out = jax.jit(limit.predict)(x, labels, x)
    assert out.dtype == jnp.float32
    np.testing.assert_allclose(out, labels, atol=1e-5)  # an example has its own label
    assert ntk.deep_kernel(jnp.tanh, x, depth=2).dtype == jnp.float32


def test_bad_input():
    with pytest.raises(ValueError, match="no classifier"):
        ntk.deep_limit(jax.nn.sigmoid).predict(jnp.eye(2), jnp.ones(2), jnp.eye(2))
    with pytest.raises(ValueError, match="dimension must be 1 or more"):
        ntk.optimal_activation(0)


@pytest.mark.parametrize("classifier", ["singular kernel", "nearest neighbour", "majority vote"])
def test_whole_numbers_are_inputs_and_labels(classifier):
    limit = ntk.DeepLimit(classifier, 1.0, 0.0, 0.5, 1.5)
    whole = jnp.eye(3, dtype=int), jnp.array([1, -1, 1]), jnp.eye(3, dtype=int)
    found, expected = limit.predict(*whole), limit.predict(*(v.astype(float) for v in whole))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="depth must be 0 or more"):
        ntk.deep_kernel(jnp.tanh, jnp.ones(()), depth=-1)


def test_an_activation_that_is_nan_has_no_kernel():
    kernel = ntk.deep_kernel(lambda x: x * jnp.nan, jnp.array([0.5, 0.2]), depth=3)
    assert np.isnan(kernel).all()
