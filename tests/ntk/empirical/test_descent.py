"""Training of a linearised model in function space against the optimiser in parameter space."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci import ntk


def squares(f, y):
    return jnp.sum((f - y) ** 2) / 2


def cross_entropy(f, y):
    return jnp.mean(optax.softmax_cross_entropy(f, y))


@pytest.fixture(scope="module")
def problem():
    keys = jax.random.split(jax.random.key(3), 4)
    f, params = jsci.pure(eqx.nn.MLP(2, 3, 16, 1, jnp.tanh, key=keys[0]), dtype=jnp.float64)
    x, z = jax.random.normal(keys[1], (6, 2)), jax.random.normal(keys[2], (4, 2))
    y = jax.nn.softmax(jax.random.normal(keys[3], (6, 3)))
    outputs = jax.vmap(f, (None, 0))
    return {
        "f": f,
        "params": params,
        "x": x,
        "z": z,
        "y": y,
        "train": ntk.kernel(f, params, x),
        "test": ntk.kernel(f, params, z, x),
        "f_train": outputs(params, x),
        "f_test": outputs(params, z),
    }


def trained_outputs(problem, loss, rate, momentum, steps):
    """Outputs at z of the linearised model that optax trained."""
    f_lin = jax.vmap(ntk.linearize(problem["f"], problem["params"]), (None, 0))
    optimizer = optax.sgd(rate, momentum)

    @jax.jit
    def run(params):
        def step(state, _):
            p, s = state
            gradient = jax.grad(lambda q: loss(f_lin(q, problem["x"]), problem["y"]))(p)
            updates, s = optimizer.update(gradient, s)
            return (optax.apply_updates(p, updates), s), None

        (p, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), None, length=steps)
        return f_lin(p, problem["z"])

    return run(problem["params"])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("loss", [squares, cross_entropy])
def test_equals_the_optimiser_step_by_step(problem, loss, momentum):
    rate, steps = 0.02, 60
    expected = trained_outputs(problem, loss, rate, momentum, steps)
    given = {name: problem[name] for name in ("f_train", "f_test")}
    predicted = ntk.gradient_descent(
        problem["train"],
        problem["y"],
        learning_rate=rate,
        steps=steps,
        momentum=momentum,
        loss=None if loss is squares else loss,
        kernel_test=problem["test"],
        **given,
    )
    # The same linear recurrence in two spaces: they differ by rounding alone.
    np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-11)


def test_closed_form_equals_iteration_on_a_singular_kernel():
    v = jnp.arange(1.0, 5.0)
    options = {"learning_rate": 0.03, "steps": 57, "momentum": 0.5}
    closed = ntk.gradient_descent(jnp.outer(v, v), v**2, **options)
    stepped = ntk.gradient_descent(
        jnp.outer(v, v), v**2, loss=squares, f_train=jnp.zeros(4), **options
    )
    np.testing.assert_allclose(closed, stepped, rtol=0, atol=1e-11)


def test_small_steps_are_gradient_flow(problem):
    theta = problem["train"][..., 0, 0]

    def gap(steps):
        fine = ntk.gradient_descent(theta, problem["y"], learning_rate=2.0 / steps, steps=steps)
        return float(jnp.abs(fine - ntk.predict(theta, problem["y"], t=2.0)).max())

    assert abs(gap(4000) / gap(2000) - 0.5) < 0.01  # first order in the step


def test_no_steps_change_nothing(problem):
    options = {"learning_rate": 0.1, "steps": 0, "f_train": problem["f_train"]}
    for loss in (None, cross_entropy):
        after = ntk.gradient_descent(problem["train"], problem["y"], loss=loss, **options)
        np.testing.assert_array_equal(after, problem["f_train"])


def test_bad_input(problem):
    theta, y = problem["train"], problem["y"]
    with pytest.raises(ValueError, match="steps must not be negative"):
        ntk.gradient_descent(theta, y, learning_rate=0.1, steps=-1)
    with pytest.raises(ValueError, match="momentum must lie"):
        ntk.gradient_descent(theta, y, learning_rate=0.1, steps=1, momentum=1.0)
    with pytest.raises(ValueError, match="needs f_train"):
        ntk.gradient_descent(theta, y, learning_rate=0.1, steps=1, loss=cross_entropy)
    with pytest.raises(ValueError, match="one column for each training example"):
        ntk.gradient_descent(theta, y, learning_rate=0.1, steps=1, kernel_test=theta[:, :3])
