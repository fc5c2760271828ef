"""Building molecules: input of every kind, basis functions and grids against PySCF, bad input."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.core._run import memory
from jaxsci.dft._basis import functions as basis, grid, libcint

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.7572, -0.4692)), ("H", (0.0, -0.7572, -0.4692))]
XYZ = "3\nwater\n" + "\n".join(f"{s} {x} {y} {z}" for s, (x, y, z) in WATER) + "\n"


def mole(atoms, basis_name, **options):
    from pyscf import gto

    return gto.M(atom=atoms, basis=basis_name, verbose=0, **options)


@pytest.mark.parametrize(
    ("atoms", "name", "cart"),
    [
        (WATER, "cc-pvtz", False),
        (WATER, "6-31g*", True),
        ([("I", (0.1, 0.2, 0.3))], "def2-svp", False),
    ],
)
def test_basis_functions_equal_libcint(atoms, name, cart):
    mol = mole(atoms, name, cart=cart, spin=None)
    points = np.random.default_rng(0).normal(size=(50, 3)) * 2
    ours = jax.jit(lambda b, x, p: basis.evaluate(b, x, p, gradient=True))(
        basis.from_mole(mol), jnp.asarray(mol.atom_coords()), jnp.asarray(points)
    )
    theirs = mol.eval_gto("GTOval_cart_deriv1" if cart else "GTOval_sph_deriv1", points)
    np.testing.assert_allclose(ours, theirs.transpose(0, 2, 1), atol=1e-12)


def test_gradient_of_basis_functions_is_their_derivative():
    mol = mole(WATER, "cc-pvdz")
    b, x = basis.from_mole(mol), jnp.asarray(mol.atom_coords())
    point = jnp.array([0.3, -0.2, 0.5])
    jacobian = jax.jit(
        jax.jacfwd(lambda p: basis.evaluate(b, x, p[None], gradient=False)[0, :, 0])
    )(point)
    given = basis.evaluate(b, x, point[None], gradient=True)[1:, :, 0]
    np.testing.assert_allclose(given.T, jacobian, atol=1e-12)


def test_nuclei_of_finite_size_and_symmetry_come_with_a_mole():
    from pyscf.scf import hf

    given = mole(WATER, "sto-3g", nucmod="G", symmetry=True)
    found = jsci.dft.molecule(given, grid=0)
    rebuilt = libcint.to_mole(found.libcint, np.asarray(found.coordinates), 3)
    np.testing.assert_array_equal(found.coordinates, given.atom_coords())
    np.testing.assert_allclose(hf.get_hcore(rebuilt), hf.get_hcore(given), atol=1e-13)
    assert abs(hf.get_hcore(given) - hf.get_hcore(mole(WATER, "sto-3g"))).max() > 1e-9


def test_grid_equals_pyscf():
    from pyscf.dft import gen_grid

    mol = mole(WATER, "sto-3g")
    theirs: Any = gen_grid.Grids(mol)
    theirs.level = 1
    theirs.build(sort_grids=False)
    points, weights = grid.points_and_weights(
        grid.from_mole(mol, 1), jnp.asarray(mol.atom_coords()), jnp.ones(3, bool)
    )
    n = weights.size  # PySCF adds points of no weight
    np.testing.assert_allclose(points, theirs.coords[:n], atol=1e-13)
    np.testing.assert_allclose(weights, theirs.weights[:n], rtol=1e-11, atol=1e-13)


def test_an_atom_that_only_fills_up_a_batch_takes_no_part_of_space():
    """Wherever it stands: here in the middle of the others."""
    mol = mole(WATER, "sto-3g")
    alone, places = grid.from_mole(mol, 0), jnp.asarray(mol.atom_coords())
    more = dataclasses.replace(alone, size_adjustment=jnp.pad(alone.size_adjustment, (0, 1)))
    among = jnp.concatenate([places, places.mean(axis=0, keepdims=True)])
    expected = grid.points_and_weights(alone, places, jnp.ones(3, bool))
    found = grid.points_and_weights(more, among, jnp.arange(4) < 3)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)
    real = grid.points_and_weights(more, among, jnp.ones(4, bool))
    assert abs(real[1] - expected[1]).max() > 0.1 * expected[1].max()


def test_same_molecule_from_list_file_and_mole(tmp_path):
    path = tmp_path / "water.xyz"
    path.write_text(XYZ)
    given = [
        jsci.dft.molecule(WATER, "sto-3g", grid=0),
        jsci.dft.molecule(path, "sto-3g", grid=0),
        jsci.dft.molecule(str(path), "sto-3g", grid=0),
        jsci.dft.molecule(mole(WATER, "sto-3g"), grid=0),
    ]
    # PySCF orders libcint's tables as Python orders a set, which another Mole may do otherwise.
    physics = [dataclasses.replace(m, libcint=None) for m in given]
    for other in physics[1:]:
        for a, b in zip(jax.tree.leaves(physics[0]), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(a, b)
    assert "atoms=3, nao=7" in repr(given[0])


def test_every_frame_of_a_file(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text(XYZ + "1\nhelium\nHe 0 0 1\n\n")
    first, second = jsci.dft.read_xyz_frames(path)
    assert first == WATER == jsci.dft.read_xyz(path)
    assert second == [("He", (0.0, 0.0, 1.0))]
    path.write_text(XYZ + "2\nhelium\nHe 0 0 1\n")
    with pytest.raises(ValueError, match="line 6: announces 2 atoms, but only 1"):
        jsci.dft.read_xyz_frames(path)


def test_heavy_element_gets_its_core_potential():
    iodine = jsci.dft.molecule([("I", (0.0, 0.0, 0.0))], "def2-svp", spin=1, grid=0)
    assert float(iodine.charges[0]) == 25
    assert iodine.electrons.tolist() == [13, 12]


def test_density_fitting_reproduces_integrals():
    exact = jsci.dft.molecule(WATER, "sto-3g", grid=0)
    fitted = jsci.dft.molecule(WATER, "sto-3g", grid=0, density_fit=True)
    assert exact.fit is None and exact.repulsion is not None
    assert fitted.repulsion is None and fitted.fit is not None
    np.testing.assert_allclose(fitted.fit.T @ fitted.fit, exact.repulsion, atol=2e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("three\n\n", "line 1: expected the number of atoms, got 'three'"),
        ("3\n\nO 0 0 0\nH 0 0 1\n", "line 1: announces 3 atoms, but only 2"),
        ("1\n\nO 0 0 0\nH 0 0 1\n", "line 4: more atoms than the 1"),
        ("2\n\nO 0 0 0\nH 0 zero 1\n", "line 4: expected 'symbol x y z', got 'H 0 zero 1'"),
        ("2\n\nO 0 0 0\nXq 0 0 1\n", "line 4: unknown element 'Xq'"),
        ("", "line 1: expected the number of atoms"),
    ],
)
def test_bad_xyz_names_the_line(tmp_path, text, message):
    path = tmp_path / "bad.xyz"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        jsci.dft.molecule(path, "sto-3g")


@pytest.mark.parametrize(
    ("atoms", "options", "message"),
    [
        ([("H", (0, 0, 0))], {}, "1 electrons cannot have spin=0.*allowed are 1, 3"),
        ([("He", (0, 0, 0))], {"spin": 4}, "2 electrons cannot have spin=4"),
        ([("H", (0, 0, 0))], {"charge": 2}, "charge=2 leaves -1 of the 1 electrons"),
        ([("He", (0, 0, 0)), ("He", (0, 0, 0))], {}, "atoms 0 .* and 1 .* are at one point"),
        ([("Zz", (0, 0, 0))], {}, "atom 0: unknown element 'Zz'"),
        ([("He", (0, 0, float("nan")))], {}, "atom 0: its position is three finite numbers"),
        ([("He",)], {}, "atom 0: expected .symbol, .x, y, z.."),
        ((["H", "H"], np.eye(2, 3)), {}, "Two lists become one by zip.symbols, positions."),
        ([("He", (0, 0, 0))], {"spin": 0.5}, "spin is a whole number"),
        ([("He", (0, 0, 0))], {"density_fit": "no-fit"}, "no auxiliary basis 'no-fit' for He"),
        ([("He", (0, 0, 0))], {"unit": "nm"}, "allowed are 'angstrom' and 'bohr'"),
        ([("He", (0, 0, 0))], {"grid": 12}, "a level from 0 to 9, got 12"),
        ([], {}, "at least one atom"),
    ],
)
def test_bad_molecules_are_explained(atoms, options, message):
    with pytest.raises(ValueError, match=message):
        jsci.dft.molecule(atoms, "sto-3g", **options)


def test_bad_basis_file_and_mole():
    with pytest.raises(ValueError, match="no basis 'def2-svpp' for O"):
        jsci.dft.molecule([("O", (0, 0, 0))], "def2-svpp", spin=2)
    with pytest.raises(ValueError, match="give a basis"):
        jsci.dft.molecule([("He", (0, 0, 0))])
    with pytest.raises(FileNotFoundError, match=r"no such .xyz file"):
        jsci.dft.molecule("nowhere.xyz", "sto-3g")
    with pytest.raises(ValueError, match="brings its own basis"):
        jsci.dft.molecule(mole(WATER, "sto-3g"), "def2-svp")


def test_an_edited_basis_file_is_read_again(tmp_path):
    path = tmp_path / "own.dat"
    for exponent in (0.5, 1.5):
        path.write_text(f"BASIS SPHERICAL\nHe    S\n      {exponent}  1.0\nEND\n")
        found = jsci.dft.molecule([("He", (0, 0, 0))], str(path), grid=0)
        assert float(found.basis.shells[0].exponents[0, 0]) == exponent


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        ({"He": "sto-3g"}, "no functions for Na: add them, or a 'default'"),
        (
            {"He1": "sto-3g", "default": "sto-3g"},
            "names He1, and no atom has that label: the atoms are He, Na",
        ),
        ({"Hx": "sto-3g", "default": "sto-3g"}, "basis: unknown element 'Hx'"),
        ({"default": "sto-3", "He": "sto-3g"}, "no basis 'sto-3' for Na"),
        ({"default": ["lanl2dz", "stuttgart"]}, "joins sets with different core potentials"),
        # Valence functions of their own, and no potential in place of the core.
        ({"He": "sto-3g", "Na": [[0, [0.5, 1.0]], [0, [0.05, 1.0]]]}, "inner shell are missing"),
        ({"He": "sto-3g", "Na": [[1, [200.0, 1.0]]]}, "inner shell are missing"),
    ],
)
def test_bad_bases_by_element_are_explained(basis, message):
    atoms = [("He", (0, 0, 0)), ("Na", (0, 0, 3))]
    with pytest.raises(ValueError, match=message):
        jsci.dft.molecule(atoms, basis, charge=1, grid=0)


def test_what_a_mole_has_beyond_a_molecule_is_refused_or_warned_of():
    helium = mole("He 0 0 0", "sto-3g")
    helium.set_range_coulomb(0.3)
    with pytest.raises(ValueError, match="range separation of 0.3, which would enter all"):
        jsci.dft.molecule(helium, grid=0)
    with pytest.raises(ValueError, match="has 0 electrons"):
        jsci.dft.molecule(mole("ghost-He 0 0 0", "sto-3g"), grid=0)
    with pytest.warns(UserWarning, match="magmom=.* is not used"):
        jsci.dft.molecule(mole("H 0 0 0; H 0 0 3", "sto-3g", magmom=[1, -1]), grid=0)


def test_the_memory_of_a_container_is_what_a_molecule_may_take(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("1024\n")
    monkeypatch.setattr(memory, "_LIMITS", (str(limit),))
    with pytest.raises(ValueError, match="this machine has 0.0"):
        jsci.dft.molecule([("He", (0.0, 0.0, 0.0))], "sto-3g", grid=0)


def test_too_much_memory_is_refused_before_the_work():
    chain = [("He", (0.0, 0.0, 2.0 * i)) for i in range(400)]
    with pytest.raises(ValueError, match=r"need about .* GiB, and this machine has .*Use"):
        jsci.dft.molecule(chain, "cc-pvqz", grid=0, density_fit=False)
