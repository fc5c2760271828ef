"""fixed_point: solutions, three kinds of gradient, flags under vmap."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest
from jax.flatten_util import ravel_pytree

import jaxsci as jsci

SOLVERS = {
    "anderson": jsci.Anderson(rtol=1e-12, atol=1e-12),
    "damped": jsci.Anderson(rtol=1e-12, atol=1e-12, mixing=0.5),
    "diis": jsci.DIIS(rtol=1e-12, atol=1e-12),
}


def matrix(n=6):
    raw = np.random.default_rng(0).standard_normal((n, n))
    return jnp.asarray(0.9 * raw / np.linalg.norm(raw, 2))


def affine(params, y):
    """y = A y + b over a pytree; its fixed point is (1 - A)⁻¹ b."""
    flat, unravel = ravel_pytree(y)
    return unravel(params["a"] @ flat + params["b"])


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_affine_map_is_solved_exactly(solver):
    params = {"a": matrix(), "b": jnp.arange(6.0)}
    y0 = (jnp.zeros(2), jnp.zeros((2, 2)))
    solution = jsci.fixed_point(affine, params, y0, solver=solver)
    expected = np.linalg.solve(np.eye(6) - params["a"], params["b"])
    np.testing.assert_allclose(ravel_pytree(solution.value)[0], expected, rtol=1e-9)


def test_extrapolation_beats_plain_iteration():
    """On a linear problem of dimension n, n + 1 extrapolated steps suffice."""
    params = {"a": matrix(), "b": jnp.arange(6.0)}
    solver = jsci.Anderson(rtol=1e-10, atol=1e-10, history=8)
    steps = jsci.fixed_point(affine, params, jnp.zeros(6), solver=solver).stats["num_steps"]
    assert steps <= 9


def cosine(theta, y):
    return jnp.cos(theta * y)


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize("unrolled", [False, True])
def test_gradient_implicit_unrolled_analytic_agree(solver, unrolled):
    adjoint = optx.RecursiveCheckpointAdjoint() if unrolled else None

    def solve(theta):
        return jsci.fixed_point(cosine, theta, jnp.array(0.5), solver=solver, adjoint=adjoint).value

    y, dy = jax.value_and_grad(solve)(1.0)
    np.testing.assert_allclose(y, 0.7390851332151607, rtol=1e-11)
    expected = -np.sin(y) * y / (1 + np.sin(y))
    # An unrolled gradient lags the solution by an iteration: it is a little less accurate.
    np.testing.assert_allclose(dy, expected, rtol=1e-6 if unrolled else 1e-10)


def test_forward_mode_and_second_derivative():
    solve = lambda theta: jsci.fixed_point(cosine, theta, jnp.array(0.5)).value  # noqa: E731
    np.testing.assert_allclose(jax.jacfwd(solve)(1.0), jax.grad(solve)(1.0), rtol=1e-9)
    step = 1e-4
    difference = (jax.grad(solve)(1 + step) - jax.grad(solve)(1 - step)) / (2 * step)
    np.testing.assert_allclose(jax.hessian(solve)(1.0), difference, rtol=1e-6)


def test_one_bad_element_does_not_stop_a_batch():
    solve = lambda theta: jsci.fixed_point(  # noqa: E731
        lambda t, y: t * y + 1.0, theta, jnp.array(0.0), throw=False, max_steps=20,
        solver=optx.FixedPointIteration(1e-10, 1e-10),
    )  # fmt: skip
    solution = jax.jit(jax.vmap(solve))(jnp.array([0.1, 3.0]))
    converged = solution.result == optx.RESULTS.successful
    assert converged.tolist() == [True, False]
    np.testing.assert_allclose(solution.value[0], 1 / 0.9, rtol=1e-9)


def test_diis_stops_on_its_own_error():
    """With an error blind to half of y, DIIS stops when the other half has converged."""
    step = lambda p, y: jnp.array([0.1, 0.999]) * y + 1.0  # noqa: E731
    solver = jsci.DIIS(rtol=0.0, atol=1e-8, error=lambda p, y, gy: (gy - y)[0])
    solution = jsci.fixed_point(step, jnp.array(0.0), jnp.zeros(2), solver=solver)
    np.testing.assert_allclose(solution.value[0], 1 / 0.9, rtol=1e-6)
    assert abs(solution.value[1] - 1000.0) > 1.0


def test_the_same_step_is_compiled_once(caplog):
    """Outside jit, as in a script: another start and other parameters are no new program."""
    jsci.fixed_point(cosine, jnp.array(0.9), jnp.array(0.4))
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        jsci.fixed_point(cosine, jnp.array(1.0), jnp.array(0.5))
    messages = [record.getMessage() for record in caplog.records]
    assert not [message for message in messages if message.startswith("Compiling ")]


def test_float32_stays_float32():
    solution = jsci.fixed_point(cosine, jnp.float32(1.0), jnp.float32(0.5))
    assert solution.value.dtype == jnp.float32
    np.testing.assert_allclose(solution.value, 0.7390851, rtol=1e-4)


def test_no_convergence_raises():
    with pytest.raises(Exception, match="maximum number of steps"):
        jsci.fixed_point(lambda p, y: 2 * y + p, 1.0, jnp.array(1.0), max_steps=3,
                         solver=optx.FixedPointIteration(1e-8, 1e-8))  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jsci.fixed_point(3, 1.0, 1.0), TypeError, r"step\(params, y\)"),
        (lambda: jsci.fixed_point(cosine, 1.0, jnp.array(1)), TypeError, "floating arrays"),
        (
            lambda: jsci.fixed_point(lambda p, y: y[:1], 1.0, jnp.zeros(2)),
            ValueError,
            "must return what y is",
        ),
        (lambda: jsci.fixed_point(cosine, 1.0, 1.0, max_steps=0), ValueError, "at least 1"),
        (lambda: jsci.Anderson(rtol=0.0, atol=0.0), ValueError, "not both zero"),
        (lambda: jsci.Anderson(rtol=1e-3, atol=0.0, mixing=2.0), ValueError, "mixing"),
        (lambda: jsci.DIIS(rtol=0.0, atol=1e-3, history=0), ValueError, "history"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
