"""SCF energies by functionals of the literature against PySCF, under the names that it takes."""

from typing import Any

import numpy as np
import pytest

from jaxsci.dft import molecule, scf, xc

pytest.importorskip("pyscf")

HYDROGEN_FLUORIDE = [("F", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.95))]
IMIDOGEN = [("N", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.04))]
ATOMS = {0: HYDROGEN_FLUORIDE, 2: IMIDOGEN}

# name, spin
CASES = [
    *(("bp86", 2), ("pw91", 0), ("revpbe0", 2), ("tpssh", 2), ("r2scan0", 0)),
    *(("scan", 2), ("rscan", 0)),
    *(("b97m-v", 0), ("wb97m-v", 2), ("wb97x-d", 2)),
    *(("m06-l", 0), ("m06-2x", 2), ("pw6b95", 2)),
]
QUICK = ("bp86",)
# PySCF takes some under names of libxc alone.
LIBXC = {"wb97x-d": "HYB_GGA_XC_WB97X_D"}


def pyscf_energy(name, spin):
    from pyscf import dft, gto

    mol = gto.M(atom=ATOMS[spin], basis="sto-3g", spin=spin, verbose=0)
    field: Any = (dft.UKS if spin else dft.RKS)(mol)
    field.xc, field.conv_tol = LIBXC.get(name, name), 1e-12
    field.grids.level = field.nlcgrids.level = 0
    return field.kernel()


@pytest.mark.parametrize(
    ("name", "spin"),
    [pytest.param(*c, marks=[] if c[0] in QUICK else pytest.mark.slow) for c in CASES],
)
def test_energies_equal_pyscf(name, spin):
    functional = xc(name)
    m = molecule(ATOMS[spin], "sto-3g", spin=spin, grid=0, omega=functional.omega)
    # PySCF has no dispersion that belongs to a name.
    energy = scf(m, functional, tolerance=1e-12).energy - functional.nuclear_energy(m)
    np.testing.assert_allclose(energy, pyscf_energy(name, spin), atol=1e-9, rtol=0)
