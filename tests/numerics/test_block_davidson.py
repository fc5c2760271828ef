"""Lowest eigenpairs in blocks, against dense solutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.numerics import lowest_eigenpairs, lowest_paired_eigenpairs

TOLERANCE = 1e-7


def symmetric(n, size, seed):
    noise = np.random.default_rng(seed).standard_normal((n, n))
    return size * (noise + noise.T)


def close_levels(n):
    """Diagonals with a degenerate pair, and entries outside of the support."""
    diagonal = np.linspace(1, 9, n)
    diagonal[3] = diagonal[2]
    support = np.arange(n) % 7 != 0
    return jnp.array(diagonal).reshape(2, -1), jnp.array(support).reshape(2, -1)


def times(matrix, x):
    return (x.ravel() @ matrix).reshape(x.shape)


@pytest.mark.parametrize("n", [60, 400])  # the second restarts
def test_equal_to_a_dense_solution(n):
    diagonal, support = close_levels(n)
    inside = np.asarray(support).ravel()
    a = np.diag(np.asarray(diagonal).ravel()) + symmetric(n, 1 / n, 0)
    a[~inside], a[:, ~inside] = 0, 0
    values, vectors, residuals, steps = jax.jit(
        lambda a: lowest_eigenpairs(
            lambda x: times(a, x), diagonal, support, 4, tolerance=TOLERANCE, max_steps=60
        )
    )(a)
    expected = np.linalg.eigvalsh(a[np.ix_(inside, inside)])[:4]
    assert steps < 60 and (residuals <= TOLERANCE).all()
    np.testing.assert_allclose(values, expected, atol=1e-12)
    flat = vectors.reshape(4, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(4), atol=1e-10)
    np.testing.assert_allclose(flat @ a, expected[:, None] * flat, atol=TOLERANCE)
    assert not flat[:, ~inside].any()


@pytest.mark.parametrize("n", [60, 400])
def test_pairs_equal_a_dense_solution(n):
    diagonal, support = close_levels(n)
    inside = np.asarray(support).ravel()
    gaps = np.diag(np.asarray(diagonal).ravel())
    plus, minus = gaps + symmetric(n, 1 / n, 1), gaps + symmetric(n, 0.5 / n, 2)
    for matrix in (plus, minus):
        matrix[~inside], matrix[:, ~inside] = 0, 0
    omega, z, w, residuals, steps = jax.jit(
        lambda p, m: lowest_paired_eigenpairs(
            lambda x: (times(p, x), times(m, x)),
            diagonal, support, 4, tolerance=TOLERANCE, max_steps=60,
        )
    )(plus, minus)  # fmt: skip
    inner = np.ix_(inside, inside)
    expected = np.sqrt(np.sort(np.linalg.eigvals(plus[inner] @ minus[inner]).real)[:4])
    assert steps < 60 and (residuals <= TOLERANCE).all()
    np.testing.assert_allclose(omega, expected, atol=1e-12)
    z, w = z.reshape(4, -1), w.reshape(4, -1)
    np.testing.assert_allclose(z @ w.T, np.eye(4), atol=1e-6)
    np.testing.assert_allclose(z @ plus, expected[:, None] * w, atol=4 * TOLERANCE)
    np.testing.assert_allclose(w @ minus, expected[:, None] * z, atol=4 * TOLERANCE)


def test_fewer_exist_than_are_asked_for():
    diagonal, support = jnp.arange(1.0, 7.0), jnp.array([True, False, True, False, False, False])
    limits = {"tolerance": TOLERANCE, "max_steps": 20}
    values, _, residuals, _ = lowest_eigenpairs(
        lambda x: diagonal * x, diagonal, support, 3, **limits
    )
    np.testing.assert_allclose(values, [1, 3, np.inf])
    assert (residuals <= TOLERANCE).all()
    omega, *_ = lowest_paired_eigenpairs(
        lambda x: (diagonal * x, diagonal * x), diagonal, support, 3, **limits
    )
    np.testing.assert_allclose(omega, [1, 3, np.inf])


def test_what_is_not_positive_is_seen():
    diagonal = jnp.array([-0.5, 2.0, 3.0])
    positive = jnp.arange(1.0, 4.0)
    limits = {"tolerance": TOLERANCE, "max_steps": 20}
    omega, z, w, *_ = lowest_paired_eigenpairs(
        lambda x: (diagonal * x, positive * x), positive, positive > 0, 2, **limits
    )
    np.testing.assert_allclose(omega, [-np.sqrt(0.5), 2.0])  # ω² = -½
    np.testing.assert_allclose(jnp.sum(z * w, axis=1), [-1, 1], atol=1e-10)
    omega, *_ = lowest_paired_eigenpairs(
        lambda x: (positive * x, diagonal * x), positive, positive > 0, 2, **limits
    )
    assert np.isnan(omega).all()
