"""Restricted open shells: energies against PySCF, derivatives against differences."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import DIIS, Newton, forces, molecule, scf, stability, stack, xc

pytest.importorskip("pyscf")

METHYL = [
    ("C", (0.0, 0.0, 0.0)),
    ("H", (1.079, 0.0, 0.0)),
    ("H", (-0.5395, 0.9344, 0.0)),
    ("H", (-0.5395, -0.9344, 0.0)),
]
OXYGEN = [("O", (0.0, 0.0, 0.0)), ("O", (0.0, 0.0, 1.21))]


def check_energy(atoms, spin, name, basis="sto-3g", **options):
    from pyscf import dft, gto

    field: Any = dft.ROKS(gto.M(atom=atoms, basis=basis, spin=spin, verbose=0))
    field.xc, field.grids.level, field.conv_tol = name, 0, 1e-12
    m = molecule(atoms, basis, spin=spin, grid=0, restricted=True)
    ours = scf(m, xc(name), tolerance=1e-12, **options)
    np.testing.assert_allclose(ours.energy, field.kernel(), atol=1e-9, rtol=0)
    np.testing.assert_allclose(ours.orbital_energies[1], field.mo_energy, atol=1e-5)
    np.testing.assert_array_equal(ours.occupations.sum(0), field.mo_occ)
    np.testing.assert_allclose(ours.orbitals[0], ours.orbitals[1], atol=1e-12)


def test_energy():
    check_energy(OXYGEN, 2, "lda,vwn")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hf", "pbe", "b3lyp", "r2scan"])
@pytest.mark.parametrize(("atoms", "spin"), [(METHYL, 1), (OXYGEN, 2)])
def test_more_energies(atoms, spin, name):
    check_energy(atoms, spin, name, "6-31g")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hf", "pbe"])
def test_energies_by_newton(name):
    check_energy(METHYL, 1, name, "6-31g", solver=Newton())


@pytest.fixture(scope="module")
def methyl():
    return molecule(METHYL, "sto-3g", spin=1, grid=0, restricted=True)


@pytest.mark.slow
def test_derivatives(methyl):
    """Of the energy and of the density, forward, reverse and twice."""
    functional = xc("hf")
    field = methyl.dipole_integrals[0] + methyl.dipole_integrals[2]

    def properties(strength):
        core = methyl.core_hamiltonian + strength * field
        m = eqx.tree_at(lambda t: t.core_hamiltonian, methyl, core)
        r = scf(m, functional, tolerance=1e-15, throw=False)
        spin_moment = jnp.sum((r.density_matrix[0] - r.density_matrix[1]) * field)
        return jnp.stack([r.energy, spin_moment + jnp.sum(r.density_matrix[0] ** 2)])

    value, first = jax.jit(properties), jax.jit(jax.jacrev(properties))
    forward, second = jax.jit(jax.jacfwd(properties)), jax.jit(jax.jacfwd(jax.jacrev(properties)))

    def difference(f, h):
        near, far = (f(0.01 + k * h) - f(0.01 - k * h) for k in (1, 2))
        return (8 * near - far) / (12 * h)

    np.testing.assert_allclose(first(0.01), difference(value, 1e-3), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(forward(0.01), first(0.01), rtol=1e-7)
    np.testing.assert_allclose(second(0.01), difference(first, 1e-3), rtol=1e-6, atol=1e-8)


def test_forces_are_the_energys_differences(methyl):
    functional = xc("hf")

    def energy(shift):
        atoms = [METHYL[0], ("H", (1.079 + shift, 0.0, 0.0)), *METHYL[2:]]
        m = molecule(atoms, "sto-3g", spin=1, grid=0, restricted=True)
        return float(scf(m, functional, tolerance=1e-13).energy)

    bohr = 0.529177210903
    step = 5e-4
    slope = (energy(step) - energy(-step)) / (2 * step) * bohr
    np.testing.assert_allclose(forces(methyl, functional)[1, 0], -slope, atol=1e-6)


def test_batch_with_a_closed_shell(methyl):
    hydrogen = molecule([("H", (0, 0, 0)), ("H", (0, 0, 0.74))], "sto-3g", grid=0)
    functional = xc("hf")
    batch = stack([methyl, hydrogen])
    energies = jsci.vmap(lambda m: scf(m, functional, throw=False).energy)(batch)
    alone = [scf(m, functional).energy for m in (methyl, hydrogen)]
    np.testing.assert_allclose(energies, alone, atol=1e-9, rtol=0)


def test_what_it_does_not_go_with_is_explained(methyl):
    with pytest.raises(ValueError, match="a temperature needs separate orbitals"):
        scf(methyl, xc("hf"), solver=DIIS(temperature=0.01))
    unrestricted = molecule([("H", (0, 0, 0))], "sto-3g", spin=1, grid=0)
    with pytest.raises(ValueError, match="cannot mix restricted open shells and unrestricted"):
        stack([methyl, unrestricted])
    result = scf(unrestricted, xc("hf"))
    with pytest.raises(ValueError, match="knows no restricted open shells"):
        stability(methyl, xc("hf"), result=result)
