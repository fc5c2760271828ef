"""Exact exchange that changes with distance: fields, batches and derivatives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import Functional, molecule, scf, stability, stack, xc

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.7572, -0.4692)), ("H", (0.0, -0.7572, -0.4692))]
IMIDOGEN = [("N", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.04))]


def pyscf_energy(atoms, name, spin, fit):
    from pyscf import dft, gto

    mol = gto.M(atom=atoms, basis="6-31g", spin=spin, verbose=0)
    field: Any = (dft.UKS if spin else dft.RKS)(mol)
    if fit:
        field = field.density_fit(auxbasis="def2-universal-jkfit")
    if fit and name == "hse06":
        by_fit = field.get_k

        def get_k(mol=None, dm=None, hermi=1, omega=None):
            # PySCF fits a short range by itself; here it is the whole less the long range.
            if omega is not None and omega < 0:
                return by_fit(mol, dm, hermi) - by_fit(mol, dm, hermi, omega=-omega)
            return by_fit(mol, dm, hermi, omega=omega)

        field.get_k = get_k
    field.xc, field.grids.level, field.conv_tol = name.replace("-", ""), 0, 1e-12
    return field.kernel()


@pytest.mark.parametrize(
    ("name", "atoms", "spin", "fit"),
    [
        ("cam-b3lyp", IMIDOGEN, 2, False),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                ("wb97x", WATER, 0, True),
                ("hse06", WATER, 0, False),
                ("hse06", IMIDOGEN, 2, True),
                ("cam-b3lyp", WATER, 0, True),
                ("wb97x", IMIDOGEN, 2, False),
            ]
        ),
    ],
)
def test_energies_equal_pyscf(name, atoms, spin, fit):
    functional = xc(name)
    m = molecule(atoms, "6-31g", spin=spin, grid=0, density_fit=fit, omega=functional.omega)
    energy = scf(m, functional, tolerance=1e-12).energy
    np.testing.assert_allclose(energy, pyscf_energy(atoms, name, spin, fit), atol=1e-9, rtol=0)


# Hartree-Fock at long range, and a parameter at short.
LONG = xc("hf_lr", omega=0.4)


def screened(params, features):
    return params * xc("slater_sr", omega=0.4)(None, features)


SCREENED = Functional(((1.0, screened),), "lda") + LONG


@pytest.mark.parametrize("fit", [pytest.param(False, marks=pytest.mark.slow), True])
def test_padding_changes_nothing(fit):
    helium = [("He", (0.0, 0.0, 0.0))]
    molecules = [
        molecule(atoms, "6-31g", spin=spin, grid=0, density_fit=fit, omega=0.4)
        for atoms, spin in ((helium, 0), (IMIDOGEN, 2))
    ]

    def energy(m):
        return scf(m, SCREENED, 1.0, tolerance=1e-12, throw=False).energy

    together = jsci.vmap(energy)(stack(molecules))
    np.testing.assert_allclose(together, [energy(m) for m in molecules], atol=1e-10, rtol=0)


@pytest.mark.slow
def test_response_and_stability():
    m = molecule(WATER, "sto-3g", grid=0, omega=0.4)

    def spread(p):
        return jnp.sum(scf(m, SCREENED, p, tolerance=1e-17, throw=False).density_matrix ** 2)

    f, h = jax.jit(spread), 1e-3
    near, far = (f(1 + h) - f(1 - h)) / (2 * h), (f(1 + 2 * h) - f(1 - 2 * h)) / (4 * h)
    np.testing.assert_allclose(jax.jit(jax.grad(spread))(1.0), (4 * near - far) / 3, rtol=1e-6)
    assert bool(stability(m, SCREENED, 1.0, result=scf(m, SCREENED, 1.0)).stable)


def test_missing_integrals_are_explained():
    helium = [("He", (0.0, 0.0, 0.0))]
    plain, other = (molecule(helium, "sto-3g", grid=0, omega=omega) for omega in (None, 0.3))
    with pytest.raises(ValueError, match=r"holds no long-ranged .* molecule\(..., omega=0.33\)"):
        scf(plain, xc("cam-b3lyp"))
    with pytest.raises(ValueError, match=r"'cam-b3lyp' .* omega=0.33, .* those of omega=0.3:"):
        scf(other, xc("CAM-B3LYP"))
    with pytest.raises(ValueError, match="different ranges omega"):
        stack([plain, other])
    with pytest.raises(ValueError, match="omega is positive"):
        molecule(helium, "sto-3g", omega=-0.1)
