"""Blocks: planted ones are found in every family, and the solution is that of loops in NumPy."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxsci import analysis

KEY = jax.random.key(0)
N, K = 48, 3
TRUTH = np.repeat(np.arange(K), [20, 16, 12])
MEANS = {  # of pairs of blocks: dense inside, between, or neither
    "assortative": np.array([[4.0, 1, 1], [1, 4, 1], [1, 1, 4]]),
    "bipartite": np.array([[1.0, 4, 1], [4, 1, 1], [1, 1, 1]]),
    "mixed": np.array([[4.0, 1, 1], [1, 1, 4], [1, 4, 1]]),
}
DRAWS = {
    "bernoulli": lambda rng, m: rng.random(m.shape) < m / 5,
    "poisson": lambda rng, m: rng.poisson(m),
    "normal": lambda rng, m: m + 0.8 * rng.normal(size=m.shape),
    "exponential": lambda rng, m: rng.exponential(m),
}


def planted(family, structure="mixed", gaps=0.0, seed=0):
    rng = np.random.default_rng(seed)
    a = DRAWS[family](rng, MEANS[structure][TRUTH][:, TRUTH]).astype(float)
    a = np.triu(a * (rng.random(a.shape) >= gaps), 1)
    return a + a.T


def gaps(family):
    """Pairs without an edge, where the family has them."""
    return 0.2 if family in ("normal", "exponential") else 0.0


def agreement(labels, truth=TRUTH):
    """The adjusted Rand index."""
    table = np.zeros((max(labels) + 1, max(truth) + 1))
    np.add.at(table, (np.asarray(labels), truth), 1)
    pairs = lambda counts: (counts * (counts - 1) / 2).sum()  # noqa: E731
    both, one, other = pairs(table), pairs(table.sum(0)), pairs(table.sum(1))
    chance = one * other / pairs(table.sum())
    return (both - chance) / ((one + other) / 2 - chance)


@pytest.mark.parametrize("family", DRAWS)
def test_finds_planted_blocks(family):
    """Of any structure, by one program, with pairs that have no edge where the family has them."""
    for structure in MEANS:
        out = analysis.block_model(planted(family, structure, gaps(family)), K, KEY, weights=family)
        assert out.converged
        # A Bernoulli edge says less: the best that can be told apart is not quite the truth.
        assert agreement(np.asarray(out.labels)) > 0.9, structure
        assert np.all(np.diff(out.sizes) <= 0)


def densities(family, a, p, mean, variance):
    """log p(pair | blocks) of all pairs by SciPy."""
    if family == "bernoulli":
        return stats.bernoulli.logpmf(a, p)
    if family == "poisson":
        return stats.poisson.logpmf(a, mean)
    weight = stats.norm(mean, variance**0.5) if family == "normal" else stats.expon(scale=mean)
    return np.where(a == 0, np.log(1 - p), np.log(p) + weight.logpdf(a))


@pytest.mark.parametrize("family", DRAWS)
def test_is_a_mean_field_of_the_densities_of_scipy(family):
    """The probabilities solve their equation, and the bounds are what they are called."""
    a = planted(family, gaps=gaps(family))
    out = analysis.block_model(a, K, KEY, weights=family)
    q = np.asarray(out.probabilities)
    sizes = (q.sum(0) + 1) / (N + K)
    field = np.zeros((N, K))
    for one, two in itertools.product(range(K), repeat=2):
        blocks = (float(x[one, two]) for x in (out.edges, out.mean, out.variance))
        field[:, one] += (densities(family, a, *blocks) * (1 - np.eye(N))) @ q[:, two]
    logits = np.log(sizes) + field
    wanted = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(q, wanted / wanted.sum(1, keepdims=True), atol=1e-5)
    likelihood = (q * field).sum() / 2 + (q * np.log(sizes)).sum()
    entropy = -np.sum(q * np.log(np.maximum(q, 1e-300)))
    per_pair = {"bernoulli": 1, "poisson": 1, "normal": 3, "exponential": 2}[family]
    numbers = per_pair * K * (K + 1) / 2
    penalty = (K - 1) * np.log(N) + numbers * np.log(N * (N - 1) / 2)
    np.testing.assert_allclose(out.elbo, likelihood + entropy, rtol=1e-6)
    np.testing.assert_allclose(out.icl, [likelihood - penalty / 2], rtol=1e-6)


def test_chooses_the_number_of_blocks():
    out = analysis.block_model(planted("normal"), range(1, 6), KEY)
    assert out.icl.shape == (5,) and int(jnp.argmax(out.icl)) + 1 == K == out.sizes.size
    assert agreement(np.asarray(out.labels)) == 1
    np.testing.assert_allclose(out.probabilities.sum(1), 1)
    means = np.sort(np.unique(np.round(np.asarray(out.mean))))
    np.testing.assert_array_equal(means, [1, 4])


def test_moments_of_known_blocks():
    """With one block there is nothing to infer: the moments of all edges."""
    a = 1e3 + planted("normal", gaps=0.0)  # a mean far above the deviation
    weights = a[np.triu_indices(N, 1)]
    out = analysis.block_model(a, 1, KEY, restarts=1)
    np.testing.assert_allclose(out.mean, [[weights.mean()]], rtol=1e-12)
    np.testing.assert_allclose(out.variance, [[weights.var()]], rtol=1e-9)


def test_the_diagonal_is_not_used_and_the_type_stays():
    a = planted("bernoulli")
    low = jnp.asarray(a + 7 * np.eye(N), jnp.float32)
    out = analysis.block_model(low, K, KEY, weights="bernoulli")
    assert out.probabilities.dtype == jnp.float32 and agreement(np.asarray(out.labels)) > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 4}, "k must be between 1 and the 3 nodes, got 4"),
        ({"k": range(2)}, r"between 1 and the 3 nodes, got range\(0, 2\)"),
        ({"A": np.ones((2, 3))}, r"square matrix, got \(2, 3\)"),
        ({"A": np.triu(np.ones((3, 3)))}, "symmetric, but A - Aᵀ is up to 1. Use A [+] A.T"),
        ({"A": np.full((3, 3), np.nan)}, "6 entries that are not finite"),
        ({"A": np.eye(3)}, "no edges off its diagonal"),
        ({"A": np.full((3, 3), 2.0)}, "All edges have the weight 2.0"),
        ({"A": np.full((3, 3), 2.0), "weights": "bernoulli"}, "must be 0 or 1, got 0.0 to 2.0"),
        ({"A": np.full((3, 3), 0.5), "weights": "poisson"}, "must be counts"),
        ({"A": np.full((3, 3), -1.0), "weights": "exponential"}, "must be not negative"),
        ({"A": np.ones((3, 3), complex)}, "A must be real"),
        ({"weights": "gamma"}, "weights must be one of"),
        ({"restarts": 0}, "restarts and max_steps must be at least 1, got 0 and 300"),
    ],
)
def test_refuses(change, message):
    good = {"A": np.array([[0, 1.0, 2.0], [1.0, 0, 3.0], [2.0, 3.0, 0]]), "k": 2, "key": KEY}
    with pytest.raises((ValueError, TypeError), match=message):
        analysis.block_model(**(good | change))


def test_a_network_that_is_not_symmetric_is_flagged_under_jit():
    a = jnp.asarray(planted("normal")).at[0, 1].add(1.0)
    fit = jax.jit(lambda a: analysis.block_model(a, K, KEY))(a)
    assert np.isnan(fit.probabilities).all() and np.isnan(fit.elbo)


def test_weights_that_differ_by_rounding_are_equal():
    edges = np.triu(np.ones((6, 6)), 1) * (0.1 + 0.2)
    edges[0, 1] = 0.3
    half: Any = np.array([2.7])
    with pytest.raises(ValueError, match="All edges have the weight 0.3"):
        analysis.block_model(edges + edges.T, 2, jax.random.key(0))
    with pytest.raises((TypeError, ValueError), match="k must be an integer"):
        analysis.block_model(edges + edges.T, half, jax.random.key(0))
