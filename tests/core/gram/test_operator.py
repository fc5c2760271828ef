"""gram_operator against the dense kernel."""

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxsci.core._gram.dense import gram
from jaxsci.core._gram.operator import gram_operator


def model(params, x):
    y = jnp.sin(x @ params["w"]) @ params["v"]
    return {"boundary": y[0] * x[0], "residual": y}


@pytest.fixture(scope="module")
def problem():
    k = jax.random.split(jax.random.key(0), 3)
    params = {"w": jax.random.normal(k[0], (3, 8)), "v": jax.random.normal(k[1], (8, 2))}
    x = jax.random.normal(k[2], (9, 3))
    flat, unravel = ravel_pytree(params)

    def stacked(w):
        return ravel_pytree(jax.vmap(model, (None, 0))(unravel(w), x))[0]

    j = jax.jacrev(stacked)(flat)
    return params, x, j @ j.T


@pytest.mark.parametrize("batch_size", [None, 4])
def test_products_diagonal_trace_and_matrix(problem, batch_size):
    params, x, dense = problem
    operator = gram_operator(model, params, x, batch_size=batch_size)
    v = jax.random.normal(jax.random.key(1), (27,))
    vector = operator._unravel(v)
    np.testing.assert_allclose(ravel_pytree(operator.mv(vector))[0], dense @ v, rtol=1e-11)
    linear = lx.linearise(operator)
    np.testing.assert_allclose(ravel_pytree(linear.mv(vector))[0], dense @ v, rtol=1e-11)
    np.testing.assert_allclose(operator.as_matrix(), dense, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(lx.diagonal(operator), jnp.diag(dense), rtol=1e-11)
    np.testing.assert_allclose(operator.trace(), jnp.trace(dense), rtol=1e-11)
    assert lx.is_symmetric(operator) and lx.is_positive_semidefinite(operator)


def test_blocks_between_named_outputs(problem):
    params, x, dense = problem
    operator = gram_operator(model, params, x)
    block = operator.block("boundary", "residual")
    expected = dense[:9, 9:].reshape(9, 9, 2)
    np.testing.assert_allclose(block, expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(operator.block("boundary", "boundary"), dense[:9, :9], rtol=1e-11)


def test_leading_eigenpairs(problem):
    params, x, dense = problem
    found = gram_operator(model, params, x).eigenpairs(3, key=jax.random.key(2))
    values, vectors = jnp.linalg.eigh(dense)
    np.testing.assert_allclose(found.values, values[::-1][:3], rtol=1e-10)
    overlap = jnp.abs(jnp.sum(found.vectors * vectors[:, ::-1][:, :3].T, axis=1))
    np.testing.assert_allclose(overlap, 1, rtol=1e-8)
    assert jnp.all(found.residuals < 1e-9 * values[-1])


def test_eigenpairs_of_a_kernel_of_low_rank_stay_finite():
    params, x = {"w": jnp.arange(1.0, 4.0)}, jnp.ones((6, 3))
    found = gram_operator(lambda p, x: p["w"] @ x, params, x).eigenpairs(2, key=jax.random.key(0))
    np.testing.assert_allclose(found.values, [18.0, 0.0], atol=1e-12)
    assert jnp.all(jnp.isfinite(found.vectors))


def test_nystrom_sketch_is_exact_at_full_rank_and_below_the_kernel(problem):
    params, x, dense = problem
    operator = gram_operator(model, params, x)
    top = jnp.linalg.eigvalsh(dense)[-1]

    def matrix(rank):
        found = operator.nystrom(rank, key=jax.random.key(3))
        assert found.values.shape == (rank,) and jnp.all(found.values >= 0)
        return found.vectors.T @ (found.values[:, None] * found.vectors)

    # The shift of √n ε ‖K Ω‖ is all that separates the full sketch from the kernel.
    np.testing.assert_allclose(matrix(27), dense, rtol=0, atol=1e-12 * top)
    gaps = [jnp.linalg.eigvalsh(dense - matrix(rank)) for rank in (5, 15)]
    assert all(gap[0] > -1e-12 * top for gap in gaps)
    assert gaps[1][-1] < gaps[0][-1]


def test_nystrom_sketch_of_a_kernel_of_low_rank_or_of_zeros_is_finite():
    def f(p, x):
        return p["w"] @ x

    params, x = {"w": jnp.arange(1.0, 4.0, dtype=jnp.float32)}, jnp.ones((6, 3), jnp.float32)
    found = gram_operator(f, params, x).nystrom(4, key=jax.random.key(0))
    # √6 · 3 roundings of ‖K Ω‖ ≤ 18 in float32.
    np.testing.assert_allclose(found.values, [18, 0, 0, 0], atol=1e-4)
    nothing = gram_operator(f, params, 0 * x).nystrom(2, key=jax.random.key(0))
    # The shift of √6 ε = 3e-7 is taken off again: what is left is its own rounding.
    assert jnp.all(jnp.isfinite(nothing.vectors)) and jnp.all(nothing.values <= 1e-12)


def test_hutchinson_within_its_stated_error(problem):
    params, x, dense = problem
    estimate, error = gram_operator(model, params, x).hutchinson_trace(jax.random.key(0), 256)
    assert abs(estimate - jnp.trace(dense)) < 4 * error
    assert error < 0.1 * jnp.trace(dense)


def test_the_stated_error_of_hutchinson_is_unbiased_with_two_samples():
    """Var zᵀ K z = 2 Σ_{i≠j} K_ij² of random signs, and half of it that of the mean of two.

    The square of the stated error is that on average; with n in place of n - 1, half of it.
    """
    x = jnp.asarray(np.random.default_rng(0).standard_normal((6, 3)))
    operator = gram_operator(lambda p, x: p @ x, jnp.ones(3), x)
    keys = jax.random.split(jax.random.key(0), 2000)
    _, errors = jax.jit(jax.vmap(lambda k: operator.hutchinson_trace(k, 2)))(keys)
    kernel = x @ x.T
    variance = 2 * (jnp.sum(kernel**2) - jnp.sum(jnp.diag(kernel) ** 2))
    np.testing.assert_allclose(jnp.mean(errors**2), variance / 2, rtol=0.15)


def test_conjugate_gradients_on_the_damped_kernel(problem):
    params, x, dense = problem
    operator = gram_operator(model, params, x)
    y = jax.vmap(model, (None, 0))(params, x)
    identity = lx.TaggedLinearOperator(
        lx.IdentityLinearOperator(operator.in_structure()), lx.positive_semidefinite_tag
    )
    damped = lx.TaggedLinearOperator(operator + 0.5 * identity, lx.positive_semidefinite_tag)
    solution = lx.linear_solve(damped, y, lx.CG(1e-12, 1e-12, max_steps=200)).value
    expected = jnp.linalg.solve(dense + 0.5 * jnp.eye(27), ravel_pytree(y)[0])
    np.testing.assert_allclose(ravel_pytree(solution)[0], expected, rtol=1e-8)


def test_bad_input(problem):
    params, x, _ = problem
    operator = gram_operator(model, params, x)
    with pytest.raises(ValueError, match="block.*outputs have.*'boundary', 'residual'"):
        operator.block("initial", "residual")
    with pytest.raises(ValueError, match="1 <= k <= steps <= 27"):
        operator.eigenpairs(28, key=jax.random.key(0))
    with pytest.raises(ValueError, match="1 <= rank <= 27"):
        operator.nystrom(0, key=jax.random.key(0))
    with pytest.raises(ValueError, match="at least 2 samples"):
        operator.hutchinson_trace(jax.random.key(0), 1)
    with pytest.raises(TypeError, match="cannot be differentiated"):
        gram_operator(model, {"w": jnp.arange(3)}, x)
    with pytest.raises(ValueError, match="batch_size"):
        gram_operator(model, params, x, batch_size=0)


def test_blocks_agree_with_gram(problem):
    params, x, _ = problem
    kernel = gram(model, params, x)
    block = gram_operator(model, params, x).block("residual", "boundary")
    np.testing.assert_allclose(block, kernel["residual"]["boundary"], rtol=1e-12)
