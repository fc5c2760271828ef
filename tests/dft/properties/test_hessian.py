"""Hessians against PySCF and against differences of forces."""

from typing import Any

import numpy as np
import pytest

from jaxsci.dft import forces, hessian, molecule, xc

pytest.importorskip("pyscf")

BOHR = 0.52917721092
HYDRIDE = [("Li", (0.0, 0.1, 0.0)), ("H", (0.3, 0.0, 1.5))]
BENT = [("O", (0.0, 0.0, 0.12)), ("H", (0.0, 0.76, -0.47)), ("H", (0.1, -0.70, -0.50))]
IMIDOGEN = [("N", (0.0, 0.0, 0.0)), ("H", (0.1, 0.0, 1.04))]


def test_equal_to_pyscf():
    from pyscf import gto

    field: Any = gto.M(atom=HYDRIDE, basis="sto-3g", verbose=0).RHF().run(conv_tol=1e-13)
    with pytest.warns(UserWarning, match=r"not stationary: the largest force is .*e-0\d Hartree"):
        ours = hessian(molecule(HYDRIDE, "sto-3g", grid=0), xc("hf"))
    np.testing.assert_allclose(ours, field.Hessian().kernel().transpose(0, 2, 1, 3), atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("atoms", "spin", "name"), [(BENT, 0, "pbe"), (IMIDOGEN, 2, "b3lyp")])
def test_equal_to_differences_of_forces(atoms, spin, name):
    functional, h = xc(name), 2e-3

    def build(s):
        first, (symbol, (x, y, z)), *rest = atoms
        moved = [first, (symbol, (x, y, z + s * BOHR)), *rest]
        return molecule(moved, "sto-3g", spin=spin, grid=0)

    def force(s):
        return forces(build(s), functional, tolerance=1e-14)

    with pytest.warns(UserWarning, match="not stationary"):
        ours = hessian(build(0.0), functional)
    difference = (force(-2 * h) - 8 * force(-h) + 8 * force(h) - force(2 * h)) / (12 * h)
    np.testing.assert_allclose(ours[1, 2], -difference, atol=1e-8)
    np.testing.assert_allclose(ours.sum(0), 0, atol=1e-10)  # a translation costs nothing


def test_fits_are_refused():
    fitted = molecule([("He", (0.0, 0.0, 0.0))], "sto-3g", grid=0, density_fit=True)
    with pytest.raises(ValueError, match="build the molecule with density_fit=False"):
        hessian(fitted, xc("hf"))
