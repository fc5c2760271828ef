"""Energies and forces for ASE: its optimisers, vibrations, dynamics and elastic bands."""

import sys

import jax
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV

pytest.importorskip("pyscf")
ase = pytest.importorskip("ase")

LDA = jsci.dft.xc("lda")


def calculator(**options):
    return jsci.dft.calculator(LDA, basis="sto-3g", grid=0, **options)


@pytest.fixture(scope="module")
def shared():
    return calculator()


def hydrogen(calc, length=0.8):
    return ase.Atoms("H2", [(0, 0, 0), (0.1, 0, length)], calculator=calc)


def test_energy_forces_and_dipole_have_the_units_of_ase(shared):
    atoms = ase.Atoms("LiH", [(0, 0, 0), (0, 0, 1.6)], calculator=shared)
    molecule = jsci.dft.molecule("Li 0 0 0; H 0 0 1.6", "sto-3g", grid=0)
    result = jsci.dft.scf(molecule, LDA, tolerance=1e-12)
    assert abs(atoms.get_potential_energy() - result.energy * HARTREE_IN_EV) < 1e-9
    expected = jsci.dft.forces(molecule, LDA, guess=result) * HARTREE_IN_EV / BOHR_IN_ANGSTROM
    np.testing.assert_allclose(atoms.get_forces(), expected, atol=1e-6)
    moment = jsci.dft.dipole(molecule, result) * BOHR_IN_ANGSTROM
    np.testing.assert_allclose(atoms.get_dipole_moment(), moment, atol=1e-7)
    assert abs(HARTREE_IN_EV / ase.units.Hartree - 1) < 1e-7
    assert abs(BOHR_IN_ANGSTROM / ase.units.Bohr - 1) < 1e-8


def test_forces_are_the_slope_of_the_energy_in_the_units_of_ase(shared):
    atoms, energies = hydrogen(shared), []
    force = atoms.get_forces()[1, 2]
    for shift in (3e-4, -3e-4):
        moved = hydrogen(shared, 0.8 + shift)
        energies.append(moved.get_potential_energy())
    assert abs(force + (energies[0] - energies[1]) / 6e-4) < 1e-5


def test_each_geometry_begins_with_the_last_density_and_compiles_nothing():
    calc = calculator()
    atoms = hydrogen(calc)
    atoms.get_forces()
    atoms.rattle(0.01, seed=0)
    compiled = []

    def listen(name, *_, **__):
        compiled.extend([name] * (name == "/jax/core/compile/backend_compile_duration"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        atoms.get_forces()
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert not compiled
    fresh = hydrogen(calculator())
    fresh.positions = atoms.positions
    assert abs(fresh.get_potential_energy() - atoms.get_potential_energy()) < 1e-9
    assert calc.solution.steps <= fresh.calc.solution.steps


def test_a_geometry_is_solved_once():
    atoms = hydrogen(calculator())
    atoms.get_potential_energy()
    solution = atoms.calc.solution
    atoms.get_forces()
    assert atoms.calc.solution is solution


def test_a_molecule_of_another_size_begins_anew():
    calc = calculator(spin=None)
    hydrogen(calc).get_potential_energy()
    helium = ase.Atoms("He", [(0, 0, 0)], calculator=calc)
    expected = jsci.dft.scf(jsci.dft.molecule("He 0 0 0", "sto-3g", grid=0), LDA).energy
    assert abs(helium.get_potential_energy() - expected * HARTREE_IN_EV) < 1e-7


def test_optimisers_vibrations_and_elastic_bands_of_ase_run(shared, tmp_path):
    from ase.mep import NEB
    from ase.optimize import BFGS
    from ase.vibrations import Vibrations

    atoms = hydrogen(shared)
    BFGS(atoms, logfile=None).run(fmax=1e-4, steps=20)
    assert abs(atoms.get_forces()).max() < 1e-4
    length = atoms.get_distance(0, 1)
    vibrations = Vibrations(atoms, name=str(tmp_path / "vib"), delta=0.01)
    vibrations.run()
    stretch = vibrations.get_frequencies()[-1].real
    # The same curvature from three energies.
    energies = []
    for shift in (-0.01, 0, 0.01):
        atoms.set_distance(0, 1, length + shift)
        energies.append(atoms.get_potential_energy())
    curvature = (energies[0] - 2 * energies[1] + energies[2]) / 0.01**2
    mass = atoms.get_masses()[0] / 2
    expected = (
        np.sqrt(curvature / mass) * ase.units._hbar * 1e10 / np.sqrt(ase.units._e * ase.units._amu)
    )
    assert abs(stretch - expected * 8065.544) < 2e-3 * stretch

    images = [hydrogen(shared, length) for length in (0.7, 0.75, 0.8)]
    band = NEB(images, allow_shared_calculator=True, method="improvedtangent")
    assert band.get_forces().shape == (2, 3)


def test_the_energy_of_a_trajectory_is_kept(shared):
    from ase.md.verlet import VelocityVerlet

    atoms = hydrogen(shared)
    dynamics = VelocityVerlet(atoms, timestep=0.1 * ase.units.fs)
    first = atoms.get_total_energy()
    kinetic = []
    for _ in range(10):
        dynamics.run(4)
        kinetic.append(atoms.get_kinetic_energy())
        # Verlet's energy oscillates with the square of the step.
        assert abs(atoms.get_total_energy() - first) < 1e-3 * HARTREE_IN_EV
    assert max(kinetic) > 0.05


def test_no_energy_stands_in_for_that_of_another_geometry(shared):
    atoms = hydrogen(shared)
    atoms.get_potential_energy()
    atoms.positions[1] = atoms.positions[0]
    for _ in range(2):  # asked again, the energy before came out
        with pytest.raises(ValueError, match="at one point"):
            atoms.get_potential_energy()


def test_a_charge_that_changes_is_seen(shared):
    atoms = ase.Atoms("He", [(0, 0, 0)], info={"charge": 1, "spin": 1}, calculator=shared)
    ion = atoms.get_potential_energy()
    atoms.info.clear()
    assert atoms.get_potential_energy() < ion - 0.5 * HARTREE_IN_EV


def test_what_cannot_be_computed_says_so(shared, monkeypatch):
    from ase.calculators.calculator import SCFError

    box = ase.Atoms("He", [(0, 0, 0)], cell=[9, 9, 9], pbc=True, calculator=shared)
    with pytest.raises(ValueError, match="the atoms are periodic"):
        box.get_potential_energy()
    atoms = ase.Atoms("LiH", [(0, 0, 0), (0, 0, 1.6)], calculator=calculator(tolerance=1e-300))
    with pytest.raises(SCFError, match=r"did not converge: try solver=jsci.dft.Newton"):
        atoms.get_potential_energy()
    with pytest.raises(TypeError, match="functional"):
        jsci.dft.calculator("pbe")
    monkeypatch.setitem(sys.modules, "ase.calculators.calculator", None)
    monkeypatch.delitem(sys.modules, "jaxsci.dft._interfaces.ase_calculator")
    with pytest.raises(ImportError, match=r"pip install 'jaxsci\[dft,ase\]'"):
        calculator()
