"""Charges, bonds, and densities in space: against PySCF, or their definitions in NumPy."""

import dataclasses
import inspect
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import jaxsci as jsci
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM

pytest.importorskip("pyscf")

HF = jsci.dft.xc("hf")
# Turned, so that no component vanishes.
WATER = "O .1 .2 .1; H .3 .9 -.5; H -.2 -.6 -.4"
RADICAL = "O .1 .2 .1; H .3 .9 -.5"


def solved(text, basis="sto-3g", **options):
    m = jsci.dft.molecule(text, basis, grid=0, **options)
    return m, jsci.dft.scf(m, HF, tolerance=1e-12)


@pytest.fixture(scope="module")
def water():
    return solved(WATER)


@pytest.fixture(scope="module")
def radical():
    return solved(RADICAL, spin=1)


def by_atom(molecule, values):
    return np.array([values[np.asarray(molecule.basis.atom) == a].sum() for a in range(3)])


def test_loewdin_charges_and_wiberg_bonds_are_those_of_orthogonal_functions(water, radical):
    for (m, r), bonds in ((water, 2), (radical, 1)):
        root = np.real(scipy.linalg.sqrtm(np.asarray(m.overlap)))
        p = np.asarray(r.density_matrix)
        spins = np.stack([p / 2, p / 2]) if p.ndim == 2 else p
        orthogonal = root @ spins @ root
        electrons = np.diagonal(orthogonal.sum(0))
        atom = np.asarray(m.basis.atom)
        charges = np.asarray(m.charges) - np.bincount(atom, electrons)
        np.testing.assert_allclose(jsci.dft.loewdin_charges(m, r), charges, atol=1e-10)
        found = jsci.dft.wiberg_bond_orders(m, r)
        expected = 2 * (orthogonal[:, atom == 0][:, :, atom == 1] ** 2).sum()
        np.testing.assert_allclose(found[0, 1], expected, rtol=1e-10)
        assert 0.8 < float(found[0].sum()) / bonds < 1.1 and not np.diagonal(found).any()
        np.testing.assert_allclose(found, found.T, atol=1e-14)


def test_loewdin_charges_have_derivatives_where_the_overlap_is_degenerate():
    """Ammonia in its symmetric place: eigenvalues of S come in pairs."""
    side = [(np.cos(a), np.sin(a), 0.3) for a in 2 * np.pi / 3 * np.arange(3)]
    m, r = solved([("N", (0, 0, 0)), *[("H", x) for x in side]])

    def charge(overlap):
        moved = dataclasses.replace(m, overlap=overlap)
        return jsci.dft.loewdin_charges(moved, r)[0]

    change = np.random.default_rng(0).normal(size=m.overlap.shape)
    change, h = change + change.T, 1e-6
    slope = jax.jvp(charge, (m.overlap,), (jnp.asarray(change),))[1]
    difference = (charge(m.overlap + h * change) - charge(m.overlap - h * change)) / (2 * h)
    np.testing.assert_allclose(slope, difference, rtol=1e-7)


def test_mayer_bonds_and_spins_are_those_of_the_definitions(water, radical):
    m, r = water
    ps = np.asarray(r.density_matrix) @ np.asarray(m.overlap)
    atom = np.asarray(m.basis.atom)
    expected = (ps[atom == 0][:, atom == 2] * ps[atom == 2][:, atom == 0].T).sum()
    found = jsci.dft.mayer_bond_orders(m, r)
    np.testing.assert_allclose(found[0, 2], expected, rtol=1e-12)
    assert 0.9 < found[0, 1] < 1.05 and abs(found[1, 2]) < 0.05
    nitrogen = solved("N 0 0 0; N 0 0 1.1")
    assert abs(jsci.dft.mayer_bond_orders(*nitrogen)[0, 1] - 3) < 0.05
    m, r = radical
    a, b = np.asarray(r.density_matrix)
    spins = np.bincount(np.asarray(m.basis.atom), np.diagonal((a - b) @ np.asarray(m.overlap)))
    np.testing.assert_allclose(jsci.dft.spin_populations(m, r), spins, atol=1e-12)
    assert abs(spins.sum() - 1) < 1e-10 and spins[0] > 0.9
    assert not jsci.dft.spin_populations(*water).any()
    # In both spins a closed shell has the bonds of its total density.
    both = jnp.stack([water[1].density_matrix / 2] * 2)
    np.testing.assert_allclose(
        jsci.dft.mayer_bond_orders(water[0], both), found, rtol=1e-12, atol=1e-14
    )


