"""fit and objective refuse what they cannot train, and say what to write instead."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci

X = jax.random.normal(jax.random.key(0), (8, 2))
BATCH = {"line": (X, X[:, 0])}
PARAMS = {"w": jnp.zeros(2)}
LOSS = jsci.objective({"line": lambda p, xy: p["w"] @ xy[0] - xy[1]})


def fit(**change):
    given = dict(objective=LOSS, params=PARAMS, data=BATCH, optimizer=optax.sgd(0.1), steps=2)
    return jsci.fit(**(given | dict(progress=False) | change))


def batches():
    yield BATCH


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"steps": 2.5}, TypeError, "steps must be a whole number, got 2.5 of type float"),
        ({"report_every": 1e9}, TypeError, "report_every must be a whole number"),
        ({"report_every": 0}, ValueError, "report_every must be at least 1"),
        ({"params": {"w": "tanh"}}, TypeError, r"params\['w'\] is a str, 'tanh'"),
        ({"params": {"w": jnp.tanh}}, TypeError, "cannot be trained: split the model"),
        ({"params": {"w": jnp.zeros(2, complex)}}, TypeError, "stack real and imaginary parts"),
        ({"data": X}, TypeError, r"\{'line': ...\}, got an array of shape \(8, 2\)"),
        ({"data": [X]}, TypeError, "got a list"),
        ({"data": None}, TypeError, "got a NoneType"),
        ({"data": iter([BATCH])}, TypeError, "data is a list_iterator that hands out batches"),
        ({"data": batches()}, TypeError, "is a generator that hands out batches"),
        ({"data": batches}, TypeError, "hands out batches"),
        ({"data": {"line": (x for x in X)}}, TypeError, r"data\['line'\] is a generator"),
        ({"data": {"line": lambda key: X}}, TypeError, "is a function, not samples: draw"),
        ({"data": {"line": [[0.0, 1.0]]}}, ValueError, "Make an array of the list"),
        ({"data": {"line": [(X[0], 0.0)]}}, ValueError, "Stack the samples of the list"),
        ({"data": {"line": "points.csv"}}, TypeError, "is a str, not an array of samples"),
        ({"validation": X}, TypeError, "got an array of shape"),
        ({"validation": lambda key: BATCH}, ValueError, "validation is a function of a key"),
        ({"objective": lambda p, b: 1j * jnp.sum(p["w"])}, TypeError, r"abs\(r\)\*\*2, or stack"),
    ],
)
def test_fit_refuses(change, error, message):
    with pytest.raises(error, match=message):
        fit(**change)


@pytest.mark.parametrize(
    "transform",
    [lambda f: jax.jit(f)(1.0), lambda f: jax.grad(f)(1.0), lambda f: jax.vmap(f)(jnp.ones(2))],
    ids=["jit", "grad", "vmap"],
)
@pytest.mark.parametrize("where", ["params", "loss"])
def test_fit_inside_a_transformation_is_refused(transform, where):
    def train(c):
        change = {"params": {"w": c * jnp.ones(2)}}
        if where == "loss":
            change = {"objective": lambda p, _: jnp.sum((p["w"] - c) ** 2)}
        return fit(**change).params["w"].sum()

    with pytest.raises(TypeError, match="cannot be called inside jit, vmap, grad"):
        transform(train)


@pytest.mark.parametrize(
    ("weight", "error"),
    [
        (jnp.array(-1.0), ValueError),
        (np.float64(-1.0), ValueError),
        (float("nan"), ValueError),
        (jnp.ones(2), ValueError),
        (1j, TypeError),
        (jnp.array(1j), ValueError),
        ("2", TypeError),
    ],
)
def test_a_weight_is_one_number_that_is_not_negative(weight, error):
    with pytest.raises(error, match="The weight of 'line'"):
        jsci.objective({"line": lambda p, x: x}, {"line": weight})
    with pytest.raises(error, match="The weight of 'line'"):
        LOSS.reweighted({"line": weight})


def test_a_traced_weight_is_left_alone():
    value = jax.jit(lambda w: LOSS.reweighted({"line": w}).value(PARAMS, BATCH))(2.0)
    np.testing.assert_allclose(value, 2 * np.mean(np.square(X[:, 0])), rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "error"), [("loss", ValueError), ("validation_loss", ValueError), (3, TypeError)]
)
def test_names_that_the_history_needs_are_refused(name, error):
    """A term named "loss" would stand where the total belongs."""
    with pytest.raises(error, match="term"):
        jsci.objective({name: lambda p, x: x})


USES = {
    "value": lambda o: o.value,
    "terms": lambda o: o.terms,
    "residuals": lambda o: o.residuals,
    "value_and_grad": lambda o: o.value_and_grad,
    "jacobian": lambda o: lambda p, b: o.at(b).jacobian(p),
    "gram": lambda o: lambda p, b: o.at(b).gram(p),
    "traces": lambda o: lambda p, b: o.at(b).traces(p),
    "ntk_weights": lambda o: lambda p, b: jsci.pde.ntk_weights(o, p, b),
    "gradient_norm_weights": lambda o: lambda p, b: jsci.pde.gradient_norm_weights(o, p, b),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize(
    ("residual", "error", "message"),
    [
        (lambda p, xy: 1j * (p["w"] @ xy[0]), TypeError, "stack real and imaginary parts"),
        (lambda p, xy: p["w"][:0], ValueError, r"is empty: it has shape \(0,\) for one sample"),
        (lambda p, xy: (p["w"], p["w"]), TypeError, "must return an array for one sample"),
    ],
    ids=["complex", "empty", "tuple"],
)
def test_every_use_of_an_objective_refuses(use, batch_size, residual, error, message):
    loss = jsci.objective({"line": residual}, batch_size=batch_size)
    with pytest.raises(error, match=message):
        jax.eval_shape(USES[use](loss), PARAMS, BATCH)


@pytest.mark.parametrize("use", ["jacobian", "gram", "traces", "ntk_weights"])
def test_complex_parameters_have_no_real_kernel(use):
    with pytest.raises(TypeError, match="real parameters|stack real and imaginary parts"):
        USES[use](LOSS)({"w": jnp.zeros(2, complex)}, BATCH)


def test_the_traces_are_those_of_the_jacobian():
    pair = jsci.objective({"a": lambda p, x: p["w"] * x, "b": lambda p, x: jnp.sin(p["w"] @ x)})
    batch, w = {"a": X, "b": X[:3]}, jnp.array([0.3, -0.2])
    traces = pair.at(batch).traces({"w": w})
    np.testing.assert_allclose(traces["a"], np.mean(np.sum(X**2, axis=1)), rtol=1e-13)
    slopes = np.cos(X[:3] @ w)[:, None] * X[:3]
    np.testing.assert_allclose(traces["b"], np.mean(np.sum(slopes**2, axis=1)), rtol=1e-13)
