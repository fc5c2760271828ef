"""What the energy of a fixed density would lose in an SCF: sums over orbitals, derivatives."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import jaxsci as jsci
from jaxsci.dft import (
    Functional,
    fixed_density_energy,
    fixed_density_hamiltonian,
    molecule,
    relaxation_error,
    scf,
    stack,
    training_batch,
    xc,
)

pytest.importorskip("pyscf")


def scaled(params, d):
    return params * xc("svwn")(None, d)


SCALED = Functional(((1.0, scaled),), level="lda")
ERROR = jax.jit(relaxation_error(SCALED))


@pytest.fixture(scope="module")
def water():
    return molecule("O 0 0 .1; H 0 .8 -.5; H .1 -.8 -.4", "6-31g", grid=0)


def orbitals_of(m, params, density):
    """Of F[P], by SciPy."""
    f = fixed_density_hamiltonian(m, SCALED, params, density_matrix=density)
    return scipy.linalg.eigh(f, m.overlap)[1]


def sample_of(m, orbitals):
    """With the lowest of these orbitals filled."""
    filled = orbitals[:, : int(m.electrons[0])]
    batch = training_batch([m], [0.0], densities=(2 * filled @ filled.T)[None])
    return jax.tree.map(lambda x: x[0], batch)


@pytest.fixture(scope="module")
def orbitals(water):
    """Near the solution."""
    return orbitals_of(water, jnp.array(1.0), water.guess)


@pytest.fixture(scope="module")
def sample(water, orbitals):
    return sample_of(water, orbitals)


def test_it_is_the_sum_over_orbitals(water, orbitals, sample):
    """By SciPy: both blocks of F made diagonal in the orbitals of the sample."""
    p = jnp.array(0.9)
    f = fixed_density_hamiltonian(water, SCALED, p, density_matrix=sample.density)
    f = orbitals.T @ f @ orbitals
    n = int(water.electrons[0])
    (low, u), (high, v) = scipy.linalg.eigh(f[:n, :n]), scipy.linalg.eigh(f[n:, n:])
    found = 2 * np.sum((v.T @ f[n:, :n] @ u) ** 2 / (high[:, None] - low[None]))
    np.testing.assert_allclose(ERROR(p, sample), found, rtol=1e-7)


@pytest.mark.slow
def test_nothing_is_lost_at_a_solution(water):
    solved = scf(water, SCALED, jnp.array(1.0), tolerance=1e-13)
    assert 0 <= ERROR(jnp.array(1.0), sample_of(water, solved.orbitals)) < 1e-12


@pytest.mark.slow
def test_it_estimates_what_the_scf_gains(water):
    """More than that, since the response of F holds the density back."""
    solved, p = scf(water, SCALED, jnp.array(1.0)), jnp.array(0.9)
    before = fixed_density_energy(water, SCALED, p, density_matrix=solved)
    gained = float(before - scf(water, SCALED, p).energy)
    assert gained > 1e-4
    assert gained < ERROR(p, sample_of(water, solved.orbitals)) < 3 * gained


@pytest.mark.slow
def test_its_derivative_is_that_of_differences(sample):
    p, h = jnp.array(0.9), 1e-4
    difference = (ERROR(p + h, sample) - ERROR(p - h, sample)) / (2 * h)
    np.testing.assert_allclose(jax.grad(ERROR)(p, sample), difference, rtol=1e-6)


@pytest.mark.slow
def test_levels_in_the_wrong_order_stay_finite(water, orbitals):
    """The highest orbital is filled in place of one that should be."""
    wrong = sample_of(water, np.roll(orbitals, 1, axis=1))
    value, slope = jax.value_and_grad(ERROR)(jnp.array(0.9), wrong)
    assert np.isfinite(value) and np.isfinite(slope)


@pytest.mark.slow
def test_spins_and_padding(water, sample):
    """A closed shell in both spins, padded to a larger molecule."""
    larger = molecule("C 0 0 0; O 0 0 1.2; H 0 .9 -.6; H 0 -.9 -.6", "6-31g", grid=0)
    oxygen = molecule("O 0 0 0", "6-31g", spin=2, grid=0)
    batch = stack([water, larger, oxygen])
    size = batch.overlap.shape[1]
    density = jnp.pad(sample.density / 2, (0, size - water.size))
    of_water = jsci.dft.Sample(
        jax.tree.map(lambda x: x[0], batch), sample.energy, jnp.stack([density] * 2)
    )
    p = jnp.array(0.9)
    np.testing.assert_allclose(ERROR(p, of_water), ERROR(p, sample), rtol=1e-8)


@pytest.mark.parametrize("change", [0.5, 2.0])
def test_what_is_not_of_one_determinant_gives_nan(sample, change):
    other = dataclasses.replace(sample, density=change * sample.density)
    assert np.isnan(ERROR(jnp.array(0.9), other))


def test_bad_input_is_explained(sample):
    with pytest.raises(ValueError, match="relaxation_error needs densities"):
        relaxation_error(SCALED)(1.0, jsci.dft.Sample(sample.molecule, sample.energy))
    lithium = molecule("Li 0 0 0", "sto-3g", spin=1, restricted=True, grid=0)
    open_shell = jsci.dft.Sample(lithium, sample.energy, jnp.stack([lithium.guess / 2] * 2))
    with pytest.raises(ValueError, match="no restricted open shells"):
        relaxation_error(SCALED)(1.0, open_shell)
    half = molecule("H 0 0 0", "sto-3g", spin=1, grid=0).with_electrons(0.5, 0.5)
    with pytest.raises(ValueError, match="needs whole numbers of electrons"):
        equal = jnp.stack([half.guess / 2] * 2)
        relaxation_error(SCALED)(1.0, jsci.dft.Sample(half, sample.energy, equal))
