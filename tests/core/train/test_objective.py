"""objective and residual: values, scaling, Jacobian, and what bad batches get."""

import dataclasses
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import jaxsci as jsci


def f(params, x):
    return jnp.tanh(params["w"] @ x + params["b"]).sum()


PARAMS = {"w": jnp.array([[0.3, -0.2], [1.0, 0.4]]), "b": jnp.array([0.1, -0.5])}
BATCH = {
    "pde": jax.random.normal(jax.random.key(0), (5, 2)),
    "data": (jax.random.normal(jax.random.key(1), (3, 2)), jnp.arange(3.0)),
}


def make():
    heat = lambda u, x: jnp.stack(  # noqa: E731
        [jsci.derivative(u, 0)(x) - jsci.derivative(u, 1, 1)(x), u(x)]
    )
    return jsci.objective(
        {"pde": jsci.residual(heat, f), "data": lambda p, xy: f(p, xy[0]) - xy[1]},
        weights={"data": 4.0},
    )


def test_value_is_the_weighted_mean_square():
    loss = make()
    pde, data = loss.functions[1], loss.functions[0]
    expected = np.mean([np.sum(pde(PARAMS, x) ** 2) for x in BATCH["pde"]]) + 4 * np.mean(
        [data(PARAMS, (x, y)) ** 2 for x, y in zip(*BATCH["data"], strict=True)]
    )
    np.testing.assert_allclose(loss.value(PARAMS, BATCH), expected, rtol=1e-13)
    flat = ravel_pytree(loss.residuals(PARAMS, BATCH))[0]
    np.testing.assert_allclose(flat @ flat, expected, rtol=1e-13)


def test_terms_are_unweighted():
    loss = make()
    terms = loss.terms(PARAMS, BATCH)
    np.testing.assert_allclose(
        terms["pde"] + 4 * terms["data"], loss.value(PARAMS, BATCH), rtol=1e-14
    )
    other = loss.reweighted({"pde": 0.0})
    np.testing.assert_allclose(other.value(PARAMS, BATCH), terms["data"], rtol=1e-14)


@pytest.mark.parametrize("weight", [0.0, jnp.zeros(())])
def test_a_term_of_weight_zero_is_left_out_even_where_it_is_not_finite(weight):
    """√ of a negative number and its slope are NaN, and so is zero times either."""
    fitted = lambda p, x: p @ x - 1.0  # noqa: E731
    both = jsci.objective(
        {"a": fitted, "b": lambda p, x: jnp.sqrt(p[0] - 9.0)}, weights={"b": weight}
    )
    one = jsci.objective({"a": fitted})
    p, x = jnp.array([0.3, 0.4]), jax.random.normal(jax.random.key(0), (4, 2))
    (value, terms), gradient = one.value_and_grad(p, {"a": x})
    for loss in (both, dataclasses.replace(both, batch_size=3)):
        (found, seen), slope = loss.value_and_grad(p, {"a": x, "b": x})
        np.testing.assert_allclose([found, seen["a"]], [value, terms["a"]], rtol=1e-14)
        assert jnp.isnan(seen["b"])
        np.testing.assert_allclose(slope, gradient, rtol=1e-14)
    at, alone = both.at({"a": x, "b": x}), one.at({"a": x})
    zeros = np.zeros((4, 2))
    np.testing.assert_allclose(at.jacobian(p)[1], [*alone.jacobian(p)[1], *zeros], rtol=1e-14)
    np.testing.assert_allclose(at.kernel(p)[:4, :4], alone.kernel(p), rtol=1e-14)
    assert not at.kernel(p)[4:].any()
    optimizer = jsci.levenberg_marquardt(space="matrix_free", acceleration=False)
    fit = jsci.fit(both, p, {"a": x, "b": x}, optimizer, steps=3, progress=False)
    assert fit.status == "completed"
    assert fit.history["loss"][-1] < 0.9 * value


def test_the_slope_in_a_weight_of_zero_is_that_of_its_term():
    both = jsci.objective({"a": lambda p, x: p - x, "b": lambda p, x: p * x})
    p, batch = jnp.array(0.3), {"a": jnp.ones(2), "b": jnp.array([1.0, 2.0])}
    slope = jax.grad(lambda w: both.reweighted({"b": w}).value(p, batch))(0.0)
    np.testing.assert_allclose(slope, both.terms(p, batch)["b"], rtol=1e-14)


@pytest.mark.parametrize("batch_size", [None, 1, 2, 3, 50])
def test_gradient_by_chunks_is_that_of_the_value(batch_size):
    loss = make()
    value, gradient = jax.value_and_grad(loss.value)(PARAMS, BATCH)
    chunked = dataclasses.replace(loss, batch_size=batch_size)
    (found, terms), slope = jax.jit(lambda p, b: chunked.value_and_grad(p, b))(PARAMS, BATCH)
    np.testing.assert_allclose(found, value, rtol=1e-13)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13),
        (terms, slope),
        (loss.terms(PARAMS, BATCH), gradient),
    )


