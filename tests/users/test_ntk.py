"""Reports about tangent kernels, of finite and of infinitely wide networks."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.ntk import infinite

X = jnp.asarray(np.random.default_rng(0).standard_normal((4, 6)))
IMAGES = jnp.asarray(np.random.default_rng(1).standard_normal((3, 6, 6, 1)))


def network(std):
    layers = (infinite.Dense(1, weight_std=jnp.asarray(std)), infinite.Relu()) * 4
    return infinite.serial(*layers, infinite.Dense(1))


@pytest.mark.report("google/neural-tangents#197")
@pytest.mark.parametrize("std", [1e3, 1e-3])
def test_kernels_scale_with_the_weights_in_single_precision_too(std):
    """ReLU layers of large weights, whose kernels of 1e24 became NaN in float32.

    Small ones, of 1e-26, were worse: all inputs passed for parallel, 37 % off. Right: a ReLU
    network is homogeneous: four layers of standard deviation s multiply its kernel by s⁸.
    """
    plain = network(1.0).kernel(X).nngp
    np.testing.assert_allclose(network(std).kernel(X).nngp, std**8 * plain, rtol=1e-11)
    single = network(np.float32(std)).kernel(X.astype(jnp.float32)).nngp
    np.testing.assert_allclose(single, std**8 * plain, rtol=1e-5)


@pytest.mark.report("google/neural-tangents#192")
def test_an_activation_behind_a_convolution_and_none_behind_another():
    """Cos behind Conv, with and without Flatten; two activations in a row.

    Right: without Flatten positions are left, and their mean is what Flatten gives; behind another
    activation signals are not Gaussian, which is refused with the remedy.
    """
    layers = (infinite.Conv(1, (3, 3)), infinite.Cos())
    positions = infinite.serial(*layers).kernel(IMAGES).nngp
    assert positions.shape == (3, 3, 6, 6)
    flat = infinite.serial(*layers, infinite.Flatten(), infinite.Dense(1)).kernel(IMAGES).nngp
    np.testing.assert_allclose(positions.mean((2, 3)), flat, rtol=1e-12)
    with pytest.raises(ValueError, match="must follow a layer of weights"):
        infinite.serial(infinite.Dense(1), infinite.Relu(), infinite.Cos()).kernel(X)


@pytest.mark.report("google/neural-tangents#15")
def test_tanh_has_a_kernel():
    """Tanh has no closed form. Right: E tanh(u) tanh(v) by a product rule of 200 x 200 nodes."""
    got = infinite.serial(infinite.Dense(1), infinite.Tanh(), infinite.Dense(1)).kernel(X).nngp
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    weights = weights / weights.sum()
    k = np.asarray(X @ X.T) / X.shape[1]
    for i, j in ((0, 0), (0, 1), (2, 3)):
        a = np.linalg.cholesky([[k[i, i], k[i, j]], [k[i, j], k[j, j]]] + 1e-14 * np.eye(2))
        u = np.tanh(a[0, 0] * nodes)[:, None]
        v = np.tanh(a[1, 0] * nodes[:, None] + a[1, 1] * nodes[None])
        np.testing.assert_allclose(got[i, j], weights @ (u * v) @ weights, atol=1e-6)


@pytest.mark.report("google/neural-tangents#137")
def test_an_own_network_differs_from_the_infinite_kernel_by_its_parametrisation():
    """Dense layers of Flax beside those of `infinite`, of the same function.

    Right, by hand: with W = V / √fan in each layer's part of Θ is 1 / fan in of that in V. Linear
    layers of d inputs, n units and one output: Θ = (x·x') |w₂|² + (h·h') for W, and for V
    (x·x') |w₂|² / d + (h·h') / n.
    """
    f, params = jsci.pure(
        nn.Sequential([nn.Dense(512, use_bias=False), nn.Dense(1, use_bias=False)]),
        jax.random.key(0),
        X[0],
        dtype=jnp.float64,
    )
    w1, w2 = jax.tree.leaves(params)
    assert (w1.shape, w2.shape) == ((6, 512), (512, 1))
    inputs, hidden = X @ X.T, (X @ w1) @ (X @ w1).T
    standard = jsci.gram(f, params, X, trace_axes=-1)
    np.testing.assert_allclose(standard, inputs * (w2**2).sum() + hidden, rtol=1e-9, atol=1e-9)

    def rescaled(v, x):
        return x @ (v[0] / 6**0.5) @ (v[1] / 512**0.5)

    scaled = jsci.gram(rescaled, (w1 * 6**0.5, w2 * 512**0.5), X, trace_axes=-1)
    expected = inputs * (w2**2).sum() / 6 + hidden / 512
    np.testing.assert_allclose(scaled, expected, rtol=1e-9, atol=1e-9)
    wide = infinite.serial(infinite.Dense(512), infinite.Dense(1)).kernel(X).ntk
    np.testing.assert_allclose(scaled, wide, atol=5 / 512**0.5)  # scatter of one network


@pytest.mark.report("google/neural-tangents#27")
def test_max_pooling_has_a_kernel_of_the_finite_network():
    """No closed form knows max pooling. Right: J Jᵀ of the Jacobian by `jax.jacrev`."""

    def f(kernel, image):
        h = jax.lax.conv(image.transpose(2, 0, 1)[None], kernel, (1, 1), "SAME")
        return jnp.max(h.reshape(1, 2, 3, 2, 3, 2), axis=(3, 5)).sum((0, 2, 3))

    kernel = jnp.asarray(np.random.default_rng(2).standard_normal((2, 1, 3, 3)))
    rows = jax.vmap(jax.jacrev(f), (None, 0))(kernel, IMAGES).reshape(3, 2, -1)
    expected = jnp.einsum("nap,mbp->nmab", rows, rows)
    np.testing.assert_allclose(jsci.gram(f, kernel, IMAGES), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.report("google/neural-tangents#174")
def test_the_width_of_a_kernel_is_differentiable():
    """γ of a Gaussian kernel, to be trained. Right: K = exp(-γ |x - x'|² / d), dK/dγ by hand."""

    def kernel(std):
        """A weight of standard deviation √γ before an Rbf(1)."""
        return infinite.serial(infinite.Dense(1, weight_std=std), infinite.Rbf()).kernel(X).nngp

    gamma = 0.7
    square = jnp.sum((X[:, None] - X[None]) ** 2, axis=-1) / X.shape[1]
    value, slope = jax.jvp(lambda g: kernel(jnp.sqrt(g)), (gamma,), (1.0,))
    np.testing.assert_allclose(value, jnp.exp(-gamma * square), rtol=1e-12)
    np.testing.assert_allclose(slope, -square * value, rtol=1e-10, atol=1e-14)


@pytest.mark.report("google/neural-tangents#99")
def test_flax_models_with_running_averages():
    """A residual block with batch normalisation. Right: the naive Jacobian, averages held fixed."""

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x):
            y = nn.Conv(2, (3, 3))(x)
            y = nn.relu(nn.BatchNorm(use_running_average=True)(y))
            return nn.Dense(2)((y + nn.Conv(2, (1, 1))(x)).mean((0, 1)))

    f, params = jsci.pure(Block(), jax.random.key(0), IMAGES[0], dtype=jnp.float64)
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    rows = jax.vmap(jax.jacrev(lambda w, x: f(unravel(w), x)), (None, 0))(flat, IMAGES)
    kernel = jsci.gram(f, params, IMAGES)
    np.testing.assert_allclose(kernel, jnp.einsum("nap,mbp->nmab", rows, rows), rtol=1e-10)
