"""Functionals that are not local: right Fock matrices, derivatives, batches and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import (
    feature_functional,
    forces,
    local_hybrid,
    molecule,
    nonlocal_functional,
    scf,
    stack,
    weighted_functional,
    with_pair_potentials,
    xc,
)
from jaxsci.dft.xc.slater import slater

pytest.importorskip("pyscf")

RANGES = (None, 0.4)
# All the exact exchange, the long range counted once more and taken off again by weight w.
EXACT = local_hybrid(lambda w, d: jnp.stack([0.0 * d[0], 1.0 + 0 * d[0], w * d[0]]), ranges=RANGES)


def lih(distance=1.6):
    return molecule([("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, distance))], "sto-3g", grid=3)


@pytest.fixture(scope="module")
def batch():
    hydrogen = molecule([("H", (0.0, 0.0, 0.0))], "sto-3g", spin=1, grid=3)
    return stack([with_pair_potentials(m, RANGES) for m in (lih(), hydrogen)])


@pytest.fixture(scope="module")
def solve(batch):
    def both(functional, weight):
        def one(m):
            r = scf(m, functional, weight, tolerance=1e-13, throw=False)
            return r.energy, r.density_matrix

        return jax.vmap(one)(batch)

    return jax.jit(both, static_argnums=0)


# Both spins, a closed and an open shell; the grid integrates to some 1e-6 Hartree at level 3.
def test_a_local_hybrid_of_nothing_but_exact_exchange_is_hartree_fock(solve):
    energy, density = solve(EXACT, jnp.array(0.0))
    expected, expected_density = solve(xc("hf"), jnp.array(0.0))
    np.testing.assert_allclose(energy, expected, atol=3e-6)
    np.testing.assert_allclose(density, expected_density, atol=3e-5)


@pytest.mark.slow
def test_derivatives_of_energy_and_density(solve):
    f = jax.jit(lambda w: jnp.stack([jnp.sum(x**2) for x in solve(EXACT, w)]))
    w, h = jnp.array(0.05), 1e-3
    _, slope = jax.jvp(f, (w,), (1.0,))
    np.testing.assert_allclose(slope, (f(w + h) - f(w - h)) / (2 * h), rtol=1e-5)


def test_own_features_and_any_energy():
    m = lih()
    m = m.with_extras(one=jnp.ones(m.grid.owner.shape[0]))

    def half_of_slater(params, features, own):
        return 0.5 * own["one"] * slater(features)

    def other_half(params, density):
        return 0.5 * jnp.sum(density.weights * slater(density.features))

    both = feature_functional(half_of_slater, {"one": lambda d: d.extras["one"]}, level="lda")
    both = both + nonlocal_functional(other_half, level="lda") + xc("vwn5")
    np.testing.assert_allclose(scf(m, both).energy, scf(m, xc("svwn")).energy, atol=1e-10)
    with pytest.raises(ValueError, match="forces cannot know how the molecule's extras"):
        forces(m, both)


def test_bad_input_is_explained():
    m = lih()
    with pytest.raises(ValueError, match=r"needs 'pair_potentials'.*with_pair_potentials"):
        scf(m, EXACT)
    with pytest.raises(ValueError, match="must return one energy, got shape"):
        scf(m, nonlocal_functional(lambda p, d: d.weights))
    with pytest.raises(ValueError, match="feature 'two' must have .* points on its first axis"):
        scf(m, feature_functional(lambda p, f, o: f.rho, {"two": lambda d: jnp.ones(2)}))
    with pytest.raises(ValueError, match="f must return one number for one point"):
        scf(m, feature_functional(lambda p, f, o: jnp.ones(2), {}))
    with pytest.raises(ValueError, match="ranges is empty"):
        local_hybrid(lambda p, d: d, ranges=())
    with pytest.raises(ValueError, match="mixes one or more semilocal functionals"):
        weighted_functional(lambda p, d: d, [EXACT])
    with pytest.raises(ValueError, match="different extras"):
        stack([m, m.with_extras(one=jnp.ones(1))])
