"""Greedy selection against determinants that are written out."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci


def kernel(n=7, rank=5):
    rows = np.random.default_rng(0).normal(size=(n, rank))
    return jnp.asarray(rows @ rows.T)


@pytest.mark.parametrize(("known", "noise"), [((), 0.0), ((), 0.3), ((4, 1), 0.1)])
def test_each_choice_makes_the_largest_determinant(known, noise):
    """Of K_SS + s², by a determinant of every subset that has one row more."""
    k = kernel()
    found = jax.jit(lambda k: jsci.atoms.select(k, 3, known=known, noise=noise))(k)

    def volume(rows):
        return np.linalg.det(np.asarray(k)[np.ix_(rows, rows)] + noise * np.eye(len(rows)))

    chosen = list(known)
    for index, variance in zip(*found, strict=True):
        before = volume(chosen) if chosen else 1.0
        volumes = {i: volume([*chosen, i]) for i in range(7) if i not in chosen}
        assert int(index) == max(volumes, key=lambda i: volumes[i])
        np.testing.assert_allclose(variance + noise, volumes[int(index)] / before, rtol=1e-9)
        chosen.append(int(index))


def test_it_is_near_the_best_subset():
    k = kernel() + 0.1 * jnp.eye(7)

    def gain(rows):
        return np.linalg.slogdet(np.eye(len(rows)) + np.asarray(k)[np.ix_(rows, rows)] / 0.1)[1]

    best = max(gain(list(rows)) for rows in itertools.combinations(range(7), 3))
    greedy = gain(np.asarray(jsci.atoms.select(k, 3, noise=0.1).index))
    assert (1 - np.exp(-1)) * best <= greedy <= best


def test_what_is_determined_already_has_no_variance():
    """A kernel of rank two: after two choices nothing is left, and copies are chosen last."""
    found = jsci.atoms.select(kernel(6, 2), 6)
    assert sorted(np.asarray(found.index).tolist()) == list(range(6))
    np.testing.assert_allclose(found.variances[2:], 0.0, atol=1e-12)
    double = jnp.kron(jnp.diag(jnp.array([3.0, 2.0, 1.0])), jnp.ones((2, 2)))
    assert np.asarray(jsci.atoms.select(double, 3).index).tolist() == [0, 2, 4]


def test_kernels_of_integers_are_taken():
    found = jsci.atoms.select(jnp.array([[2, 1], [1, 3]]), 2)
    assert found.index.tolist() == [1, 0]
    np.testing.assert_allclose(found.variances, [3.0, 2 - 1 / 3])


def test_what_is_no_kernel_is_refused():
    k = jnp.eye(3)
    for wrong, message in (
        ((k, 4), "count must be between 1 and the 3"),
        ((k.at[0, 1].set(0.5), 1), "finite and symmetric"),
        ((k.at[0, 0].set(jnp.nan), 1), "finite and symmetric"),
        ((k.at[0, 1].set(jnp.inf).at[1, 0].set(jnp.inf), 1), "finite and symmetric"),
        ((-k, 1), "negative variance"),
        ((1 - k, 1), "a table of distances"),
    ):
        with pytest.raises(ValueError, match=message):
            jsci.atoms.select(*wrong)
    cases: list[tuple[Any, str]] = [
        ({"known": (3,)}, "different rows of 0 to 2"),
        ({"known": (1, 1)}, "different rows of 0 to 2"),
        ({"known": (True, False, False)}, "numbers of rows"),
        ({"noise": -1.0}, "noise is a variance"),
        ({"known": (0, 1, 2)}, "the 0 candidates"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=message):
            jsci.atoms.select(k, 1, **options)
