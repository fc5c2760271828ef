"""Factors: planted ones come back, and what is found is stationary by derivatives in NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.special import kl_div

from jaxsci import analysis

RANK = 3
KEY = jax.random.key(0)


def planted(shape, seed=0, sparse=0.5):
    rng = np.random.default_rng(seed)
    return [rng.random((n, RANK)) * (rng.random((n, RANK)) < sparse) for n in shape]


def product(factors):
    """Σᵣ aᵣ ∘ bᵣ ∘ ..., one component after the other."""
    rank = factors[0].shape[1]
    return sum(functools.reduce(np.multiply.outer, [f[:, r] for f in factors]) for r in range(rank))


def scaled(out):
    """The factors with the weights in the first."""
    first, *others = map(np.asarray, out.factors)
    return [first * np.asarray(out.weights), *others]


def slopes(x, factors, loss, known):
    """Derivatives of the loss in each factor, component by component."""
    model = product(factors)
    misfit = known * (2 * (model - x) if loss == "squared" else 1 - x / model)
    for mode, factor in enumerate(factors):
        slope = np.empty_like(factor)
        for r in range(factor.shape[1]):
            one = misfit
            for other in reversed([m for m in range(x.ndim) if m != mode]):
                one = np.tensordot(one, factors[other][:, r], (other, 0))
            slope[:, r] = one
        yield factor, slope


@pytest.fixture(scope="module")
def cube():
    factors = planted((9, 8, 7))
    return factors, product(factors)


def test_recovers_planted_factors(cube):
    factors, x = cube
    out = analysis.factorise(x, RANK, KEY, restarts=4, tolerance=1e-13, max_steps=3000)
    assert out.converged and out.errors.shape == (4,) and out.error == jnp.min(out.errors) < 1e-4
    likeness = np.ones((RANK, RANK))
    for found, known in zip(out.factors, factors, strict=True):
        np.testing.assert_allclose(np.linalg.norm(found, axis=0), 1, atol=1e-12)
        likeness *= np.asarray(found).T @ (known / np.linalg.norm(known, axis=0))
    pairs = linear_sum_assignment(-likeness)
    assert likeness[pairs].min() > 0.9999
    assert np.all(np.diff(out.weights) <= 0)
    np.testing.assert_allclose(out.tensor, product(scaled(out)), atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "loss", "hide"),
    [((12, 9), "squared", 0.0), ((5, 4, 3, 4), "squared", 0.2), ((7, 6, 5), "kl", 0.2)],
)
def test_what_is_found_is_stationary(shape, loss, hide):
    """Where a factor is positive the slope vanishes, and where it is zero it would only grow."""
    rng = np.random.default_rng(1)
    x = rng.poisson(4 * product(planted(shape, 2, 0.8))).astype(float)
    known = rng.random(shape) >= hide
    mask = known if hide else None
    given = np.where(known, x, np.nan)
    out = analysis.factorise(
        given, RANK, KEY, loss=loss, mask=mask, tolerance=1e-15, max_steps=20_000
    )
    factors = scaled(out)
    model = product(factors)
    if loss == "squared":
        error = np.linalg.norm(known * (x - model)) / np.linalg.norm(known * x)
    else:
        error = np.sum(known * kl_div(x, model)) / np.sum(known * x)
    np.testing.assert_allclose(out.error, error, rtol=1e-10)
    scale = np.abs(x).sum() / x.size
    for factor, slope in slopes(x, factors, loss, known):
        assert np.abs(np.where(factor > 1e-6, factor * slope, 0)).max() < 1e-4 * scale
        assert slope[factor <= 1e-6].min(initial=0) > -1e-2 * scale


def test_predicts_what_it_has_not_seen(cube):
    _, x = cube
    hidden = np.random.default_rng(3).random(x.shape) < 0.3
    given = np.where(hidden, -1.0, x)
    out = analysis.factorise(
        given, RANK, KEY, mask=~hidden, restarts=4, tolerance=1e-12, max_steps=3000
    )
    assert np.linalg.norm((np.asarray(out.tensor) - x)[hidden]) < 1e-3 * np.linalg.norm(x)


def test_more_sweeps_are_never_worse_and_the_type_stays(cube):
    _, x = cube
    low = jnp.asarray(x, jnp.float32)
    for loss in ("squared", "kl"):
        runs = [analysis.factorise(low, 2, KEY, loss=loss, max_steps=n) for n in (1, 2, 3, 10)]
        assert runs[0].weights.dtype == runs[0].error.dtype == jnp.float32
        assert np.all(np.diff([run.error for run in runs]) < 0) and not runs[0].converged


def test_scale_and_integers():
    counts = np.array([[2, 4], [4, 8]])
    out = analysis.factorise(counts, 1, KEY)
    np.testing.assert_allclose(out.tensor, counts, rtol=1e-6)
    tiny = analysis.factorise(1e-200 * counts, 1, KEY)
    np.testing.assert_allclose(tiny.weights, 1e-200 * out.weights)


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        ([[1.0, -2.0]], {}, r"must not be negative, got -2.0 \(1 entries below zero\)"),
        ([[1.0, np.nan]], {}, "1 entries that are not finite.*mask=np.isfinite"),
        ([[0.0, 0.0]], {}, "zero everywhere"),
        ([1.0, 2.0], {}, r"order 2 to 25 and have entries, got shape \(2,\)"),
        (np.zeros((0, 2)), {}, r"got shape \(0, 2\)"),
        ([[1j, 1.0]], {}, "X must be real, got complex128"),
        ([[1.0, 2.0]], {"mask": np.ones((2, 1), bool)}, r"shape of X, \(1, 2\), got \(2, 1\)"),
        ([[1.0, 2.0]], {"mask": np.ones((1, 2))}, "mask must be boolean"),
        ([[1.0, 2.0]], {"mask": np.array([[True, False]])}, "index 1 of axis 1"),
        ([[1.0, 2.0]], {"rank": 0}, "at least 1, got 0, 1 and 500"),
        ([[1.0, 2.0]], {"rank": 2.5}, "whole numbers of at least 1, got 2.5, 1 and 500"),
        ([[1.0, 2.0]], {"max_steps": np.inf}, "whole numbers of at least 1, got 1, 1 and inf"),
        ([[1.0, 2.0]], {"tolerance": float("nan")}, "tolerance must be at least 0, got nan"),
        (np.ones((1,) * 26), {}, "of order 2 to 25"),
        ([[1.0, 2.0]], {"loss": "l1"}, "loss must be one of"),
    ],
)
def test_refuses(X, options, message):
    with (
        jax.numpy_rank_promotion("allow"),
        pytest.raises((ValueError, TypeError), match=message),
    ):
        analysis.factorise(np.asarray(X), **{"rank": 1, "key": KEY, **options})


def test_negative_entries_are_flagged_under_jit():
    x = jnp.array([[[1.0, 2.0], [2.0, 4.0]], [[1.0, -2.0], [2.0, 4.0]]])
    out = jax.jit(jax.vmap(lambda x: analysis.factorise(x, 1, KEY)))(x)
    np.testing.assert_array_equal(np.isfinite(out.error), [True, False])
    np.testing.assert_array_equal(np.isfinite(out.weights[:, 0]), [True, False])


@pytest.mark.parametrize("seed", range(2))
def test_more_components_than_the_rank_of_the_matrix(seed):
    """Components that die grow in one factor as they vanish in the other."""
    out = analysis.factorise(np.outer([1.0, 2.0, 3.0], [1.0, 0.0, 2.0]), 5, jax.random.key(seed))
    assert out.converged and out.error < 1e-6
