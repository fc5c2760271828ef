import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci import nn, pde


def _problem(key):
    f, params = jsci.pure(nn.MLP(2, "scalar", width=5, depth=1, key=key))
    loss = jsci.objective({"pde": jsci.residual(pde.heat(0.5), f), "initial": f})
    points = jax.random.uniform(key, (6, 2))
    return loss, params, {"pde": points, "initial": points[:4]}


def test_ntk_weights_equalise_the_traces_of_the_kernel(key):
    loss, params, batch = _problem(key)
    weights = pde.ntk_weights(loss, params, batch)
    traces = {}
    for name in batch:
        alone = loss.reweighted({n: float(n == name) for n in batch})
        _, jacobian = alone.at(batch).jacobian(params)
        traces[name] = jnp.sum(jacobian**2)
    total = sum(traces.values())
    for name in batch:
        np.testing.assert_allclose(weights[name], total / traces[name], rtol=1e-10)
    balanced = loss.reweighted(weights)
    assert balanced.value(params, batch) > loss.value(params, batch)


def test_gradient_norm_weights_equalise_the_gradients(key):
    loss, params, batch = _problem(key)
    weights = jax.jit(lambda p: pde.gradient_norm_weights(loss, p, batch))(params)
    norms = []
    for name in batch:
        alone = loss.reweighted({n: weights[n] * (n == name) for n in batch})
        gradient = jax.grad(alone.value)(params, batch)
        norms.append(jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient))))
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e-10)


def test_causal_weights_wait_for_earlier_times():
    times = jnp.array([0.05, 0.1, 0.3, 0.6, 0.99, 1.0])
    residuals = jnp.array([1.0, 3.0, 0.0, 2.0, 5.0, 7.0])
    w = pde.causal_weights(residuals, times, tolerance=0.1, start=0.0, end=1.0, slices=4)
    # Slice means of r²: 5, 0, 4, 37.
    np.testing.assert_allclose(w, np.exp(-0.1 * np.array([0, 0, 5, 5, 9, 9])), rtol=1e-12)
    solved = pde.causal_weights(0 * residuals, times, tolerance=0.1, start=0.0, end=1.0)
    np.testing.assert_array_equal(solved, 1.0)


def test_causal_loss_does_not_differentiate_its_weights():
    def r(params, x):
        return params * (1 + x[1])

    points = jnp.stack([jnp.zeros(8), jnp.linspace(0, 1, 8)], axis=1)
    loss = pde.causal_loss(r, tolerance=2.0, start=0.0, end=1.0, slices=4)
    p = jnp.array(0.7)
    w = pde.causal_weights(
        p * (1 + points[:, 1]), points[:, 1], tolerance=2.0, start=0.0, end=1.0, slices=4
    )
    expected = jnp.mean(w * 2 * p * (1 + points[:, 1]) ** 2)
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(p, points), expected, rtol=1e-12)


def test_self_adaptive_weights_grow_where_the_residual_stays(key):
    """Two points ask for different values of one number: the harder point gains weight."""

    def r(p, x):
        return p - x

    loss = jsci.objective({"data": r}, weights={"data": 2.0})
    batch = {"data": jnp.array([0.0, 0.0, 0.0, 1.0])}
    problem = pde.self_adaptive(
        loss, jnp.array(0.5), batch, optax.sgd(0.05), weight_optimizer=optax.sgd(0.05)
    )
    np.testing.assert_allclose(
        problem.objective(problem.params, problem.data), loss.value(jnp.array(0.5), batch)
    )
    fit = jsci.fit(*problem, steps=40, progress=False)
    weights = fit.params["weights"]["data"]
    assert weights[3] > weights[0] > 1
    assert 0.25 < fit.params["model"] < 0.5
    with pytest.raises(TypeError, match="needs one fixed batch"):
        pde.self_adaptive(loss, jnp.array(0.5), lambda k: batch, optax.sgd(0.1))


def test_problems_begin_with_the_arguments_of_fit_under_its_names():
    arguments = list(inspect.signature(jsci.fit).parameters)
    assert list(pde.SelfAdaptive._fields) == arguments[:4]
    assert list(pde.Eigenproblem._fields[:3]) == arguments[:3]


def test_former_names_of_a_self_adaptive_problem_still_work():
    loss = jsci.objective({"data": lambda p, x: p - x})
    problem = pde.self_adaptive(loss, jnp.array(0.5), {"data": jnp.ones(2)}, optax.sgd(0.1))
    with pytest.warns(DeprecationWarning, match=r"SelfAdaptive\.loss .*SelfAdaptive\.objective"):
        assert problem.loss is problem.objective
    with pytest.warns(DeprecationWarning, match=r"SelfAdaptive\.batch .*SelfAdaptive\.data"):
        assert problem.batch is problem.data


def test_bad_input():
    with pytest.raises(ValueError, match="tolerance > 0, slices >= 1 and start < end"):
        pde.causal_weights(jnp.ones(2), jnp.ones(2), tolerance=0.0, start=0.0, end=1.0)


def test_what_weights_cannot_be_taken_of(key):
    loss, params, batch = _problem(key)
    sampler = pde.uniform(pde.Box((0.0, 0.0), (1.0, 1.0)), 4)
    for weigh in (pde.ntk_weights, pde.gradient_norm_weights):
        with pytest.raises(TypeError, match=r"got a sampler.*batch = sample\(key\)"):
            weigh(loss, params, {"pde": sampler, "initial": sampler})
        with pytest.raises(ValueError, match="no entry for 'initial'"):
            weigh(loss, params, {"pde": batch["pde"]})
    wave = jsci.objective({"wave": lambda p, x: p * jnp.exp(1j * x[0])})
    with pytest.raises(TypeError, match="stack real and imaginary parts"):
        pde.ntk_weights(wave, jnp.ones(()), {"wave": batch["pde"]})


def test_traces_of_complex_parameters_are_refused(key):
    loss = jsci.objective({"wave": lambda c, x: jnp.real(c * jnp.exp(1j * x[0]))})
    points = {"wave": jax.random.uniform(key, (5, 1))}
    with pytest.raises(TypeError, match="two real leaves"):
        pde.ntk_weights(loss, jnp.asarray(0.3 + 0.1j), points)


def test_causal_weights_of_other_shapes():
    options = {"tolerance": 1.0, "start": 0.0, "end": 1.0}
    square = lambda params, x: params * x  # noqa: E731
    with pytest.raises(ValueError, match=r"scalar residual for each time.*\(2, 2\) and \(2,\)"):
        pde.causal_loss(square, **options)(1.0, jnp.full((2, 2), 0.5))
    wave = lambda params, x: params * jnp.exp(1j * x[0])  # noqa: E731
    with pytest.raises(TypeError, match="must be real, got complex128"):
        pde.causal_loss(wave, **options)(1.0, jnp.full((2, 2), 0.5))
