"""A nearly linearly dependent basis: directions that rounding would spoil are left out."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import DIIS, Newton, forces, molecule, scf, stack, xc
from jaxsci.dft._basis.orthonormal import NEARLY_DEPENDENT, orthonormal, to_orthonormal

pyscf = pytest.importorskip("pyscf")

HF = xc("hf")


def chain(spacing=0.6, basis="6-31++g", **options):
    """Four H at 0.6 Bohr: of 12 directions of the basis one is left out."""
    atoms = [("H", (0.0, 0.0, i * spacing)) for i in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return molecule(atoms, basis, unit="bohr", grid=0, **options)


@pytest.fixture(scope="module")
def dependent():
    found = chain()
    assert found.dependent
    return found


def overlap_of(eigenvalues):
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(len(eigenvalues),) * 2))[0]
    return jnp.asarray((q * np.asarray(eigenvalues)) @ q.T)


def test_the_orthonormal_functions_span_the_kept_directions():
    overlap = overlap_of([2.0, 2.0, 0.5, 1e-5, 1e-7, 1e-12])
    basis = orthonormal(overlap, True)
    kept = basis.x.T @ overlap @ basis.x
    np.testing.assert_allclose(np.linalg.eigvalsh(kept), [0, 0, 1, 1, 1, 1], atol=1e-10)
    np.testing.assert_allclose(basis.raised, 1e3 * (jnp.eye(6) - kept), atol=1e-6)
    projector = basis.x @ jnp.diag(jnp.arange(6.0)) @ basis.x.T
    seen = to_orthonormal(projector, overlap, True)
    np.testing.assert_allclose(basis.x @ seen @ basis.x.T, projector, rtol=1e-8)


def test_its_derivative_is_that_of_differences_with_equal_eigenvalues_too():
    overlap = overlap_of([2.0, 2.0, 0.5, 1e-2, 1e-7, 1e-7])
    change = jnp.asarray(np.random.default_rng(1).normal(size=(6, 6)))
    change = 1e-2 * (change + change.T)

    def both(step):
        basis = orthonormal(overlap + step * change, True)
        return basis.x, basis.raised

    slopes = jax.jvp(both, (0.0,), (1.0,))[1]
    step = 1e-6
    for slope, up, down in zip(slopes, both(step), both(-step), strict=True):
        difference = (up - down) / (2 * step)
        np.testing.assert_allclose(slope, difference, atol=1e-5 * float(jnp.abs(slope).max()))


@pytest.mark.parametrize("solver", [DIIS(), Newton()], ids=["diis", "newton"])
def test_the_energy_is_pyscfs(dependent, solver):
    result = scf(dependent, HF, solver=solver, tolerance=1e-12)
    mol = pyscf.gto.M(
        atom=[("H", (0, 0, 0.6 * i)) for i in range(4)], basis="6-31++g", unit="bohr", verbose=0
    )
    reference = mol.RHF(conv_tol=1e-12).run()
    assert abs(result.energy - reference.e_tot) < 1e-10
    assert reference.mo_coeff.shape == (12, 11)
    np.testing.assert_allclose(result.orbital_energies[:11], reference.mo_energy, atol=1e-6)
    assert float(jnp.sum(result.density_matrix * dependent.overlap)) == pytest.approx(4, abs=1e-10)


def test_open_shells(dependent):
    options = {"charge": 1, "spin": 1}
    mol = pyscf.gto.M(
        atom=[("H", (0, 0, 0.6 * i)) for i in range(4)],
        basis="6-31++g",
        unit="bohr",
        verbose=0,
        **options,
    )
    unrestricted = scf(chain(**options), HF, tolerance=1e-12)
    assert abs(unrestricted.energy - mol.UHF(conv_tol=1e-12).run().e_tot) < 1e-9
    shared = scf(chain(**options, restricted=True), HF, tolerance=1e-12)
    assert abs(shared.energy - mol.ROHF(conv_tol=1e-12).run().e_tot) < 1e-9


def test_forces_are_the_slope_of_the_energy():
    """PySCF's own forces neglect how the directions left out turn."""
    pbe = xc("pbe")

    def energy(spacing):
        return float(scf(chain(spacing), pbe, tolerance=1e-13).energy)

    def difference(step):
        return (energy(0.6 + step) - energy(0.6 - step)) / (2 * step)

    force = forces(chain(), pbe, tolerance=1e-13)
    slope = (4 * difference(1e-3) - difference(2e-3)) / 3
    assert abs(force[:, 2] @ jnp.arange(4.0) + slope) < 1e-6
    assert float(jnp.abs(jnp.sum(force, axis=0)).max()) < 1e-8


