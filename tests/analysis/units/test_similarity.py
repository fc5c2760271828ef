"""CKA and CCA: what they do not change under, and their values by other formulas."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from analysis._networks import inputs

from jaxsci import analysis

X, Y = inputs(40, 4), inputs(40, 9)[:, 4:7]


def test_cka_is_unchanged_by_rotation_and_scale():
    turn = np.linalg.qr(inputs(4, 4))[0]
    assert analysis.cka(X, 3 * X @ turn + 1) == pytest.approx(1, abs=1e-12)
    assert analysis.cka(X, X @ np.diag([1, 2, 3, 4])) < 0.99


def test_cka_is_the_alignment_of_centred_kernels():
    centre = np.eye(40) - 1 / 40
    k, l = (centre @ a @ a.T @ centre for a in (X, Y))
    expected = np.sum(k * l) / np.sqrt(np.sum(k * k) * np.sum(l * l))
    assert analysis.cka(X, Y) == pytest.approx(expected, abs=1e-12)


def test_cca_is_unchanged_by_linear_maps():
    found = analysis.cca(X, X @ inputs(4, 4) + 1)
    np.testing.assert_allclose(found, 1, atol=1e-9)


def test_cca_is_that_of_the_covariances():
    x, y = X - X.mean(0), Y - Y.mean(0)
    product = np.linalg.solve(x.T @ x, x.T @ y) @ np.linalg.solve(y.T @ y, y.T @ x)
    expected = np.sqrt(np.sort(np.linalg.eigvals(product).real)[::-1][:3])
    np.testing.assert_allclose(analysis.cca(X, Y), expected, atol=1e-10)


def test_directions_that_are_repeated_count_once():
    found = analysis.cca(np.concatenate([X, X], 1), Y)
    np.testing.assert_allclose(found, analysis.cca(X, Y), atol=1e-9)


@pytest.mark.parametrize("function", [analysis.cka, analysis.cca])
def test_samples_must_be_the_same(function):
    with pytest.raises((ValueError, TypeError)):
        function(X, Y[:30])


def test_too_few_samples_for_cca():
    with pytest.raises(ValueError, match="got 7 samples of 4 and 3 units"):
        analysis.cca(X[:7], Y[:7])


def test_under_jit_and_in_derivatives():
    assert jax.jit(analysis.cka)(X, Y) == pytest.approx(float(analysis.cka(X, Y)))
    slope = jax.grad(lambda x: analysis.cka(x, jnp.asarray(Y)))(jnp.asarray(X))
    step = 1e-6 * inputs(40, 4)
    change = analysis.cka(X + step, Y) - analysis.cka(X - step, Y)
    assert jnp.sum(slope * step) == pytest.approx(float(change) / 2, rel=1e-5)


def test_constants_are_constant_to_rounding():
    """0.1 less the mean of many 0.1 is not 0."""
    a, b = np.full((7, 2), 0.1), np.full((7, 2), 0.7)
    assert np.isnan(analysis.cka(a, b)) and np.isnan(analysis.cka(a, X[:7]))
    np.testing.assert_array_equal(analysis.cca(a, b), 0)


def test_what_is_not_finite_stays_so():
    broken = np.where(np.arange(4) == 2, np.nan, X)
    assert np.isnan(analysis.cka(broken, Y)) and np.isnan(analysis.cca(broken, Y)).all()


def test_complex_activations():
    z = X[:, :2] + 1j * X[:, 2:]
    turn = np.linalg.qr(inputs(2, 2) + 1j * inputs(2, 2)[::-1])[0]
    assert analysis.cka(z, z @ turn) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(analysis.cca(z, z @ turn), 1, atol=1e-9)


@pytest.mark.parametrize("function", [analysis.cka, analysis.cca])
def test_activations_are_samples_and_units(function, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    with pytest.raises(ValueError, match=r"must be \(samples, units\)"):
        function(X.reshape(20, 2, 4), X.reshape(20, 2, 4))


@pytest.mark.parametrize(
    ("size", "dtype"), [(1e25, "f4"), (1e-25, "f4"), (1e3, "f2"), (1e200, "f8")]
)
def test_cka_of_large_and_small_activations(size, dtype):
    found = analysis.cka((size * X).astype(dtype), Y.astype(dtype))
    assert found.dtype == dtype
    assert found == pytest.approx(float(analysis.cka(X, Y)), abs=1e-2 if dtype == "f2" else 1e-5)


@pytest.mark.parametrize("function", [analysis.cka, analysis.cca])
def test_activations_of_nothing(function):
    for x, y in ((X[:0], Y[:0]), (X[:, :0], Y)):
        with pytest.raises(ValueError, match="must have samples and units"):
            function(x, y)
