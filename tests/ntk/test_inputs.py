"""Inputs that fit by their shapes alone: what they mean is computed, or they are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import ntk
from jaxsci.ntk import infinite
from jaxsci.ntk._gaussian import expectation

ROWS = jnp.asarray(np.random.default_rng(0).standard_normal((4, 6)))
K, Y = ROWS @ ROWS.T, jnp.arange(4.0)
BY_OUTPUT = jnp.einsum("nm,ab->nmab", K, jnp.eye(2))
CALLS = {
    "predict": lambda k, y, **more: ntk.predict(k, y, **more),
    "gradient_descent": lambda k, y, **more: ntk.gradient_descent(
        k, y, learning_rate=0.01, steps=3, **more
    ),
    "gradient_descent of a loss": lambda k, y, **more: ntk.gradient_descent(
        k,
        y,
        learning_rate=0.01,
        steps=3,
        loss=lambda f, y: jnp.sum((f - y) ** 2),
        **({"f_train": jnp.zeros(4)} | more),
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_square_kernel_of_two_sets_is_not_symmetrised(call):
    of_two_sets = ROWS[:, :4] @ ROWS[:, 2:].T
    with pytest.raises(ValueError, match="kernel_train is not symmetric.*of one set with itself"):
        call(of_two_sets, Y)


def test_every_kernel_of_one_set_is_looked_at():
    lower = jnp.tril(K)
    for call in (
        lambda: ntk.spectrum(lower),
        lambda: ntk.max_learning_rate(lower),
        lambda: ntk.posterior(lower, K, K, Y),
        lambda: ntk.posterior(K, K, lower, Y),
    ):
        with pytest.raises(ValueError, match="is not symmetric"):
            call()


def test_rounding_is_no_asymmetry():
    """A float32 kernel whose halves were rounded apart, and one that is traced."""
    kernel = K.astype(jnp.float32)
    kernel = jnp.triu(kernel) + jnp.tril(kernel, -1) * (1 + 1e-5)
    np.testing.assert_allclose(ntk.spectrum(kernel).values, jnp.linalg.eigvalsh(K)[::-1], rtol=1e-3)
    assert jnp.isfinite(jax.jit(lambda k: ntk.spectrum(k).values)(ROWS[:, :4])).all()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_outputs_at_the_start_do_not_broadcast(call):
    """(n, 1) beside targets (n,) would make all n² differences."""
    if call is not CALLS["gradient_descent of a loss"]:  # there the loss says what fits
        with pytest.raises(ValueError, match=r"f_train must have the shape \(4,\), got \(4, 1\)"):
            call(K, Y, f_train=jnp.ones((4, 1)))
    with pytest.raises(ValueError, match=r"f_test must have the shape \(2,\), got \(2, 1\)"):
        call(K, Y, kernel_test=K[:2], f_train=jnp.ones(4), f_test=jnp.ones((2, 1)))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_outputs_at_the_start_come_for_both_sets(call):
    for given in (
        {"kernel_test": K[:2], "f_train": jnp.ones(4)},  # f₀ of the test set would be left out
        {"f_train": jnp.ones(4), "f_test": jnp.ones(4)},  # and this one ignored
    ):
        with pytest.raises(ValueError, match="f_test goes with both kernel_test and f_train"):
            call(K, Y, **given)


def test_targets_of_several_outputs_have_one_row_for_each_example():
    with pytest.raises(ValueError, match="for each of 4 training examples, of 2 outputs each"):
        ntk.predict(BY_OUTPUT, Y.repeat(2).reshape(2, 4))
    y = Y.repeat(2).reshape(4, 2)
    np.testing.assert_allclose(ntk.predict(BY_OUTPUT, y), y, atol=1e-12)
    with pytest.raises(ValueError, match=r"shape \(8,\) do not fit eigenvectors of 4 entries"):
        ntk.spectrum(K).alignment(jnp.ones(8))
    assert ntk.spectrum(BY_OUTPUT).alignment(y).shape == (8,)


def test_a_covariance_of_one_point_is_not_that_of_all():
    with pytest.raises(ValueError, match="one row for each row of kernel_test"):
        ntk.posterior(K, K[:3], K[:1, :1], Y)


def test_a_kernel_of_several_outputs_beside_one_of_none():
    """Three examples of two outputs have as many rows and columns as six of none."""
    several = BY_OUTPUT[:3, :2]
    with pytest.raises(ValueError, match=r"the output axes of kernel_train, \(4, 4\)"):
        ntk.posterior(K, several, jnp.eye(6), Y)
    with pytest.raises(ValueError, match=r"kernel_test_test \(6, 6\).*kernel_test \(3, 4, 2, 2\)"):
        ntk.posterior(BY_OUTPUT, BY_OUTPUT[:3], jnp.eye(6), jnp.ones((4, 2)))


def test_a_polynomial_without_coefficients():
    with pytest.raises(ValueError, match="one coefficient or more"):
        infinite.Polynomial([])


def test_time_runs_forward():
    with pytest.raises(ValueError, match="t must not be negative, got -1.0"):
        ntk.predict(K, Y, t=-1.0)


def test_images_in_bytes():
    """200² does not fit a byte; nor do the products that convolutions sum."""
    dense = infinite.serial(infinite.Dense(8), infinite.Relu(), infinite.Dense(1))
    conv = infinite.serial(
        infinite.Conv(8, (2,)), infinite.Relu(), infinite.GlobalAvgPool(), infinite.Dense(1)
    )
    images = jnp.asarray([[[200], [7]], [[3], [255]]], jnp.uint8)
    for net, x in ((dense, images[..., 0]), (conv, images)):
        expected = net.kernel(x.astype(float))
        np.testing.assert_array_equal(net.kernel(x).ntk, expected.ntk)
        np.testing.assert_array_equal(net.kernel(x, x[:1]).nngp, expected.nngp[:, :1])
    drawn = {"key": jax.random.key(0), "samples": 2}
    np.testing.assert_array_equal(
        infinite.monte_carlo(dense, images[..., 0], **drawn).nngp,
        infinite.monte_carlo(dense, images[..., 0].astype(float), **drawn).nngp,
    )


@pytest.mark.parametrize(
    "features",
    [
        ntk.ArcCosineNeuronFeatures(3, 8, key=jax.random.key(0)),
        ntk.FourierNeuronFeatures(jnp.sin, 3, 8, key=jax.random.key(0)),
    ],
    ids=["arc-cosine", "Fourier"],
)
def test_features_of_integers(features):
    """The random numbers are not rounded to the integers of the input."""
    x, b = jnp.array([1, 0, -2]), jnp.array(1)
    of_weights = features.of_weights(x.astype(float), b.astype(float))
    np.testing.assert_array_equal(features.of_inputs(x), features.of_inputs(x.astype(float)))
    np.testing.assert_array_equal(features.of_weights(x, b), of_weights)
    layer = ntk.BundledDense(features, 2, key=jax.random.key(1))
    np.testing.assert_array_equal(layer(x), layer(x.astype(float)))


def test_moments_of_integers():
    """E relu(z)² = 1/2: nodes and weights are not rounded to the integers of mean and variance."""
    square = expectation(lambda z: jax.nn.relu(z) ** 2, jnp.array(1), jnp.array(0))
    np.testing.assert_allclose(square, 0.5, rtol=1e-12)


@pytest.mark.parametrize("activation", [jnp.tanh, jnp.sin, jax.nn.relu])
def test_equal_inputs_stay_equal_at_any_depth(activation):
    """x · x of a vector of norm 1 is 1 but for rounding, from which an unstable map departs."""
    near_one = jnp.array([1.0, 1 + 4e-16, 1 - 4e-16])
    np.testing.assert_array_equal(ntk.deep_kernel(activation, near_one, depth=1000), 1.0)
    if activation is not jax.nn.relu:  # odd
        np.testing.assert_array_equal(ntk.deep_kernel(activation, -near_one, depth=1000), -1.0)


def test_correlations_of_inputs_that_are_not_of_norm_one():
    with pytest.raises(ValueError, match=r"correlation must lie in \[-1, 1\], got 1.5"):
        ntk.deep_kernel(jnp.tanh, jnp.array([0.5, 1.5]), depth=2)
    traced = jax.jit(lambda c: ntk.deep_kernel(jnp.tanh, c, depth=2))(jnp.array([0.5, 1.5]))
    np.testing.assert_array_equal(jnp.isnan(traced), [False, True])
    np.testing.assert_array_equal(ntk.deep_kernel(jnp.tanh, jnp.array([1, 0]), depth=3), [1, 0])


def test_deep_limits_of_inputs_of_norm_one():
    limit = ntk.deep_limit(jnp.tanh)
    x, labels = jnp.eye(3), jnp.ones(3)
    with pytest.raises(ValueError, match="x_train has an input of norm 2"):
        limit.predict(2 * x, labels, x)
    with pytest.raises(ValueError, match="x has an input of norm 0.5"):
        limit.predict(x, labels, x.at[1].multiply(0.5))
    with pytest.raises(ValueError, match="3 training inputs need a label each, got 2"):
        limit.predict(x, labels[:2], x)


def test_depths_and_layers_that_are_none():
    with pytest.raises(ValueError, match="depth must be 0 or more, got -3"):
        ntk.linear_kernel_variance(-3, 4)
    with pytest.raises(ValueError, match="layer must be 1 or more"):
        ntk.relu_vertex(jnp.arange(3), 4)


def test_parameters_of_another_shape_do_not_broadcast():
    f, params = jsci.pure(jsci.nn.MLP(3, 2, width=4, depth=1, key=jax.random.key(0)))
    with pytest.raises(ValueError, match="parameters have shapes"):
        ntk.linearize(f, params)(jax.tree.map(lambda a: a[:1], params), jnp.ones(3))
