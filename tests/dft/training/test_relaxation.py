"""What the energy of a fixed density would lose in an SCF: sums over orbitals, derivatives."""

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


@pytest.fixture(scope="module")
def solved(water):
    return scf(water, SCALED, jnp.array(1.0), tolerance=1e-13)


@pytest.fixture(scope="module")
def sample(water, solved):
    batch = training_batch([water], [0.0], densities=solved.density_matrix[None])
    return jax.tree.map(lambda x: x[0], batch)


def test_nothing_is_lost_at_a_solution(sample):
    assert 0 <= ERROR(jnp.array(1.0), sample) < 1e-12


def test_it_is_the_sum_over_orbitals(water, solved, sample):
    """By NumPy: both blocks of F made diagonal in the orbitals of the sample."""
    p = jnp.array(0.9)
    f = fixed_density_hamiltonian(water, SCALED, p, density_matrix=solved)
    f = solved.orbitals.T @ f @ solved.orbitals
    n = int(water.electrons[0])
    (low, u), (high, v) = scipy.linalg.eigh(f[:n, :n]), scipy.linalg.eigh(f[n:, n:])
    found = 2 * np.sum((v.T @ f[n:, :n] @ u) ** 2 / (high[:, None] - low[None]))
    np.testing.assert_allclose(ERROR(p, sample), found, rtol=1e-7)


def test_it_estimates_what_the_scf_gains(water, solved, sample):
    p = jnp.array(0.9)
    before = fixed_density_energy(water, SCALED, p, density_matrix=solved)
    gained = float(before - scf(water, SCALED, p).energy)
    assert gained > 1e-4
    np.testing.assert_allclose(ERROR(p, sample), gained, rtol=0.5)  # without the response


def test_its_derivative_is_that_of_differences(sample):
    p, h = jnp.array(0.9), 1e-4
    difference = (ERROR(p + h, sample) - ERROR(p - h, sample)) / (2 * h)
    np.testing.assert_allclose(jax.grad(ERROR)(p, sample), difference, rtol=1e-6)


def test_levels_in_the_wrong_order_stay_finite(sample, solved, water):
    """The highest orbital is filled in place of the lowest."""
    filled = jnp.roll(solved.orbitals, 1, axis=1)[:, : int(water.electrons[0])]
    wrong = jsci.dft.Sample(sample.molecule, sample.energy, 2 * filled @ filled.T)
    value, slope = jax.value_and_grad(ERROR)(jnp.array(0.9), wrong)
    assert np.isfinite(value) and np.isfinite(slope)


@pytest.mark.slow
def test_spins_and_padding(water, solved, sample):
    """A closed shell in both spins, padded to a larger molecule."""
    larger = molecule("C 0 0 0; O 0 0 1.2; H 0 .9 -.6; H 0 -.9 -.6", "6-31g", grid=0)
    oxygen = molecule("O 0 0 0", "6-31g", spin=2, grid=0)
    batch = stack([water, larger, oxygen])
    size = batch.overlap.shape[1]
    density = jnp.pad(solved.density_matrix / 2, (0, size - water.size))
    of_water = jsci.dft.Sample(
        jax.tree.map(lambda x: x[0], batch), sample.energy, jnp.stack([density] * 2)
    )
    p = jnp.array(0.9)
    np.testing.assert_allclose(ERROR(p, of_water), ERROR(p, sample), rtol=1e-8)


def test_bad_input_is_explained(sample, solved):
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
