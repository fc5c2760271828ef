"""Fields that are hard to converge: each is a minimum, of the energy that PySCF finds."""

from typing import Any

import numpy as np
import pytest

from benchmarks.cases.dft._hard import GRID, HARD, pyscf_stable
from jaxsci.dft import molecule, stable_scf, xc

pytest.importorskip("pyscf")

# PySCF mostly keeps the symmetry of α and β, whose energy is that of the closed shell, -38.849726,
# and its analysis calls that stable; rounding decides. How far the minimum with broken symmetry
# lies below the closed shell, in Hartree.
BELOW_PYSCF = {("CH2, singlet", "hf", False): 0.026087}


def energy_by_pyscf(atoms, basis, functional, density, *, restricted):
    """PySCF's energy of a density matrix that is a determinant's: nothing real lies below it."""
    from pyscf import dft, gto

    mol = gto.M(atom=atoms, basis=basis, verbose=0)
    of_orbitals = density / 2 if restricted else density
    overlap = mol.intor("int1e_ovlp")
    np.testing.assert_allclose(of_orbitals @ overlap @ of_orbitals, of_orbitals, atol=1e-10)
    electrons = np.sum(density * overlap, axis=(-2, -1))
    np.testing.assert_allclose(electrons, mol.nelectron if restricted else mol.nelec, atol=1e-9)
    field: Any = (dft.RKS if restricted else dft.UKS)(mol)
    field.xc, field.grids.level = functional, GRID
    return field.energy_tot(density)


@pytest.mark.slow
@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("functional", ["hf", "pbe"])
@pytest.mark.parametrize("name", list(HARD))
def test_hard_fields_end_in_pyscfs_minimum(name, functional, restricted):
    basis, atoms = HARD[name]
    m = molecule(atoms, basis, grid=GRID, restricted=restricted)
    ours = stable_scf(m, xc(functional), throw=False)
    assert bool(ours.converged)
    energy, density = float(ours.energy), np.asarray(ours.density_matrix)
    same = energy_by_pyscf(atoms, basis, functional, density, restricted=restricted)
    np.testing.assert_allclose(energy, same, rtol=0, atol=1e-8)
    below = BELOW_PYSCF.get((name, functional, restricted), 0.0)
    reference = pyscf_stable(atoms, basis, functional, restricted=restricted or below > 0)
    np.testing.assert_allclose(energy, reference - below, rtol=0, atol=1e-6)
