"""Forces against PySCF with grid response and against differences of the energy."""

import jax
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import energy, forces, hessian, molecule, polarisability, scf, stack, xc

pytest.importorskip("pyscf")

BENT = [("O", (0.0, 0.0, 0.12)), ("H", (0.0, 0.76, -0.47)), ("H", (0.1, -0.70, -0.50))]
BOHR = 0.52917721092


def pyscf_forces(mol, name, fit=False):
    from pyscf import dft

    field = (dft.UKS if mol.spin else dft.RKS)(mol)
    if fit:
        field = field.density_fit(auxbasis="def2-universal-jkfit")
    field.xc, field.grids.level, field.conv_tol = name, 0, 1e-13
    field.kernel()
    gradient = field.nuc_grad_method()
    gradient.grid_response = True
    return -gradient.kernel()


@pytest.mark.parametrize(("spin", "name"), [(0, "pbe"), (1, "b3lyp")])
def test_equal_to_pyscf_with_grid_response(spin, name):
    from pyscf import gto

    mol = gto.M(atom=BENT, basis="6-31g", spin=spin, charge=spin, verbose=0)
    ours = forces(molecule(mol, grid=0), xc(name))
    np.testing.assert_allclose(ours, pyscf_forces(mol, name), atol=1e-6)
    np.testing.assert_allclose(ours.sum(0), 0, atol=1e-12)  # a translation costs nothing


@pytest.mark.parametrize(
    ("spin", "name", "fit"),
    [
        pytest.param(1, "camb3lyp", True, marks=pytest.mark.slow),
        pytest.param(0, "camb3lyp", False, marks=pytest.mark.slow),
        (0, "pbe", True),
        pytest.param(0, "wb97x", True, marks=pytest.mark.slow),
        pytest.param(1, "b3lyp", True, marks=pytest.mark.slow),
    ],
)
def test_fitted_and_separated_equal_pyscf(spin, name, fit):
    from pyscf import gto

    mol = gto.M(atom=BENT, basis="6-31g", spin=spin, charge=spin, verbose=0)
    functional = xc(name)
    m = molecule(mol, grid=0, density_fit=fit, omega=functional.omega)
    ours = forces(m, functional)
    np.testing.assert_allclose(ours, pyscf_forces(mol, name, fit), atol=1e-6)
    # Less than to the last digit: the metric of a fit is singular to rounding at long range.
    np.testing.assert_allclose(ours.sum(0), 0, atol=1e-8)


@pytest.mark.slow
def test_a_nearly_singular_metric_of_a_fit_costs_no_digits():
    """Without a grid what is left of a sum of forces is the rounding of the fit."""
    angles = np.arange(6) * np.pi / 3
    ring = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    benzene = [(s, tuple(r * x)) for s, r in (("C", 1.396), ("H", 2.48)) for x in ring]
    ours = forces(molecule(benzene, "sto-3g", grid=0, density_fit=True), xc("hf"))
    np.testing.assert_allclose(ours.sum(0), 0, atol=1e-11)


def test_a_single_atom_feels_nothing():
    atom = molecule([("Ne", (0.1, 0.2, 0.3))], "sto-3g", grid=0)
    np.testing.assert_allclose(forces(atom, xc("svwn")), 0, atol=1e-12)
    np.testing.assert_allclose(hessian(atom, xc("hf")), 0, atol=1e-10)


def test_core_potential():
    from pyscf import gto

    mol = gto.M(atom="I 0 0 0; H 0.1 0 1.6", basis="def2-svp", ecp={"I": "def2-svp"}, verbose=0)
    ours = forces(molecule(mol, grid=0), xc("lda,vwn"))
    np.testing.assert_allclose(ours, pyscf_forces(mol, "lda,vwn"), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fit", "omega"),
    [("svwn", False, None), ("wb97x", True, 0.3)],
)
def test_equal_to_differences_of_the_energy_in_a_batch(name, fit, omega):
    h = 2e-3
    shifts = np.array([0.0, -2 * h, -h, h, 2 * h])

    def build(atoms):
        return molecule(atoms, "sto-3g", grid=0, density_fit=fit, omega=omega)

    def moved(s):
        (symbol, position), *rest = BENT
        return build([(symbol, (position[0], position[1], position[2] + s)), *rest])

    # A larger molecule in the batch, so that everyone else is padded.
    helium = build([("He", (0.0, 0.0, 1.0 * i)) for i in range(8)])
    batch = stack([*map(moved, shifts), helium])
    functional = xc(name)
    f = energy(functional, tolerance=1e-14)
    e = jax.jit(jsci.vmap(lambda m: f(None, m)))(batch)
    slope = (e[1] - 8 * e[2] + 8 * e[3] - e[4]) / (12 * h / BOHR)
    by_atom = jsci.vmap(lambda m: forces(m, functional, throw=False))(batch)
    np.testing.assert_allclose(by_atom[0, 0, 2], -slope, atol=1e-7)
    np.testing.assert_array_equal(by_atom[0, 3:], 0)
    np.testing.assert_allclose(by_atom[0, :3], forces(moved(0.0), functional), atol=1e-7)


def test_a_field_that_has_not_converged_has_no_forces():
    hydrogen = molecule([("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.9))], "6-31g", grid=0)
    assert np.isnan(forces(hydrogen, xc("hf"), max_steps=1, throw=False)).all()


@pytest.mark.filterwarnings("ignore:the geometry is not stationary")
def test_a_result_at_hand_is_not_solved_again(monkeypatch):
    water, functional = molecule(BENT, "sto-3g", grid=0), xc("svwn")
    result = scf(water, functional, tolerance=1e-13)
    expected = [p(water, functional) for p in (forces, hessian, polarisability)]

    def solve(*_, **__):
        raise AssertionError("solved again")

    monkeypatch.setattr("jaxsci.dft._properties.solution.scf", solve)
    for p, known in zip((forces, hessian, polarisability), expected, strict=True):
        np.testing.assert_allclose(p(water, functional, result=result), known, atol=1e-6)


def test_a_result_of_something_else_is_refused():
    water, functional = molecule(BENT, "sto-3g", grid=0), xc("svwn")
    moved = molecule([("O", (0.0, 0.0, 0.3)), *BENT[1:]], "sto-3g", grid=0)
    helium = molecule([("He", (0.0, 0.0, 0.0))], "sto-3g", grid=0)
    result = scf(water, functional)
    with pytest.raises(ValueError, match="another molecule or geometry"):
        forces(moved, functional, result=result)
    with pytest.raises(ValueError, match="it is of another functional"):
        forces(water, xc("hf"), result=result)
    assert np.isnan(polarisability(water, xc("hf"), result=result)).all()
    with pytest.raises(ValueError, match="density of shape"):
        polarisability(helium, functional, result=result)
    unfinished = scf(water, functional, max_steps=1, throw=False)
    with pytest.raises(RuntimeError, match="has not converged"):
        hessian(water, functional, result=unfinished)
    assert np.isnan(forces(water, functional, result=unfinished, throw=False)).all()
