import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import nn

NETWORKS = {"mlp": nn.MLP, "modified": nn.ModifiedMLP, "siren": nn.SIREN}


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_dtype_and_smoothness(name, key):
    for out_size, shape in (("scalar", ()), (3, (3,))):
        net = NETWORKS[name](2, out_size, width=5, depth=2, key=key, dtype=jnp.float32)
        x = jnp.ones(2, jnp.float32)
        y = net(x)
        assert y.shape == shape and y.dtype == jnp.float32
        batch = jnp.stack([x, -x])
        np.testing.assert_allclose(jax.vmap(net)(batch)[0], y, rtol=1e-5)
    scalar = NETWORKS[name](2, "scalar", width=5, depth=2, key=key)
    curvature = jnp.trace(jax.hessian(scalar)(jnp.array([0.1, 0.2])))
    assert abs(curvature) > 1e-6
    np.testing.assert_allclose(jsci.laplacian(scalar)(jnp.array([0.1, 0.2])), curvature)


def test_mlp_is_the_composition_of_its_layers(key):
    net = nn.MLP(2, "scalar", width=3, depth=2, key=key)
    x = jnp.array([0.3, -0.2])
    a, b, c = [(layer.weight, layer.bias) for layer in net.layers]
    hidden = np.tanh(np.tanh(x @ a[0] + a[1]) @ b[0] + b[1])
    np.testing.assert_allclose(net(x), (hidden @ c[0] + c[1])[0], rtol=1e-14)
    assert sum(p.size for p in jax.tree.leaves(net)) == 2 * 3 + 3 + 3 * 3 + 3 + 3 + 1
    assert not np.any(c[1])


def test_dense_initialisation_has_the_variance_it_promises(key):
    layer = nn.Dense(200, 300, key=key, bias_scale=0.5)
    np.testing.assert_allclose(layer.weight.std(), np.sqrt(2 / 500), rtol=0.02)
    np.testing.assert_allclose(layer.bias.std(), 0.5 / np.sqrt(3), rtol=0.1)


def test_piratenet_starts_linear_in_its_embedding_and_deepens(key):
    features = nn.FourierFeatures(2, 4, scale=2.0, key=key)
    net = nn.PirateNet(2, "scalar", depth=2, embedding=features, key=key)
    x = jnp.array([0.3, -0.2])
    linear = (features(x) @ net.last.weight + net.last.bias)[0]
    np.testing.assert_allclose(net(x), linear, rtol=1e-12)
    deep = eqx.tree_at(lambda n: n.gates, net, jnp.array([1.0, 0.5]))
    e = features(x)
    u, v = (jnp.tanh(d(e)) for d in net.encoders)
    h = e
    for (a, b, c), gate in zip(net.blocks, (1.0, 0.5), strict=True):
        f = jnp.tanh(a(h))
        g = jnp.tanh(b(f * u + (1 - f) * v))
        h = gate * jnp.tanh(c(g * u + (1 - g) * v)) + (1 - gate) * h
    np.testing.assert_allclose(deep(x), net.last(h)[0], rtol=1e-12)


def test_siren_keeps_the_variance_of_its_layers(key):
    net = nn.SIREN(1, 1, width=200, depth=4, frequency=30.0, key=key)
    h, spread = jnp.linspace(-1, 1, 400)[:, None], []
    for layer in net.layers[:-1]:
        h = jnp.sin(30.0 * jax.vmap(layer)(h))
        spread.append(float(h.std()))
    np.testing.assert_allclose(spread, np.sqrt(0.5), atol=0.05)
    # Sines of any wide distribution have that variance: the frequencies are held by the bound.
    bound = np.sqrt(6 / 200) / 30
    for layer in net.layers[1:]:
        np.testing.assert_allclose(jnp.max(jnp.abs(layer.weight)), bound, rtol=0.05)


def test_fourier_features_have_unit_norm_and_train_only_when_asked(key):
    x = jnp.array([0.3, -0.2])
    for trainable in (False, True):
        features = nn.FourierFeatures(2, 6, scale=2.0, trainable=trainable, key=key)
        np.testing.assert_allclose(jnp.sum(features(x) ** 2), 6.0)
        gradient = eqx.filter_grad(lambda f: jnp.sum(f(x)))(features)
        assert bool(jnp.any(gradient.frequencies != 0)) is trainable


def test_periodic_embedding_makes_any_network_periodic(key):
    embedding = nn.PeriodicEmbedding((2.0, None), harmonics=2)
    net = nn.ModifiedMLP(2, "scalar", width=5, depth=2, embedding=embedding, key=key)
    left, right = jnp.array([-1.0, 0.3]), jnp.array([1.0, 0.3])
    for u in (net, jax.grad(net), jax.hessian(net)):
        np.testing.assert_allclose(u(left), u(right), atol=1e-12)
    assert abs(net(left) - net(jnp.array([-1.0, 0.5]))) > 1e-4
    # One wave in one period, then two.
    waves = embedding(jnp.array([0.25, 0.3]))
    np.testing.assert_allclose(waves, [0.5**0.5, 0.5**0.5, 0, 1, 0.3], atol=1e-15)


def test_kink_features_jump_in_the_second_derivative(key):
    net = nn.MLP(1, "scalar", width=8, depth=1, embedding=nn.KinkFeatures((0.5,)), key=key)
    value, slope, bend = net, jax.grad(net), jax.hessian(net)
    left, right = jnp.array([0.5 - 1e-9]), jnp.array([0.5 + 1e-9])
    np.testing.assert_allclose(value(left), value(right), atol=1e-7)
    np.testing.assert_allclose(slope(left), slope(right), atol=1e-7)
    assert abs(bend(left) - bend(right)).max() > 1e-2


def test_bad_input(key):
    with pytest.raises(ValueError, match="width must be a positive integer, got 0"):
        nn.MLP(2, "scalar", width=0, depth=1, key=key)
    with pytest.raises(ValueError, match='out_size must be a positive integer or "scalar"'):
        nn.MLP(2, "vector", width=3, depth=1, key=key)
    with pytest.raises(ValueError, match="frequency must be positive"):
        nn.SIREN(2, 1, width=3, depth=1, frequency=0.0, key=key)
    with pytest.raises(ValueError, match="periods must be positive or None"):
        nn.PeriodicEmbedding((0.0,))
    with pytest.raises(ValueError, match="at least one place"):
        nn.KinkFeatures(())
    with pytest.raises(ValueError, match="embedding must map a vector to a vector"):
        matrix = eqx.nn.Lambda(lambda x: jnp.ones((2, 2)))
        nn.MLP(2, "scalar", width=3, depth=1, embedding=matrix, key=key)


def test_a_gated_perceptron_of_shared_rows_is_that_of_whole_inputs():
    gated = jsci.nn.GatedMLP(6, 4, hidden=3, key=jax.random.key(0))
    a, b = jax.random.normal(jax.random.key(1), (2, 5, 3))
    index = jnp.array([4, 0, 0, 2, 1])
    whole = jax.vmap(gated)(jnp.concatenate([a[index], b], axis=1))
    np.testing.assert_allclose(gated.of_parts((a, index), (b, None)), whole, rtol=1e-12)
    with pytest.raises(ValueError, match="the parts have 3 columns together, and 6 are needed"):
        gated.of_parts((a, index))
