"""Scans of a bond, an angle and a dihedral, against PySCF and relaxed geometries."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from jaxsci.dft import molecule, relax, scan, stack, xc
from jaxsci.dft._properties._geometry.displaced import as_primitive, displaced

pytest.importorskip("pyscf")

ANGSTROM = 1 / 0.52917721092
WATER = [("O", (0.0, 0.0, 0.117)), ("H", (0.0, 0.757, -0.47)), ("H", (0.0, -0.757, -0.47))]
FLUORIDE = [("H", (0.0, 0.0, 0.0)), ("F", (0.0, 0.0, 0.95))]
# Hydrogen peroxide, and a ring of three carbons, in ångström.
PEROXIDE = np.array([[0, 0.73, 0], [0, -0.73, 0], [0.9, 0.9, 0.4], [-0.9, -0.9, 0.4]]) * ANGSTROM
RING = np.array([[0, 0, 0], [1.5, 0, 0], [0.75, 1.3, 0]]) * ANGSTROM
RELAX: Any = {"progress": False}


@pytest.mark.parametrize(
    ("coordinate", "value", "still"),
    [
        ((0, 1), 3.1, [0, 2]), ((2, 0, 1), 1.9, [0, 2]), ((2, 0, 1, 3), 2.9, [0, 1, 2]),
        ((2, 0, 1, 3), -2.9, [0, 1, 2]), ((3, 1, 0, 2), 0.4, [0, 1, 3]), ((2, 3), 5.0, [0, 1]),
    ],
)  # fmt: skip
def test_one_side_moves_as_a_whole(coordinate, value, still):
    elements = np.array([8, 8, 1, 1])
    moved = displaced(PEROXIDE, elements, coordinate, value, rigid=coordinate != (2, 3))
    q = as_primitive(coordinate)
    np.testing.assert_allclose(q.difference(q.values(moved), np.array([value])), 0, atol=1e-9)
    if coordinate != (2, 3):  # which are not at the ends of a bond
        np.testing.assert_array_equal(moved[still], PEROXIDE[still])
        before, after = (np.linalg.norm(x[1] - x[3]) for x in (PEROXIDE, moved))
        np.testing.assert_allclose(after, before)


def test_fixed_atoms_choose_the_side_and_rings_bend():
    elements = np.array([8, 8, 1, 1])
    moved = displaced(PEROXIDE, elements, (0, 1), 3.1, fixed=[3], rigid=True)
    np.testing.assert_array_equal(moved[[1, 3]], PEROXIDE[[1, 3]])
    with pytest.raises(ValueError, match="fixed atoms are on both sides"):
        displaced(PEROXIDE, elements, (0, 1), 3.1, fixed=[2, 3], rigid=True)
    carbons = np.array([6, 6, 6])
    with pytest.raises(ValueError, match="part of a ring"):
        displaced(RING, carbons, (0, 1), 3.0, rigid=True)
    bent = displaced(RING, carbons, (0, 1), 3.0, rigid=False)
    np.testing.assert_allclose(np.linalg.norm(bent[1] - bent[0]), 3.0)
    np.testing.assert_array_equal(bent[2], RING[2])


def test_a_rigid_scan_of_a_stack_equals_pyscf():
    from pyscf import gto

    batch = stack([molecule(atoms, "sto-3g", grid=0) for atoms in (FLUORIDE, WATER)])
    values = [0.9, 1.1]
    ours = scan(batch, xc("hf"), coordinate=(0, 1), values=values, relaxed=False)
    assert ours.converged.all() and ours.energies.shape == (2, 2)
    np.testing.assert_allclose(ours.values, values)
    for i, value in enumerate(values):
        for j, symbols in enumerate(("HF", "OHH")):
            x = ours.positions[i, j, : len(symbols)]
            np.testing.assert_allclose(np.linalg.norm(x[1] - x[0]), value * ANGSTROM)
            mol = gto.M(atom=list(zip(symbols, x, strict=True)), unit="bohr", basis="sto-3g")
            field: Any = mol.RHF().run(verbose=0, conv_tol=1e-12)
            np.testing.assert_allclose(ours.energies[i, j], field.e_tot, atol=1e-8)


def test_a_relaxed_scan_has_its_minimum_at_the_relaxed_geometry():
    water, hf = molecule(WATER, "sto-3g", grid=0), xc("hf")
    lowest = relax(water, hf, **RELAX)
    angle = float(as_primitive((1, 0, 2)).values(np.asarray(lowest.positions))[0]) * 180 / np.pi
    values = [angle - 4, angle, angle + 4]
    ours = scan(water, hf, coordinate=(1, 0, 2), values=values, **RELAX)
    assert ours.converged.all()
    for x, value in zip(ours.positions, values, strict=True):
        found = as_primitive((1, 0, 2)).values(np.asarray(x))[0] * 180 / np.pi
        np.testing.assert_allclose(found, value, atol=1e-4)
    np.testing.assert_allclose(ours.energies[1], lowest.energy, atol=1e-6)
    assert ours.energies[0] > ours.energies[1] < ours.energies[2]
    rigid = scan(lowest.molecule, hf, coordinate=(1, 0, 2), values=values, relaxed=False)
    # What relaxes is lower, except at the minimum.
    assert min(rigid.energies[i] - ours.energies[i] for i in (0, 2)) > 1e-6


def test_a_point_that_fails_is_flagged():
    bad = molecule(FLUORIDE, "sto-3g", grid=0)
    bad = dataclasses.replace(bad, guess=np.nan * bad.guess)
    for relaxed in (True, False):
        with pytest.warns(UserWarning, match=r"1 of 1 points .* failed, numbers \[0\]"):
            ours = scan(
                bad, xc("hf"), coordinate=(0, 1), values=[1.0], relaxed=relaxed, progress=False
            )
        assert not ours.converged[0] and np.isnan(ours.energies[0])


def test_a_dihedral_over_a_line_is_refused():
    """A rigid scan about the axis of acetylene was flat, whatever it asked for."""
    x = [("H", (0.0, 0.0, -1.66)), ("C", (0.0, 0.0, -0.6)), ("C", (0.0, 0.0, 0.6)),
         ("H", (0.0, 0.0, 1.66))]  # fmt: skip
    with pytest.raises(ValueError, match="are in a line, 180.00 degrees"):
        scan(molecule(x, "sto-3g", grid=0), xc("hf"), coordinate=(0, 1, 2, 3), values=[0.0, 20.0])


def test_bad_input_is_explained():
    water, hf = molecule(WATER, "sto-3g", grid=0), xc("hf")
    for coordinate, values, message in (
        ((0, 1), [1.0, -1.0], "distances must be positive"),
        ((1, 0, 2), [1.0, 180.0], "between 0 and 180 degrees"),
        ((0, 1), [], "a row of finite numbers"),
        ((0, 3), [1.0], "numbered from 0 to 2"),
        ((0, 0), [1.0], "two different atoms"),
    ):
        with pytest.raises(ValueError, match=message):
            scan(water, hf, coordinate=coordinate, values=values)
    with pytest.raises(ValueError, match=r"held \(1, 2\) changes with the coordinate"):
        scan(water, hf, coordinate=(0, 1), values=[1.0], held=[(1, 2)])
    for relaxed in (True, False):
        with pytest.raises(ValueError, match=r"fixed is \[-1\]: atoms are numbered from 0 to 2"):
            scan(water, hf, coordinate=(0, 1), values=[1.0], fixed=[-1], relaxed=relaxed)
    with pytest.raises(TypeError, match="a stack of them, got list"):
        scan([water], hf, coordinate=(0, 1), values=[1.0])  # pyright: ignore[reportArgumentType]
