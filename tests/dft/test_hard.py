"""Fields that are hard to converge: a minimum as low as PySCF's, or flagged."""

import numpy as np
import pytest

from benchmarks.cases.dft_hard import GRID, HARD, pyscf_stable
from jaxsci.dft import molecule, stable_scf, xc

pytest.importorskip("pyscf")


@pytest.mark.slow
@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("functional", ["hf", "pbe"])
@pytest.mark.parametrize("name", list(HARD))
def test_no_wrong_energy_is_called_converged(name, functional, restricted):
    basis, atoms = HARD[name]
    m = molecule(atoms, basis, grid=GRID, restricted=restricted)
    ours = stable_scf(m, xc(functional), throw=False)
    reference = pyscf_stable(atoms, basis, functional, restricted=restricted)
    assert not bool(ours.converged) or float(ours.energy) < reference + 1e-6
    assert np.isfinite(float(ours.energy))
