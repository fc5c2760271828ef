"""pure: every kind of model becomes the same kind of function."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxsci as jsci


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        hidden = jnp.tanh(linen.Dense(5)(x))
        return linen.Dense(1)(hidden)[..., 0]


class LinenNorm(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.BatchNorm(use_running_average=True)(linen.Dense(3)(x))


class NnxNet(nnx.Module):
    def __init__(self, rngs):
        self.inner = nnx.Linear(2, 5, rngs=rngs)
        self.outer = nnx.Linear(5, 1, rngs=rngs)

    def __call__(self, x):
        return self.outer(jnp.tanh(self.inner(x)))[..., 0]


def two_layers(kernel_1, bias_1, kernel_2, bias_2, x):
    hidden = np.tanh(x @ np.asarray(kernel_1) + np.asarray(bias_1))
    return (hidden @ np.asarray(kernel_2) + np.asarray(bias_2))[..., 0]


X = jnp.array([0.3, -1.2])


def test_equinox(key):
    model = eqx.nn.MLP(2, "scalar", 4, 1, key=key)
    f, params = jsci.pure(model)
    assert f(params, X) == model(X)
    assert all(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(params))


def test_linen_matches_numpy(key):
    f, params = jsci.pure(LinenNet(), key, X, dtype=jnp.float64)
    d0, d1 = params["Dense_0"], params["Dense_1"]
    expected = two_layers(d0["kernel"], d0["bias"], d1["kernel"], d1["bias"], np.asarray(X))
    np.testing.assert_allclose(f(params, X), expected, rtol=1e-14)


def test_linen_with_the_variables_that_it_has_already(key):
    variables = LinenNorm().init(key, X)
    f, params = jsci.pure(LinenNorm(), variables)
    assert "batch_stats" not in params
    np.testing.assert_array_equal(f(params, X), LinenNorm().apply(variables, X))


def test_linen_keeps_untrained_state_fixed(key):
    f, params = jsci.pure(LinenNorm(), key, X)
    assert "batch_stats" not in params
    assert f(params, X).shape == (3,)


def test_nnx_matches_numpy():
    model = NnxNet(nnx.Rngs(0))
    f, params = jsci.pure(model, dtype=jnp.float64)
    named = [(jax.tree_util.keystr(p), v) for p, v in jax.tree_util.tree_leaves_with_path(params)]
    # Of each layer the bias has the lower rank.
    bias_1, kernel_1 = sorted((v for name, v in named if "inner" in name), key=jnp.ndim)
    bias_2, kernel_2 = sorted((v for name, v in named if "outer" in name), key=jnp.ndim)
    expected = two_layers(kernel_1, bias_1, kernel_2, bias_2, np.asarray(X))
    np.testing.assert_allclose(f(params, X), expected, rtol=1e-14)


def test_plain_function():
    f, params = jsci.pure(lambda p, x: p["a"] * x, {"a": jnp.array(2.0)})
    assert f(params, 3.0) == 6.0


def test_dtype_casts_every_leaf(key):
    _, params = jsci.pure(LinenNet(), key, X, dtype=jnp.float64)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float64")}


@pytest.mark.parametrize("transform", [jax.jit, lambda f: f])
def test_jit_and_grad(key, transform):
    f, params = jsci.pure(NnxNet(nnx.Rngs(0)))
    gradient = transform(jax.grad(f))(params, X)
    assert jax.tree.structure(gradient) == jax.tree.structure(params)


@pytest.mark.parametrize(
    ("model", "init", "error", "message"),
    [
        (3, (), TypeError, "takes an Equinox module, a Flax NNX module"),
        (eqx.nn.MLP, (), TypeError, "takes an Equinox module"),
        (LinenNet(), (), ValueError, "pass the key and one example"),
        (lambda p, x: x, (), ValueError, r"use pure\(f, params\)"),
        (lambda p, x: x, ({"n": jnp.array(3)},), TypeError, r"\['n'\].*no\s+gradient"),
        (lambda p, x: x, ({"name": "relu"},), TypeError, r"\['name'\]"),
    ],
)
def test_bad_input(model, init, error, message):
    with pytest.raises(error, match=message):
        jsci.pure(model, *init)


def test_extra_arguments_to_equinox(key):
    with pytest.raises(ValueError, match="takes 0 further arguments"):
        jsci.pure(eqx.nn.Linear(2, 2, key=key), X)


def test_integer_dtype(key):
    with pytest.raises(TypeError, match="floating or complex"):
        jsci.pure(eqx.nn.Linear(2, 2, key=key), dtype=jnp.int32)


def test_a_real_dtype_does_not_drop_imaginary_parts():
    params = {"w": jnp.array([1 + 2j])}
    with pytest.raises(TypeError, match=r"\['w'\] is complex128, whose imaginary part"):
        jsci.pure(lambda p, x: p["w"] * x, params, dtype=jnp.float64)
    _, same = jsci.pure(lambda p, x: p["w"] * x, params, dtype=jnp.complex64)
    np.testing.assert_array_equal(same["w"], [1 + 2j])
