"""DeepONet: its formula, its two ways of batching, derivatives in y, and a learned operator."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.operators import DeepONet, data, relative_l2


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


def test_bad_settings(key):
    with pytest.raises(ValueError, match="sensors, dim, width"):
        DeepONet(1, 1, sensors=0, dim=1, width=4, depth=1, key=key)
