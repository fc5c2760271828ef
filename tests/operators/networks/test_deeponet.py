"""DeepONet: its formula, its two ways of batching, derivatives in y, and a learned operator."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.operators import DeepONet, MIONet, PODDeepONet, data, pod_modes, relative_l2


@pytest.fixture
def model(key):
    return DeepONet(2, 3, sensors=12, dim=2, width=8, depth=2, terms=5, key=key)


def test_one_point_many_points_and_the_formula(model, key):
    a, y = jax.random.normal(key, (4, 3, 2)), jax.random.normal(key, (7, 2))
    out = model(a, y)
    assert out.shape == (7, 3)
    np.testing.assert_allclose(out[2], model(a, y[2]), atol=1e-14)
    b, t = a.reshape(-1), y[2]
    for layer in model.branch[:-1]:
        b = model.activation(b @ layer.weight + layer.bias)
    for layer in model.trunk:
        t = model.activation(t @ layer.weight + layer.bias)
    b = (b @ model.branch[-1].weight + model.branch[-1].bias).reshape(5, 3)
    np.testing.assert_allclose(out[2], sum(b[k] * t[k] for k in range(5)), atol=1e-14)


def test_aligned_and_unaligned(model, key):
    f, params = jsci.pure(model)
    a = jax.random.normal(key, (3, 12, 2))
    y = jax.random.normal(key, (3, 5, 2))
    each = jax.jit(f)
    aligned = jax.jit(jax.vmap(f, (None, 0, None)))(params, a, y[0])
    unaligned = jax.jit(jax.vmap(f, (None, 0, 0)))(params, a, y)
    for i in range(3):
        np.testing.assert_allclose(aligned[i], each(params, a[i], y[0]), atol=1e-14)
        np.testing.assert_allclose(unaligned[i], each(params, a[i], y[i]), atol=1e-14)


def test_output_is_differentiable_in_y(key):
    """Physics-informed: the equation's derivatives of the output function."""
    model = DeepONet(1, 1, sensors=4, dim=2, width=6, depth=1, key=key)
    a = jax.random.normal(key, (4, 1))
    u = jax.jit(lambda y: model(a, y)[0])
    y, h = jnp.array([0.3, 0.6]), 1e-4
    e = jnp.array([1.0, 0.0])
    numeric = (u(y + h * e) - 2 * u(y) + u(y - h * e)) / h**2
    np.testing.assert_allclose(jsci.derivative(u, 0, 0)(y), numeric, rtol=1e-5, atol=1e-7)


def test_principal_components_are_orthogonal_and_scaled_to_unit_coefficients(key):
    outputs = jax.random.normal(key, (40, 6, 2)) * jnp.linspace(1, 3, 6)[None, :, None] + 1
    modes, mean = pod_modes(outputs, 12)
    np.testing.assert_allclose(mean, outputs.mean(0), atol=1e-14)
    flat = modes.reshape(12, -1)
    squares = jnp.sum(flat**2, 1)
    np.testing.assert_allclose(flat @ flat.T, jnp.diag(squares), atol=1e-12)
    coefficients = (outputs - mean[None]).reshape(40, -1) @ flat.T / squares[None]
    np.testing.assert_allclose(jnp.mean(coefficients**2, 0), 1, rtol=1e-10)
    # All twelve components are all there is.
    np.testing.assert_allclose(
        coefficients @ flat, (outputs - mean[None]).reshape(40, -1), atol=1e-12
    )


def test_a_fixed_trunk_is_not_trained_and_gives_the_mean_without_a_branch(key):
    modes, mean = pod_modes(jax.random.normal(key, (8, 5, 1)), 3)
    model = PODDeepONet(modes, mean, in_channels=1, sensors=4, width=6, depth=1, key=key)
    f, params = jsci.pure(model)
    a = jax.random.normal(key, (4, 1))
    gradient = jax.grad(lambda p: jnp.sum(f(p, a) ** 2))(params)
    assert not jnp.any(gradient.modes) and not jnp.any(gradient.mean)
    assert jnp.any(gradient.branch[0].weight)
    silent = jax.tree.map(jnp.zeros_like, params.branch)
    still = eqx.tree_at(lambda p: p.branch, params, silent)
    np.testing.assert_allclose(f(still, a), mean)


def test_several_inputs_are_multiplied(key):
    model = MIONet((1, 2), 3, sensors=(5, 4), dim=2, width=6, depth=1, terms=7, key=key)
    keys = jax.random.split(key, 3)
    a, b = jax.random.normal(keys[0], (5, 1)), jax.random.normal(keys[1], (2, 2, 2))
    y = jax.random.normal(keys[2], (9, 2))
    out = model((a, b), y)
    assert out.shape == (9, 3)

    def network(layers, x):
        return layers[1](model.activation(layers[0](x)))

    first, second = (
        network(branch, v.reshape(-1)).reshape(7, 3)
        for branch, v in zip(model.branches, (a, b), strict=True)
    )
    trunk = model.activation(network(model.trunk, y[4]))
    np.testing.assert_allclose(out[4], trunk @ (first * second), atol=1e-13)
    with pytest.raises(ValueError, match="reads 2 functions, got 1"):
        model((a,), y)
    with pytest.raises(ValueError, match="of each input function"):
        MIONet((1,), 1, sensors=(5, 4), dim=1, width=4, depth=1, key=key)


@pytest.mark.slow
def test_learns_the_antiderivative():
    v, u = data.antiderivative(jax.random.key(0), 1100, 100)
    v, u = v.astype(jnp.float32), u.astype(jnp.float32)
    y = (jnp.arange(100) / 100)[:, None].astype(jnp.float32)
    model = DeepONet(1, 1, sensors=100, dim=1, width=40, depth=2, key=jax.random.key(1))
    f, params = jsci.pure(model, dtype=jnp.float32)
    loss = jsci.objective({"data": lambda p, s: f(p, s[0], y) - s[1]})
    steps = 6000
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, steps))
    fit = jsci.fit(
        loss, params, {"data": (v[:1000], u[:1000])}, optimizer, steps=steps, progress=False
    )
    error = jax.jit(jax.vmap(lambda v, u: relative_l2(f(fit.params, v, y), u)))(v[1000:], u[1000:])
    assert jnp.mean(error) < 0.02


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m(jnp.ones((10, 2)), jnp.ones(2)), "reads 12 sensors of 2 channels"),
        (lambda m: m(jnp.ones((24, 1)), jnp.ones(2)), "got shape"),
        (lambda m: m(jnp.ones((12, 2)), jnp.ones((5, 3))), "function of 2 coordinates"),
    ],
)
def test_bad_input(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


def test_more_components_than_functions(key):
    with pytest.raises(ValueError, match="at most 4 principal components"):
        pod_modes(jnp.ones((4, 9, 1)), 5)


def test_bad_settings(key):
    with pytest.raises(ValueError, match="sensors, dim, width"):
        DeepONet(1, 1, sensors=0, dim=1, width=4, depth=1, key=key)