def test_jacobian_and_gram_match_jacrev():
    at = make().at(BATCH)
    flat, unravel = ravel_pytree(PARAMS)
    expected = jax.jacrev(lambda w: at.vector(unravel(w)))(flat)
    r, jacobian = at.jacobian(PARAMS)
    np.testing.assert_allclose(r, at.vector(PARAMS), rtol=1e-13)
    np.testing.assert_allclose(jacobian, expected, rtol=1e-12, atol=1e-14)
    r, kernel = at.gram(PARAMS)
    np.testing.assert_allclose(r, at.vector(PARAMS), rtol=1e-13)
    np.testing.assert_allclose(kernel, expected @ expected.T, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jsci.objective({}), ValueError, "at least one term"),
        (lambda: jsci.objective({"a": f}, {"b": 1.0}), ValueError, r"unknown terms \['b'\]"),
        (lambda: jsci.objective({"a": f}, {"a": -1.0}), ValueError, "must not be negative"),
        (lambda: jsci.objective({"a": 3}), TypeError, "not a function"),
        (lambda: jsci.residual(3, f), TypeError, "op is a int"),
        (lambda: make().value(PARAMS, {"pde": BATCH["pde"]}), ValueError, "no entry for 'data'"),
        (
            lambda: make().value(PARAMS, BATCH | {"data": (jnp.zeros((3, 2)), jnp.zeros(2))}),
            ValueError,
            r"batch\['data'\] must have one leading axis",
        ),
        (
            lambda: make().value(PARAMS, BATCH | {"pde": jnp.zeros((0, 2))}),
            ValueError,
            "is empty",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


PROGRAM = """
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
import jaxsci as jsci

def residual(w, x):
    return jnp.tanh(w @ x)

w, batch = jnp.array([0.3, -0.7, 1.1]), {"r": jax.random.normal(jax.random.key(0), (13, 3))}
whole = jsci.objective({"r": residual}, {"r": 2.0})
mesh = jax.make_mesh((8,), ("batch",))
chunks = {"batch_size": 1}, {"batch_size": 5}
for options in ({"mesh": mesh}, *chunks, *({"mesh": mesh} | c for c in chunks)):
    other = jsci.objective({"r": residual}, {"r": 2.0}, **options).reweighted({"r": 2.0})
    for f in (
        lambda o: jax.value_and_grad(o.value)(w, batch),
        lambda o: (o.value_and_grad(w, batch)[0][0], o.value_and_grad(w, batch)[1]),
        lambda o: o.at(batch).jacobian(w),
    ):
        expected, found = f(whole), jax.jit(lambda: f(other))()
        for a, b in zip(expected, found):
            np.testing.assert_allclose(a, b, rtol=1e-13)
print("same in chunks and on 8 devices")
"""


def test_chunks_and_eight_devices_change_nothing():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
    )
    assert "same in chunks" in run.stdout, run.stderr


def test_weighted_samples_are_the_same_sum_in_every_use():
    """By hand: √(n v) times the residual, of which the objective takes the mean."""
    x, v = jnp.array([[0.3, -0.2], [1.0, 0.4], [-0.7, 2.0]]), jnp.array([0.5, 0.0, 2.5])
    r = lambda p, x: jnp.sin(p * x)  # noqa: E731
    by_hand = jsci.objective({"a": lambda p, s: jnp.sqrt(3 * s[1]) * r(p, s[0]), "b": r}, {"b": 2})
    p = jnp.array([0.7, -0.4])
    for batch_size in (None, 2):
        loss = jsci.objective({"a": r, "b": r}, {"b": 2}, batch_size=batch_size)
        one, other = {"a": jsci.Weighted(x, v), "b": x}, {"a": (x, v), "b": x}
        for use in (
            lambda o, b: o.value(p, b),
            lambda o, b: o.terms(p, b),
            lambda o, b: o.value_and_grad(p, b),
            lambda o, b: o.residuals(p, b),
            lambda o, b: o.at(b).jacobian(p),
            lambda o, b: o.at(b).gram(p),
            lambda o, b: o.at(b).traces(p),
        ):
            pairs = zip(*map(jax.tree.leaves, (use(loss, one), use(by_hand, other))), strict=True)
            for got, want in pairs:
                np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("weights", "message"),
    [(-np.ones(3), "must not be negative, got -1"), (np.ones((3, 1)), r"of shape \(n,\)")],
)
def test_weights_of_samples_that_cannot_be_are_refused(weights, message):
    loss = jsci.objective({"a": lambda p, x: p * x})
    with pytest.raises(ValueError, match=message):
        loss.value(1.0, {"a": jsci.Weighted(jnp.ones(3), weights)})
