"""Fermi-Dirac occupations against PySCF, and their response against finite differences."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import DIIS, energy, forces, molecule, scf, xc
from jaxsci.dft._scf.solvers.smearing import fermi_operator, occupations

pytest.importorskip("pyscf")

NITROGEN = [("N", (0.0, 0.0, 0.0)), ("N", (0.0, 0.0, 2.0))]
HYDROXYL = [("O", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.97))]


@pytest.mark.parametrize(("atoms", "spin"), [(NITROGEN, 0), (HYDROXYL, 1)])
def test_energies_equal_pyscf(atoms, spin):
    from pyscf import dft, gto
    from pyscf.scf import addons

    field: Any = (dft.UKS if spin else dft.RKS)(gto.M(atom=atoms, basis="6-31g", spin=spin))
    field.xc, field.grids.level, field.conv_tol, field.verbose = "lda,vwn", 0, 1e-12, 0
    field = addons.smearing_(field, sigma=0.03, method="fermi", fix_spin=bool(spin))
    field.kernel()
    m = molecule(atoms, "6-31g", spin=spin, grid=0)
    result = scf(m, xc("svwn"), solver=DIIS(temperature=0.03), tolerance=1e-12)
    np.testing.assert_allclose(result.energy, field.e_tot, atol=1e-9, rtol=0)
    np.testing.assert_allclose(result.free_energy, field.e_free, atol=1e-9, rtol=0)
    np.testing.assert_allclose(result.occupations, field.mo_occ, atol=1e-6)
    np.testing.assert_allclose(np.sum(result.occupations), 14 - 5 * spin, rtol=1e-12)
    # A level of two orbitals is filled evenly: smearing keeps the symmetry that a hole breaks.
    f = result.occupations[1, 3:5] if spin else result.occupations[5:7]
    np.testing.assert_allclose(f[0], f[1], atol=1e-6)


def test_cold_electrons_are_those_without_temperature():
    fluoride = molecule([("H", (0, 0, 0)), ("F", (0, 0, 0.92))], "sto-3g", grid=0)
    cold, zero = (
        scf(fluoride, xc("hf"), solver=DIIS(temperature=t), tolerance=1e-12) for t in (1e-3, 0.0)
    )
    for x, y in ((cold.energy, zero.energy), (cold.free_energy, zero.free_energy)):
        np.testing.assert_allclose(x, y, rtol=1e-13)
    np.testing.assert_allclose(cold.occupations, zero.occupations, atol=1e-13)


def central(f, h):
    """Fourth-order central difference at zero."""

    def pair(h):
        return jax.tree.map(lambda a, b: (a - b) / (2 * h), f(h), f(-h))

    return jax.tree.map(lambda near, far: (4 * near - far) / 3, pair(h), pair(2 * h))


@pytest.fixture(scope="module")
def in_field():
    """A degenerate, partly filled level in a field along the axis or across it."""
    m = molecule(HYDROXYL, "sto-3g", spin=1, grid=0)

    def solve(strength, axis):
        core = m.core_hamiltonian + strength * m.dipole_integrals[axis]
        changed = eqx.tree_at(lambda t: t.core_hamiltonian, m, core)
        solver = DIIS(temperature=0.05)
        return scf(changed, xc("hf"), solver=solver, tolerance=1e-17, throw=False)

    return m, solve


@pytest.mark.parametrize("axis", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_response_of_a_partly_filled_degenerate_level(in_field, axis):
    m, solve = in_field

    def properties(s):
        r = solve(s, axis)
        dipole = jnp.sum(r.density_matrix.sum(0) * m.dipole_integrals[axis])
        occupied = jnp.sum(r.occupations**2)
        return jnp.stack([r.energy, r.free_energy, dipole, jnp.sum(r.density_matrix**2), occupied])

    expected = central(jax.jit(properties), 2e-3)
    forward = jax.jit(jax.jacfwd(properties))(0.0)
    np.testing.assert_allclose(forward, expected, rtol=1e-6, atol=1e-8)
    reverse = jax.jit(jax.jacrev(properties))(0.0)
    np.testing.assert_allclose(reverse, forward, rtol=1e-7, atol=1e-8)


def test_free_energy_to_second_order(in_field):
    _, solve = in_field
    slope = jax.jit(jax.grad(lambda s: solve(s, 2).free_energy))
    second = jax.jit(jax.jacfwd(slope))(0.0)
    np.testing.assert_allclose(second, central(slope, 2e-3), rtol=1e-6)


@pytest.mark.slow
def test_no_further_derivative_is_made_up(in_field):
    _, solve = in_field
    for derivative in (jax.jacfwd, jax.grad):
        assert np.isnan(jax.jit(derivative(jax.grad(lambda s: solve(s, 2).energy)))(0.0))


def test_forces_are_those_of_the_free_energy():
    def at(distance):
        return molecule([("H", (0, 0, 0)), ("H", (0, 0, distance))], "sto-3g", unit="bohr", grid=0)

    free = energy(xc("hf"), tolerance=1e-13, solver=DIIS(temperature=0.2))
    expected = central(lambda s: -free(None, at(3.0 + s)), 1e-2)
    force = forces(at(3.0), xc("hf"), solver=DIIS(temperature=0.2))
    np.testing.assert_allclose(force[1], [0, 0, expected], atol=1e-7)


def test_operator_and_its_derivative():
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    # A degenerate pair, a nearly degenerate one, and a level that is empty to all digits.
    fock = jnp.asarray(q @ np.diag([-2.0, -0.1, -0.1, 0.05, 0.05 + 1e-9, 90.0]) @ q.T)
    change = jnp.asarray(rng.normal(size=(6, 6)))
    change = change + change.T

    def f(s):
        return fermi_operator(fock + s * change, jnp.asarray(3), temperature=0.1)

    _, tangent = jax.jvp(f, (0.0,), (1.0,))
    np.testing.assert_allclose(tangent, central(f, 1e-3), atol=1e-8)
    np.testing.assert_allclose(jnp.trace(f(0.0)), 3, rtol=1e-13)
    np.testing.assert_allclose(jnp.trace(tangent), 0, atol=1e-13)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_numbers_of_electrons(count):
    energies = jnp.array([-1.0, -0.5, -0.5, 0.3])
    f = occupations(energies, jnp.asarray(count), temperature=0.02)
    np.testing.assert_allclose(jnp.sum(f), count, atol=1e-13)
    slope = jax.jacfwd(lambda e: occupations(e, jnp.asarray(count), temperature=0.02))(energies)
    assert bool(jnp.all(jnp.isfinite(slope)))