def test_gradients_in_parameters_are_differences(dependent):
    lda = xc("lda")
    functional = jsci.dft.Functional(
        tuple((w, lambda p, f, e=e: p * e(None, f)) for w, e in lda.terms), level="lda"
    )

    def moment(p):
        density = scf(dependent, functional, p, tolerance=1e-13).density_matrix
        return jnp.sum(density**2)

    difference = (moment(1.0 + 1e-4) - moment(1.0 - 1e-4)) / 2e-4
    np.testing.assert_allclose(jax.grad(moment)(1.0), difference, rtol=1e-5)


def test_in_a_batch_with_an_independent_basis(dependent):
    other = molecule("H 0 0 0; F 0 0 .92", "6-31g", grid=0)
    both = stack([dependent, other])
    assert both.dependent
    energies = jsci.vmap(lambda m: scf(m, HF, throw=False, tolerance=1e-12).energy)(both)
    alone = [scf(m, HF, tolerance=1e-12).energy for m in (dependent, other)]
    np.testing.assert_allclose(energies, alone, atol=1e-10)


def test_pyscf_takes_the_orbitals_that_exist(dependent):
    result = scf(dependent, HF, tolerance=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        field = jsci.dft.to_pyscf(dependent, HF, result)
    assert field.mo_coeff.shape == (12, 11)
    assert abs(field.energy_tot() - result.energy) < 1e-10


def test_what_is_said(dependent):
    atoms = [("H", (0.0, 0.0, 0.6 * i)) for i in range(4)]
    with pytest.warns(UserWarning, match=r"dependent.* 1 of its 12 directions, those below 1e-06"):
        molecule(atoms, "6-31++g", unit="bohr", grid=0)
    with pytest.raises(ValueError, match=r"hessian\(\) cannot differentiate.*vibrations"):
        jsci.dft.hessian(dependent, HF)
    assert pyscf.scf.hf.overlap_zero_eigenvalue_threshold == NEARLY_DEPENDENT


@pytest.mark.slow
def test_stability_and_excitations_see_no_direction_that_is_left_out(dependent):
    result = scf(dependent, HF, tolerance=1e-13)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        field = jsci.dft.to_pyscf(dependent, HF, result)
    reference = field.TDHF().run(nstates=3, conv_tol=1e-9).e
    states = jsci.dft.excitations(dependent, HF, result=result, nstates=3)
    np.testing.assert_allclose(states.energies, reference, atol=1e-7)
    # A direction of zeros would rotate with the curvature of -ε of the highest occupied orbital.
    wider = chain(0.75)
    independent = jsci.dft.stability(wider, HF, result=scf(wider, HF, tolerance=1e-13))
    assert not wider.dependent
    found = jsci.dft.stability(dependent, HF, result=result)
    np.testing.assert_allclose(found.internal, independent.internal, rtol=0.5)


def with_diffuse(length, exponent, **options):
    """Hydrogen with a function on each atom so wide that 1 - S = exponent R²/2."""
    basis = {"H": [*pyscf.gto.basis.load("sto-3g", "H"), [0, [exponent, 1.0]]]}
    atoms = [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, length))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return molecule(atoms, basis, unit="bohr", grid=0, **options)


def test_a_relaxation_into_dependence_ends_at_the_energy_of_a_new_molecule():
    wide = with_diffuse(1.7, 1.08e-6)
    relaxed = jsci.dft.relax(wide, HF, progress=False)
    assert relaxed.converged and relaxed.molecule.dependent and not wide.dependent
    new = with_diffuse(float(relaxed.positions[1, 2] - relaxed.positions[0, 2]), 1.08e-6)
    assert new.dependent
    np.testing.assert_allclose(relaxed.energy, scf(new, HF, tolerance=1e-12).energy, atol=1e-10)
    with pytest.raises(ValueError, match="nstates is 3, and there are 2 pairs"):
        jsci.dft.excitations(new, HF, result=scf(new, HF), nstates=3)


def test_vibrations_across_the_threshold_are_refused():
    near = with_diffuse(1.3459, 1.102e-6)
    assert near.dependent
    with pytest.raises(RuntimeError, match="number of directions left out .* changes"):
        jsci.dft.vibrations(near, HF)


@pytest.mark.slow
@pytest.mark.report("pyscf/pyscf#3005")
@pytest.mark.parametrize(("atoms", "basis"), [(10, "cc-pvdz"), (10, "aug-cc-pvdz")])
def test_chains_of_hydrogen_end_at_pyscfs_energy(atoms, basis):
    hydrogens = [("H", (0.0, 0.0, float(i))) for i in range(atoms)]
    with pytest.warns(UserWarning, match="nearly linearly dependent"):
        mol = molecule(hydrogens, basis, unit="bohr", grid=0)
    result = scf(mol, HF)
    # By its default, 1e-9, PySCF has ended 1e-6 Hartree above its own minimum.
    reference = pyscf.gto.M(atom=hydrogens, basis=basis, unit="bohr", verbose=0)
    field = reference.RHF(conv_tol=1e-10).run()
    assert bool(result.converged)
    assert field.converged
    assert abs(result.energy - field.e_tot) < 1e-8