def test_hirshfeld_charges_are_shares_of_free_atoms(water):
    """By PySCF's values of the densities on its own grid."""
    from pyscf import scf
    from pyscf.dft import gen_grid, numint

    m, r = water
    mol = jsci.dft.to_pyscf(m, HF, r).mol
    grids = gen_grid.Grids(mol)
    grids.level = 0
    grids.build()
    chi = numint.eval_ao(mol, grids.coords)
    rho = np.einsum("gi,ij,gj->g", chi, np.asarray(r.density_matrix), chi)
    with warnings.catch_warnings(action="ignore"):
        blocks = scf.hf.init_guess_by_atom(mol)
    free = np.stack(
        [
            np.einsum("gi,ij,gj->g", chi[:, i:j], blocks[i:j, i:j], chi[:, i:j])
            for _, _, i, j in mol.aoslice_by_atom()
        ]
    )
    expected = mol.atom_charges() - (free / (free.sum(0) + 1e-300)) @ (rho * grids.weights)
    found = jsci.dft.hirshfeld_charges(m, r)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # The shares add up to all of the density, as the grid has it.
    assert abs(found.sum() - (10 - rho @ grids.weights)) < 1e-8 and found[0] < -0.1


def test_density_orbitals_and_potential_equal_pyscf(water, tmp_path):
    from pyscf.tools import cubegen

    m, r = water
    mol = jsci.dft.to_pyscf(m, HF, r).mol
    points = jsci.dft.cube(m, spacing=1.1, margin=2.0)
    shape = points.shape[:3]
    low = np.asarray(m.coordinates).min(axis=0) - 2.0
    np.testing.assert_allclose(points[0, 0, 0], low, atol=1e-12)
    density = np.asarray(r.density_matrix)
    path = str(tmp_path / "theirs.cube")
    sizes = dict(zip(("nx", "ny", "nz"), shape, strict=True)) | {"margin": 2.0}
    expected = cubegen.density(mol, path, density, **sizes)
    found = jsci.dft.density_at(m, r, points)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    of_transitions = 2 * np.triu(density) - np.diag(np.diag(density))  # not symmetric, the same sum
    np.testing.assert_allclose(
        jsci.dft.density_at(m, jnp.asarray(of_transitions), points), expected, atol=1e-10
    )
    orbital = cubegen.orbital(mol, path, np.asarray(r.orbitals)[:, 3], **sizes)
    np.testing.assert_allclose(
        jsci.dft.orbitals_at(m, r.orbitals[:, 3], points), orbital, atol=1e-10
    )
    both = jsci.dft.orbitals_at(m, r.orbitals[:, 2:4], points)
    np.testing.assert_allclose(both[..., 1], orbital, atol=1e-10)
    potential = cubegen.mep(mol, path, density, **sizes)
    np.testing.assert_allclose(jsci.dft.potential_at(m, r, points), potential, atol=1e-9)


