"""A program holds a function once, whatever is done with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.core import one_copy


def heavy(x, power):
    return jnp.tanh(x) @ x**power


def twice(f):
    return lambda x: f(f(x, 2), 2)


def test_what_it_computes_and_its_derivatives():
    x = jax.random.normal(jax.random.key(0), (3, 3, 3))
    for transform in (lambda f: f, lambda f: jax.grad(lambda x: jnp.sum(f(x)))):
        ours, plain = (jax.jit(jax.vmap(transform(twice(f)))) for f in (one_copy(heavy), heavy))
        np.testing.assert_allclose(ours(x), plain(x), rtol=1e-12)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere XLA decides")
def test_calls_are_not_inlined():
    lowered = jax.jit(twice(one_copy(heavy))).lower(jnp.ones((3, 3)))
    assert lowered.as_text().count("func.func private @heavy") == 1
    assert str(lowered.compile().as_text()).count(" call(") == 2


def test_other_settings_are_another_function():
    f, x = one_copy(heavy), 2 * jnp.ones((2, 2))
    np.testing.assert_array_equal(f(x, 1), heavy(x, 1))
    np.testing.assert_array_equal(f(x, 2), heavy(x, 2))


def test_settings_that_are_equal_and_of_another_type_are_other_settings():
    """1 == 1.0 == True, and Python hashes them alike."""
    kind = one_copy(lambda x, n: x * {int: 1, float: 2, bool: 3}[type(n)])
    assert [float(kind(jnp.ones(()), n)) for n in (1, 1.0, True)] == [1, 2, 3]


def test_zeros_of_either_sign_are_other_settings():
    """0.0 == -0.0, and 1 / -0.0 is -∞."""
    f = one_copy(lambda x, zero: x / zero)
    assert [float(f(jnp.ones(()), zero)) for zero in (0.0, -0.0)] == [np.inf, -np.inf]
