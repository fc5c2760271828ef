"""Relaxed geometries against PySCF with geomeTRIC, constraints, and molecules that fail."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import Criteria, forces, molecule, relax, stack, xc
from jaxsci.dft._properties._geometry.optimiser import Optimiser
from jaxsci.dft._properties._geometry.primitives import Primitives
from jaxsci.dft._properties._geometry.rebuilt import one_of, rebuilt

pytest.importorskip("pyscf")

ANGSTROM = 1 / 0.52917721092
WATER = [("O", (0.0, 0.03, 0.117)), ("H", (0.0, 0.80, -0.43)), ("H", (0.02, -0.757, -0.50))]
FLUORIDE = [("H", (0.0, 0.0, 0.0)), ("F", (0.1, 0.0, 1.05))]
CYANIDE = [("H", (0.05, 0.0, -1.1)), ("C", (0.0, 0.0, 0.0)), ("N", (0.0, 0.06, 1.2))]


def distances(x):
    return np.linalg.norm(x[:, None] - x, axis=-1)


def by_geometric(atoms) -> tuple[np.ndarray, float, int]:
    """Positions, energy and number of gradients."""
    pytest.importorskip("geometric")
    from pyscf import gto
    from pyscf.geomopt.geometric_solver import GeometryOptimizer

    steps: list[int] = []
    field: Any = gto.M(atom=atoms, basis="sto-3g", verbose=0).RHF()
    field.conv_tol = 1e-11
    optimiser = GeometryOptimizer(field)
    optimiser.verbose, optimiser.callback = 0, lambda _: steps.append(1)
    optimiser.kernel()
    relaxed = optimiser.mol
    return relaxed.atom_coords(), relaxed.RHF().run(verbose=0, conv_tol=1e-11).e_tot, len(steps)


def test_a_stack_equals_geometric():
    every = [WATER, FLUORIDE, CYANIDE]
    batch = stack([molecule(atoms, "sto-3g", grid=0) for atoms in every])
    ours = relax(batch, xc("hf"), progress=False)
    assert ours.converged.all() and ours.solved.all()
    for i, atoms in enumerate(every):
        positions, energy, steps = by_geometric(atoms)
        found = np.asarray(ours.positions[i, : len(atoms)])
        np.testing.assert_allclose(
            distances(found), distances(positions), atol=1e-3 * ANGSTROM, rtol=0
        )
        np.testing.assert_allclose(ours.energy[i], energy, atol=1e-6)
        assert ours.steps[i] <= steps
        np.testing.assert_array_equal(ours.forces[i, len(atoms) :], 0)


def test_what_is_held_stays_and_the_rest_relaxes():
    water = molecule(WATER, "sto-3g", grid=0)
    angle = Primitives(angles=np.array([[1, 0, 2]]))
    before = np.asarray(water.coordinates)
    ours = relax(water, xc("hf"), fixed=[0], held=[(1, 0, 2)], progress=False)
    x = np.asarray(ours.positions)
    assert ours.converged
    np.testing.assert_allclose(x[0], before[0], atol=1e-6)
    np.testing.assert_allclose(angle.values(x), angle.values(before), atol=1e-6)
    # The forces that remain are across the bonds: they bend, but do not stretch.
    f = np.asarray(forces(ours.molecule, xc("hf"), result=ours.result))
    np.testing.assert_allclose(f, ours.forces, atol=1e-8)
    bonds = x[1:] - x[0]
    along = np.sum(f[1:] * bonds, axis=1) / np.linalg.norm(bonds, axis=1)
    np.testing.assert_allclose(along, 0, atol=5e-4)
    assert np.abs(f).max() > 5e-3


@pytest.mark.parametrize(("fit", "omega"), [(False, None), (True, 0.3)])
def test_new_integrals_equal_those_of_a_new_molecule(fit, omega):
    old, new, helium = (
        molecule(atoms, "sto-3g", grid=0, density_fit=fit, omega=omega)
        for atoms in (WATER, [WATER[0], ("H", (0.1, 0.9, -0.5)), WATER[2]], [("He", (9.0, 0, 0))])
    )
    padded = one_of(stack([old, new, helium]), 2)
    assert eqx.tree_equal(rebuilt(padded, np.asarray(padded.coordinates)), padded, atol=1e-10)
    moved = rebuilt(old, np.asarray(new.coordinates))
    for name in ("overlap", "core_hamiltonian", "dipole_integrals", "guess"):
        np.testing.assert_allclose(getattr(moved, name), getattr(new, name), atol=1e-12)
    for ours, theirs in ((moved, new), (moved.long_range, new.long_range)):
        if theirs is not None:
            # Fits of one interaction agree in their products.
            a, b = (x.repulsion if x.fit is None else x.fit.T @ x.fit for x in (ours, theirs))
            np.testing.assert_allclose(a, b, atol=1e-10)


def test_an_open_shell_is_relaxed_in_pyscf_too():
    from pyscf import gto

    atoms = [("O", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.1))]
    ours = relax(molecule(atoms, "sto-3g", spin=1, grid=0), xc("hf"), progress=False)
    assert ours.converged
    # At a minimum of ours, PySCF's energy is lower than on both sides.
    length = float(np.linalg.norm(ours.positions[1] - ours.positions[0]))

    def energy(r):
        field: Any = gto.M(atom=f"O 0 0 0; H 0 0 {r}", unit="bohr", basis="sto-3g", spin=1).UHF()
        return field.run(verbose=0, conv_tol=1e-12).e_tot

    low, middle, high = (energy(length + d) for d in (-0.02, 0.0, 0.02))
    np.testing.assert_allclose(ours.energy, middle, atol=1e-8)
    vertex = 0.01 * (low - high) / (low + high - 2 * middle)
    assert abs(vertex) < 1e-3 * ANGSTROM


@pytest.mark.parametrize("batch_size", [None, 2])
def test_one_that_fails_stops_no_other(batch_size):
    def hydrogen(distance):
        return molecule([("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, distance))], "sto-3g", grid=0)

    good, bad = hydrogen(0.8), hydrogen(0.9)
    bad = dataclasses.replace(bad, guess=np.nan * bad.guess)
    with pytest.warns(UserWarning, match="1 of 2 .* molecule 1: the SCF did not converge"):
        ours = relax(stack([good, bad]), xc("hf"), batch_size=batch_size, progress=False)
    np.testing.assert_array_equal(ours.converged, [True, False])
    np.testing.assert_array_equal(ours.solved, [True, False])
    assert np.isnan(ours.energy[1]) and np.isnan(ours.forces[1]).all()
    alone = relax(good, xc("hf"), progress=False)
    np.testing.assert_allclose(ours.positions[0], alone.positions, atol=1e-8)


def test_it_ends_before_geometries_without_an_energy():
    """Steps are shortened in front of them, and the nearest geometry with an energy is kept."""
    wall = 0.70 * ANGSTROM  # of HF in STO-3G the minimum is at 0.712 ångström

    def term(m):
        return jnp.where(jnp.linalg.norm(m.coordinates[1] - m.coordinates[0]) > wall, jnp.nan, 0.0)

    walled = dataclasses.replace(xc("hf"), nuclear_terms=((1.0, term),))
    hydrogen = molecule("H 0 0 0; H 0 0 .6", "sto-3g", grid=0)
    with pytest.warns(UserWarning, match="molecule 0: the SCF did not converge at a geometry"):
        ours = relax(hydrogen, walled, progress=False)
    assert not ours.converged and not ours.solved
    np.testing.assert_allclose(distances(np.asarray(ours.positions))[0, 1], wall, atol=2e-3)
    assert ours.result.converged and np.isfinite(ours.energy)


def test_a_retreat_goes_half_way_back():
    """It halved the trust radius: a step that was shorter than that was tried again as it was."""
    start, slope = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.3]]), np.array([[0, 0, -0.01]])
    optimiser = Optimiser(start, np.array([1, 1]), Criteria())
    optimiser.tell(-1.0, np.concatenate([-slope, slope]))
    whole = distances(optimiser.position)[0, 1] - 1.3
    assert optimiser.retreat() and 0 < whole < 0.25
    np.testing.assert_allclose(distances(optimiser.position)[0, 1] - 1.3, 0.5 * whole, rtol=1e-5)


def test_slopes_of_internal_coordinates_equal_differences():
    rng, h = np.random.default_rng(0), 1e-5
    x = 2 * rng.standard_normal((5, 3))
    q = Primitives(
        np.array([[0, 1], [2, 3]]), np.array([[0, 1, 2], [4, 2, 1]]),
        np.array([[0, 1, 2, 3], [4, 3, 2, 1]]), np.array([[0, 1, 2]]),
        np.array([[0.0, 0.6, 0.8]]), np.array([[2, 1]]),
    )  # fmt: skip
    steps = h * np.eye(15).reshape(15, 5, 3)
    differences = [q.difference(q.values(x + d), q.values(x - d)) / (2 * h) for d in steps]
    np.testing.assert_allclose(q.slopes(x), np.transpose(differences), atol=1e-8)


def test_bad_input_is_explained():
    water = molecule(WATER, "sto-3g", grid=0)
    with pytest.raises(ValueError, match="numbered from 0 to 2"):
        relax(water, xc("hf"), fixed=[3])
    with pytest.raises(ValueError, match="two different atoms"):
        relax(water, xc("hf"), held=[(1, 1)])
    with pytest.raises(TypeError, match="takes what scf returned, got int"):
        relax(water, xc("hf"), result=0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="batch_size is a whole number from 1"):
        relax(water, xc("hf"), batch_size=0)
    straight = molecule("H 0 0 -1.06; C 0 0 0; N 0 0 1.15", "sto-3g", grid=0)
    with pytest.raises(ValueError, match=r"held \(0, 1, 2\): atoms 0, 1 and 2 are in a line"):
        relax(straight, xc("hf"), held=[(0, 1, 2)])
    with pytest.raises(TypeError, match="a stack of them, got list"):
        relax([water], xc("hf"))
    with pytest.raises(ValueError, match="gmax must be positive"):
        Criteria(gmax=0.0)
