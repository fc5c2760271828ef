"""Features against the exact kernels and neurons: a squared error that falls as 1 / count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.ntk import infinite

COUNTS = (32, 128, 512)
DENSE = infinite.Dense(1, weight_std=1.3, bias_std=0.2)


def slope(errors):
    return np.polyfit(np.log(COUNTS), np.log(errors), 1)[0]


def unit(key, *shape):
    x = jax.random.normal(jax.random.key(key), shape)
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("activation", [infinite.Relu(), infinite.Erf(), infinite.Cos()])
def test_kernels_of_features_tend_to_the_exact_ones_as_one_over_count(activation):
    net = infinite.serial(DENSE, activation, DENSE, activation, DENSE)
    x = jax.random.normal(jax.random.key(0), (4, 5))
    exact = jnp.stack(net.kernel(x))
    errors = []
    for count in COUNTS:

        def one(key, count=count):
            features = jsci.ntk.random_features(net, 5, count, key=key)
            u, v = jax.vmap(features)(x)
            return (jnp.stack([u @ u.T, v @ v.T]) - exact) ** 2

        squared = jax.jit(lambda keys, one=one: jax.lax.map(one, keys))(
            jax.random.split(jax.random.key(1), 64)
        )
        errors.append(jnp.mean(squared, axis=(0, 2, 3)))
    for kernel in range(2):
        assert abs(slope(np.stack(errors)[:, kernel]) + 1) < 0.2


def test_features_of_a_linear_network_are_exact():
    net = infinite.serial(DENSE, DENSE)
    x = jax.random.normal(jax.random.key(0), (4, 5))
    u, v = jax.vmap(jsci.ntk.random_features(net, 5, 1, key=jax.random.key(1)))(x)
    exact = net.kernel(x)
    np.testing.assert_allclose(u @ u.T, exact.nngp, rtol=1e-12)
    np.testing.assert_allclose(v @ v.T, exact.ntk, rtol=1e-12)


def test_features_keep_single_precision():
    net = infinite.serial(DENSE, infinite.Relu(), DENSE)
    features = jsci.ntk.random_features(net, 3, 8, key=jax.random.key(0))
    assert {a.dtype for a in features(jnp.ones(3, jnp.float32))} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((infinite.Relu(),), "follow a Dense"),
        ((DENSE, infinite.Relu(), infinite.Relu()), "follow a Dense"),
        ((infinite.Conv(1, (3,)), infinite.Relu()), "supports Dense and activations, not Conv"),
    ],
)
def test_layers_without_features_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        jsci.ntk.random_features(infinite.serial(*layers), 3, 8, key=jax.random.key(0))


def test_a_count_of_zero_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        jsci.ntk.random_features(DENSE, 3, 0, key=jax.random.key(0))


def arc_cosine(x, w, b):
    x, w = jnp.append(x, 1.0), jnp.append(w, b)
    norms = jnp.linalg.norm(x) * jnp.linalg.norm(w)
    theta = jnp.arccos(x @ w / norms)
    return norms * (jnp.sin(theta) + (jnp.pi - theta) * jnp.cos(theta)) / (2 * jnp.pi)


def neuron(activation):
    return lambda x, w, b: activation(w @ x + b)


NEURONS = {
    "sin": (neuron(jnp.sin), lambda m, k: jsci.ntk.FourierNeuronFeatures(jnp.sin, 4, m, key=k)),
    "cos": (neuron(jnp.cos), lambda m, k: jsci.ntk.FourierNeuronFeatures(jnp.cos, 4, m, key=k)),
    "arc-cosine": (arc_cosine, lambda m, k: jsci.ntk.ArcCosineNeuronFeatures(4, m, key=k)),
}


@pytest.mark.parametrize("name", NEURONS)
def test_features_of_neurons_tend_to_the_neuron_as_one_over_count(name):
    exact, draw = NEURONS[name]
    x, w = 0.5 * unit(0, 6, 4), 0.5 * unit(1, 6, 4)
    b = jnp.linspace(-1, 1, 6)
    wanted = jax.vmap(exact)(x, w, b)
    errors = []
    for count in COUNTS:

        def one(key, count=count):
            features = draw(count, key)
            phi, psi = jax.vmap(features.of_inputs)(x), jax.vmap(features.of_weights)(w, b)
            return (jnp.sum(phi * psi, axis=1) - wanted) ** 2

        keys = jax.random.split(jax.random.key(2), 256)
        errors.append(jnp.mean(jax.jit(jax.vmap(one))(keys)))
    assert abs(slope(errors) + 1) < 0.2
    assert errors[-1] < 4 / COUNTS[-1] * jnp.mean(wanted**2 + 1)


def test_any_activation_is_a_sum_of_waves_to_its_stated_error():
    waves = tuple(k * np.pi / 6 for k in range(1, 6))
    features = jsci.ntk.FourierNeuronFeatures(
        jnp.tanh, 2, 2**14, key=jax.random.key(0), frequencies=waves, reach=3.0
    )
    assert features.fit_error < 0.01
    # at w = 0 the features differ in the choice of waves alone
    b = jnp.linspace(-1.5, 1.5, 7)
    x = jnp.full(2, 0.1)
    psi = jax.vmap(features.of_weights, in_axes=(None, 0))(jnp.zeros(2), b)
    np.testing.assert_allclose(psi @ features.of_inputs(x), jnp.tanh(b), atol=0.1)


def test_a_bundled_layer_replaces_a_layer_and_its_readout():
    keys = jax.random.split(jax.random.key(3), 3)
    weight = 0.5 * unit(4, 16, 4).T
    bias, readout = jax.random.normal(keys[0], (16,)), jax.random.normal(keys[1], (16, 2)) / 4
    features = jsci.ntk.FourierNeuronFeatures(jnp.sin, 4, 2**14, key=keys[2])
    layer = jsci.ntk.bundle(features, weight, bias, readout)
    assert layer.matrix.shape == (2 * 2**14 + 1, 2)
    x = 0.5 * unit(5, 8, 4)
    wanted = jnp.sin(x @ weight + bias[None]) @ readout
    np.testing.assert_allclose(jax.vmap(layer)(x), wanted, atol=0.1)


def test_a_bundled_layer_trains_its_matrix_alone():
    features = jsci.ntk.ArcCosineNeuronFeatures(4, 8, key=jax.random.key(0))
    f, params = jsci.pure(jsci.ntk.BundledDense(features, 3, key=jax.random.key(1)))
    gradient = jax.grad(lambda p: jnp.sum(f(p, jnp.ones(4)) ** 2))(params)
    sizes = {leaf.shape: float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(gradient)}
    assert sizes.pop((8, 3)) > 0
    assert all(value == 0 for value in sizes.values())


def test_bad_features_and_layers_are_refused():
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="frequencies and reach must be positive"):
        jsci.ntk.FourierNeuronFeatures(jnp.sin, 4, 8, key=key, frequencies=(0.0,))
    with pytest.raises(ValueError, match="count must be a positive integer"):
        jsci.ntk.ArcCosineNeuronFeatures(4, 0, key=key)
    features = jsci.ntk.ArcCosineNeuronFeatures(4, 8, key=key)
    with pytest.raises(ValueError, match="must be \\(in, width\\), \\(width,\\)"):
        jsci.ntk.bundle(features, jnp.ones((4, 3)), jnp.ones(2))