def test_cube_files_are_read_by_pyscf(water, tmp_path):
    from pyscf.tools.cubegen import Cube

    m, r = water
    points = jsci.dft.cube(m, spacing=1.3, margin=2.0)
    density = jsci.dft.density_at(m, r, points)
    path = tmp_path / "density.cube"
    jsci.dft.write_cube(path, m, points, density, comment="density\nof water")
    mol = jsci.dft.to_pyscf(m, HF, r).mol
    reader = Cube(mol, *points.shape[:3])
    np.testing.assert_allclose(reader.read(str(path)), density, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(reader.mol.atom_coords(), m.coordinates, atol=1e-6)
    assert reader.mol.atom_charges().tolist() == [8, 1, 1]
    assert len(path.read_text().splitlines()[1:2][0]) == len("density of water")
    step = np.array([float(x) for x in path.read_text().splitlines()[3].split()[1:]])
    np.testing.assert_allclose(step, points[1, 0, 0] - points[0, 0, 0], atol=1e-6)
    with pytest.raises(ValueError, match="points are not evenly spaced"):
        jsci.dft.write_cube(path, m, points**2, density)
    with pytest.raises((ValueError, TypeError)):
        jsci.dft.write_cube(path, m, points, density[0])


def test_chelpg_charges_are_the_nearest_to_the_potential(water):
    m, r = water
    q = jsci.dft.chelpg_charges(m, r)
    assert abs(q.sum()) < 1e-10 and q[0] < -0.3
    np.testing.assert_allclose(q[1], q[2], atol=0.05)
    # They give most of the dipole moment, and no others on these points fit better.
    moment = np.asarray(q) @ np.asarray(m.coordinates)
    exact = np.asarray(jsci.dft.dipole(m, r))
    assert np.linalg.norm(moment - exact) < 0.05 * np.linalg.norm(exact)
    from jaxsci.dft._properties._analysis.esp import _points

    points = _points(np.asarray(m.coordinates), np.array([8, 1, 1]))
    nearest = np.linalg.norm(points[:, None] - np.asarray(m.coordinates), axis=-1)
    assert nearest.min(axis=1).max() <= 2.8 / BOHR_IN_ANGSTROM
    assert nearest[:, 0].min() > 1.5 / BOHR_IN_ANGSTROM
    potential = np.asarray(jsci.dft.potential_at(m, r, jnp.asarray(points)))
    misfit = lambda q: np.sum((potential - (q / nearest).sum(axis=1)) ** 2)  # noqa: E731
    for change in ([0.01, -0.01, 0], [0, 0.01, -0.01], [-0.02, 0.01, 0.01]):
        assert misfit(np.asarray(q)) < misfit(np.asarray(q) + change)


def test_an_ion_and_ghosts_keep_their_charge():
    m, r = solved("Li 0 0 0; @H 0 0 1.6", charge=1)
    for charges in (jsci.dft.loewdin_charges, jsci.dft.chelpg_charges, jsci.dft.hirshfeld_charges):
        q = charges(m, r)
        assert abs(q.sum() - 1) < 2e-3
    assert float(jsci.dft.hirshfeld_charges(m, r)[1]) == 0
    assert float(jsci.dft.chelpg_charges(m, r)[1]) == 0


def test_padding_changes_nothing(radical):
    m, r = radical
    batch = jsci.dft.stack([m, jsci.dft.molecule(WATER, "sto-3g", charge=1, spin=1, grid=0)])
    density = jnp.stack([jnp.pad(r.density_matrix, ((0, 0), (0, 1), (0, 1)))] * 2)
    points = jnp.array([[0.3, 0.2, 1.0]])
    for f in (
        jsci.dft.loewdin_charges,
        jsci.dft.hirshfeld_charges,
        jsci.dft.spin_populations,
        lambda m, p: jsci.dft.mayer_bond_orders(m, p)[0],
        lambda m, p: jsci.dft.wiberg_bond_orders(m, p)[0],
        lambda m, p: jsci.dft.density_at(m, p, points),
        lambda m, p: jsci.dft.potential_at(m, p, points),
    ):
        alone, padded = f(m, r), jsci.vmap(f)(batch, density)[0]
        np.testing.assert_allclose(padded[: len(alone)], alone, atol=1e-9)
        assert not np.asarray(padded[len(alone) :]).any()


def test_bad_input_is_explained(water):
    m, r = water
    with pytest.raises(ValueError, match=r"orbitals have shape \(3, 3\); allowed"):
        jsci.dft.orbitals_at(m, jnp.eye(3), jnp.zeros((1, 3)))
    with pytest.raises(TypeError, match="result.orbitals"):
        inspect.unwrap(jsci.dft.orbitals_at)(m, r, jnp.zeros((1, 3)))
    with pytest.raises(ValueError, match="density_matrix has shape"):
        jsci.dft.wiberg_bond_orders(m, jnp.eye(3))
    with pytest.raises(ValueError, match="spacing and margin are positive"):
        jsci.dft.cube(m, spacing=0)
    with pytest.raises(ValueError, match=r"chelpg_charges\(\) takes one molecule, got a batch"):
        jsci.dft.chelpg_charges(jsci.dft.stack([m, m]), r)
