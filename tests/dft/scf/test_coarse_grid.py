"""Iterations on a coarse grid and blocks of points: neither changes a result."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxsci.dft import DIIS, fixed_density_energy, molecule, scf, stack, xc
from jaxsci.dft._basis import quadrature
from jaxsci.dft._scf.equations import Equations
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.solvers import coarse_grid as two_grids
from jaxsci.dft._scf.solvers.diis import departure, iterate, next_fock, with_potential
from jaxsci.dft._scf.solvers.options import Iteration

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.757, -0.4692)), ("H", (0.0, -0.757, -0.4692))]
NITROXYL = [("N", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.04))]


@pytest.fixture(autouse=True)
def fresh_programs():
    """What is patched here is read as programs are traced."""
    jax.clear_caches()
    yield
    jax.clear_caches()


def on_one_grid(m):
    assert m.grid.coarse is not None
    return dataclasses.replace(m, grid=dataclasses.replace(m.grid, coarse=None))


@pytest.mark.parametrize(
    ("atoms", "options", "temperature"),
    [
        (WATER, {}, 0.0),
        pytest.param(NITROXYL, {"spin": 2}, 0.0, marks=pytest.mark.slow),
        pytest.param(NITROXYL, {"spin": 2}, 0.02, marks=pytest.mark.slow),
    ],
)
def test_two_grids_give_the_field_of_one(atoms, options, temperature):
    m = molecule(atoms, "sto-3g", grid=1, **options)
    solver = DIIS(temperature=temperature)
    both, one = (scf(x, xc("pbe"), tolerance=1e-12, solver=solver) for x in (m, on_one_grid(m)))
    # What is stationary: at a temperature the energy itself is not.
    np.testing.assert_allclose(both.free_energy, one.free_energy, rtol=0, atol=1e-11)
    # The orbital gradient is below 1e-6, and the gap half a Hartree.
    np.testing.assert_allclose(both.density_matrix, one.density_matrix, rtol=0, atol=1e-5)
    # The energy is that of the density, exactly.
    again = fixed_density_energy(m, xc("pbe"), density_matrix=both)
    np.testing.assert_allclose(both.energy, again, rtol=0, atol=1e-11)


@pytest.mark.slow
def test_a_padded_batch_on_two_grids():
    molecules = [molecule(atoms, "sto-3g", grid=1) for atoms in (WATER, [("He", (0, 0, 0))])]

    def energy(m):
        return scf(m, xc("pbe"), tolerance=1e-11, throw=False).energy

    together = jax.jit(jax.vmap(energy))(stack(molecules))
    np.testing.assert_allclose(together, list(map(energy, molecules)), rtol=0, atol=1e-10)


def test_without_corrections_the_full_grid_is_iterated_on(monkeypatch):
    m = molecule(WATER, "6-31g", grid=1)
    usual = scf(m, xc("lda,vwn"), tolerance=1e-12)
    jax.clear_caches()
    monkeypatch.setattr(two_grids, "_CORRECTIONS", 0)
    plain = scf(m, xc("lda,vwn"), tolerance=1e-12)
    assert plain.steps != usual.steps
    np.testing.assert_allclose(plain.energy, usual.energy, rtol=0, atol=1e-11)


def test_steps_are_counted_on_both_grids():
    m = molecule(WATER, "sto-3g", grid=1)
    stopped = scf(m, xc("pbe"), max_steps=4, throw=False)
    assert not stopped.converged
    assert stopped.steps == 4


@pytest.mark.slow
def test_blocks_change_nothing(monkeypatch):
    m = molecule(WATER, "sto-3g", grid=0)

    def energy(scale):
        moved = dataclasses.replace(m, coordinates=scale * m.coordinates)
        return fixed_density_energy(moved, xc("pbe"), density_matrix=m.guess)

    def found():
        jax.clear_caches()
        return jnp.stack(jax.value_and_grad(energy)(jnp.asarray(1.0)))

    whole = found()
    monkeypatch.setattr(quadrature, "_LARGEST_CPU_BLOCK", 128)
    monkeypatch.setattr(quadrature, "_MOST_PAIRS", 1)  # and Becke's weights by blocks
    np.testing.assert_allclose(found(), whole, rtol=1e-12)


@pytest.mark.parametrize("restricted", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_memory_in_another_potential_is_that_of_an_iteration_there(restricted):
    m = molecule(NITROXYL, "sto-3g", grid=0, spin=2, restricted=restricted)
    functional = xc("lda,vwn")
    ops = operators(m, functional)
    equations = Equations(functional, None, ops)
    iteration = Iteration.checked(1e-9, 3, DIIS(level_shift=0.1))
    fock = jnp.stack([equations.ops.orthonormal.change(ops.core_hamiltonian)] * 2)
    fock = fock[:1] if restricted else fock
    _, memory = iterate(equations, fock, iteration)
    noise = jax.random.normal(jax.random.key(0), (2, m.size, m.size))
    potential = noise + jnp.swapaxes(noise, 1, 2)
    moved = with_potential(
        memory, equations.ops.orthonormal.change(potential), fock, m.spins, iteration
    )
    core = ops.core_hamiltonian[None] + potential
    there = Equations(functional, None, dataclasses.replace(ops, core_hamiltonian=core))
    for candidate, error in zip(moved.candidates[:3], moved.errors[:3], strict=True):
        new, occupied = ravel_pytree((fock, potential))[1](candidate)
        expected = next_fock(there.fock(occupied), fock, occupied, m.spins, iteration)
        np.testing.assert_allclose(new, expected, rtol=0, atol=1e-10)
        turned = departure(fock, expected, occupied, m.spins, iteration)
        np.testing.assert_allclose(error, turned.reshape(-1), rtol=0, atol=1e-10)
