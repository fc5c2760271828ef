"""Molecules as chemists write them: texts, Z-matrices, ghosts, labels, bases by label, ASE."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft._basis.integrals import build_mole
from jaxsci.dft._system.inputs import geometry_of

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.7572, -0.4692)), ("H", (0.0, -0.7572, -0.4692))]
FLAT = "O 0 0 .1173; H 0 .7572 -.4692; H 0 -.7572 -.4692"


def mole(atoms, basis, **options):
    from pyscf import gto

    return gto.M(atom=atoms, basis=basis, verbose=0, **options)


@pytest.mark.parametrize(
    "text",
    [
        FLAT,
        FLAT.replace(";", "\n") + "\n",
        f"\n  # water\n{FLAT.replace(';', chr(10))}  # the last one\n",
        FLAT.replace(" ", ",").replace(";,", ";"),
        "8 0 0 0.1173; 1 0 7.572e-1 -.4692; h 0 -0.7572 -.4692;",
        "3\nwater\n" + FLAT.replace("; ", "\n"),
    ],
)
def test_the_same_water_however_it_is_written(text):
    assert geometry_of(text).atoms == WATER or text.startswith("8")
    ours = jsci.dft.molecule(text, "sto-3g", grid=0)
    assert abs(ours.overlap - mole(WATER, "sto-3g").intor("int1e_ovlp")).max() < 1e-13


def test_deuterium_is_hydrogen_and_says_so():
    with pytest.warns(UserWarning, match=r"atom 2: d is taken as hydrogen.*masses="):
        ours = jsci.dft.molecule(FLAT.replace("H 0 -", "d 0 -"), "sto-3g", grid=0)
    np.testing.assert_array_equal(ours.charges, [8, 1, 1])


def test_an_atom_whose_spin_was_forgotten_says_so():
    """The singlet of carbon is no part of an atomisation energy: Hund's rule has a triplet."""
    with pytest.warns(UserWarning, match="ground state of C has 2 unpaired .* give spin=2"):
        jsci.dft.molecule("C 0 0 0", "sto-3g", grid=0)
    with pytest.warns(UserWarning, match="ground state of O has 2 unpaired"):
        jsci.dft.molecules(["O 0 0 0"], "sto-3g", grid=0, workers=1)
    with pytest.warns(UserWarning, match="ground state of C has 2 unpaired"):
        jsci.dft.reference_energies([[("C", (0, 0, 0))]], "sto-3g", method="hf")
    for text, options in (("C 0 0 0", {"spin": 0}), ("Be 0 0 0", {}), ("C 0 0 0", {"charge": 2})):
        jsci.dft.molecule(text, "sto-3g", grid=0, **options)


def test_nuclei_that_are_nearer_than_in_any_molecule_say_so():
    with pytest.warns(UserWarning, match=r"atoms 0 \(H\) and 1 \(H\) are 0.074 apart.*unit"):
        jsci.dft.molecule("H 0 0 0; H 0 0 .074", "sto-3g", grid=0)


def test_one_atom_and_a_unit():
    helium = jsci.dft.molecule("He 0 0 1", "sto-3g", unit="bohr", grid=0)
    np.testing.assert_allclose(helium.coordinates, [[0, 0, 1]], atol=1e-15)


def test_a_z_matrix_is_that_of_pyscf():
    text = "O; O 1 1.45; H 1 .97 2 100; H 2 .97 1 100 3 115"
    peroxide = jsci.dft.molecule(text, "sto-3g", grid=0)
    np.testing.assert_allclose(peroxide.coordinates, mole(text, "sto-3g").atom_coords(), atol=1e-12)
    o, p, h, g = np.asarray(peroxide.coordinates)
    distances = [np.linalg.norm(x - y) * 0.52917721092 for x, y in ((o, p), (o, h), (p, g))]
    np.testing.assert_allclose(distances, [1.45, 0.97, 0.97], rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CCO", "'CCO' reads as SMILES, which has no coordinates"),
        ("c1ccccc1", "reads as SMILES"),
        ("[Na+].[Cl-]", "reads as SMILES"),
        ("H 0 0 0 H 0 0 1;", "atom 0: expected 'symbol x y z', got 'H 0 0 0 H 0 0 1'"),
        ("H 0 0 0; H 0 0 one", "atom 1: expected 'symbol x y z'"),
        ("H 0 0 0; Q 0 0 1", "atom 1: unknown element 'Q'"),
        ("H 0 0 0; ghost-Q 0 0 1", "atom 1: the ghost 'ghost-Q' needs a known element"),
        ("H 0 0 0; @Xx 0 0 1", "atom 1: the ghost '@Xx' needs a known element"),
        ("O; H 1 r", "line 2 of the Z-matrix: expected 'symbol bond r'"),
        ("O; H 1 .96; H 1 .96 2", "line 3 of the Z-matrix: expected 'symbol bond r angle a'"),
        ("O; H 2 .96", "line 2 of the Z-matrix: its atoms are different ones above it"),
        ("O; H 1 .96; H 1 .96 1 104", "line 3 of the Z-matrix: its atoms are different"),
        ("2\ncharge=one\nH 0 0 0\nH 0 0 1", "the text, line 2: charge is a whole number"),
        ("1\nspin=1 multiplicity=3\nH 0 0 0\n", "spin=1 and multiplicity=3 contradict"),
    ],
)
def test_what_cannot_be_read_is_explained(text, message):
    with pytest.raises(ValueError, match=message):
        jsci.dft.molecule(text, "sto-3g", grid=0)


@pytest.mark.parametrize("ghost", ["ghost-O", "GhostO", "X-O", "x_o", "@O", "Gh(O)", "ghost-O1"])
def test_a_ghost_has_functions_and_points_without_nucleus_or_electrons(ghost):
    from pyscf.scf import hf

    ours = jsci.dft.molecule(f"He 0 0 0; {ghost} 0 0 2", "sto-3g", grid=0)
    theirs = mole("He 0 0 0; ghost-O 0 0 2", "sto-3g")
    assert ours.charges.tolist() == [2, 0] and ours.electrons.tolist() == [1, 1]
    np.testing.assert_allclose(ours.core_hamiltonian, hf.get_hcore(theirs), atol=1e-13)
    of_atoms = jsci.dft.molecule("He 0 0 0; O 0 0 2", "sto-3g", grid=0).grid
    np.testing.assert_array_equal(ours.grid.owner, of_atoms.owner)
    np.testing.assert_array_equal(ours.grid.size_adjustment, of_atoms.size_adjustment)


def test_counterpoise_by_texts_equals_pyscf():
    """The interaction of two hydrogen molecules, PBE, each also among the other's functions."""
    from pyscf import dft

    pbe = jsci.dft.xc("pbe")
    a, b = "H 0 0 0; H 0 0 .74; ", "H 0 3 0; H .2 3.7 .1; "
    texts = [a + b, a + b.replace("H", "@H"), a.replace("H", "ghost-H") + b]

    def theirs(text):
        field = dft.RKS(mole(text.replace("@H", "ghost-H"), "6-31g**"), xc="pbe")
        field.grids.level, field.conv_tol = 0, 1e-12
        with np.errstate(all="ignore"):
            return field.kernel()

    ours = [jsci.dft.scf(jsci.dft.molecule(t, "6-31g**", grid=0), pbe).energy for t in texts]
    expected = [theirs(t) for t in texts]
    assert abs((ours[0] - ours[1] - ours[2]) - (expected[0] - expected[1] - expected[2])) < 1e-8


def test_each_label_has_the_basis_that_is_said_of_it():
    basis = {"default": "sto-3g", "H2": "6-31g", "ghost-O": "unc-sto-3g", "ghost-O7": "sto-3g"}
    text = "O 0 0 .12; H1 0 .76 -.47; H2 0 -.76 -.47; ghost-O 0 0 3; X-O7 0 0 -3"
    ours = jsci.dft.molecule(text, basis, grid=0)
    count = np.bincount(np.asarray(ours.basis.atom), minlength=5)
    assert count.tolist() == [5, 1, 2, mole("ghost-O 0 0 0", "unc-sto-3g").nao, 5]
    assert count[3] > 5
    assert ours.charges.tolist() == ours.libcint.elements.tolist() == [8, 1, 1, 0, 0]


def test_each_label_has_the_core_potential_of_its_basis():
    text = "I 0 0 0; I1 0 0 4; @I 0 0 8"
    ours = jsci.dft.molecule(text, {"default": "def2-svp", "I1": "lanl2dz"}, grid=0)
    assert ours.charges.tolist() == [25, 7, 0]
    assert np.unique(np.asarray(ours.libcint.ecpbas)[:, 0]).tolist() == [0, 1]


def test_even_tempered_functions_and_labels_change_no_energy():
    from pyscf import gto, scf

    basis = {"H": gto.expand_etbs([(0, 4, 0.1, 3.0)])}
    ours = jsci.dft.molecule("H1 0 0 0; H2 0 0 .74", basis, grid=0)
    field = scf.RHF(mole("H 0 0 0; H 0 0 .74", basis)).set(conv_tol=1e-12)
    assert abs(jsci.dft.scf(ours, jsci.dft.xc("hf")).energy - field.kernel()) < 1e-9


def test_names_of_the_basis_set_exchange_where_it_is_installed():
    exchange = pytest.importorskip("basis_set_exchange")
    ours = build_mole([("O", (0, 0, 0))], "aug-pcseg-1", 0, 2, "bohr")
    shells = exchange.get_basis("aug-pcseg-1", elements=["O"])["elements"]["8"]["electron_shells"]
    lengths = [(2 * s["angular_momentum"][0] + 1) * len(s["coefficients"]) for s in shells]
    assert ours.nao == sum(lengths)
    assert build_mole([("O", (0, 0, 0))], "unc-aug-pcseg-1", 0, 2, "bohr").nao > ours.nao


def test_without_the_basis_set_exchange_its_names_say_what_to_install(monkeypatch):
    pytest.importorskip("pyscf")
    from pyscf.gto.basis import bse

    monkeypatch.setattr(bse, "basis_set_exchange", None)
    monkeypatch.setitem(sys.modules, "basis_set_exchange", None)
    with pytest.raises(ValueError, match=r"no basis 'may-cc-pvdz'.*pip install basis-set-exchange"):
        jsci.dft.molecule("He 0 0 0", "may-cc-pvdz", grid=0)


@pytest.mark.parametrize(
    ("comment", "electrons"),
    [
        ("charge=1 spin=1", [2, 1]),
        ("Charge = 1, multiplicity=2", [2, 1]),
        ('energy=-3 charge="1" multiplicity=4 name=x', [3, 0]),
        ("charge=-2.0", [3, 3]),
    ],
)
def test_charge_and_spin_stand_in_the_comment_of_a_file(tmp_path, comment, electrons):
    path = tmp_path / "hydride.xyz"
    atoms = "H 0 0 0\nLi 0 0 1\n"
    path.write_text(f"2\n{comment}\n{atoms}2\n\n{atoms}")
    first, second = jsci.dft.molecules(path, "6-31g", grid=0)
    assert first.electrons.tolist() == electrons and second.electrons.tolist() == [2, 2]
    assert jsci.dft.molecule(path, "6-31g", grid=0).electrons.tolist() == electrons
    mine = jsci.dft.molecule(path, "6-31g", charge=0, spin=0, grid=0)
    assert mine.electrons.tolist() == [2, 2]


def test_an_unreadable_charge_matters_only_where_it_is_used(tmp_path):
    path = tmp_path / "he.xyz"
    path.write_text("1\ncharge=neutral\nHe 0 0 0\n")
    assert jsci.dft.read_xyz(path) == [("He", (0.0, 0.0, 0.0))]
    with pytest.raises(ValueError, match="line 2: charge is a whole number, got 'neutral'"):
        jsci.dft.molecule(path, "sto-3g", grid=0)


def test_atoms_of_ase_bring_their_positions_charge_and_spin():
    ase = pytest.importorskip("ase")
    water = ase.Atoms("OH2", [x for _, x in WATER])
    assert geometry_of(water).atoms == WATER
    in_bohr = jsci.dft.molecule(water, "sto-3g", unit="bohr", grid=0)
    np.testing.assert_allclose(in_bohr.coordinates, mole(WATER, "sto-3g").atom_coords(), atol=1e-12)
    cation = ase.Atoms("OH2", [x for _, x in WATER], info={"charge": 1, "multiplicity": 2})
    assert geometry_of(cation)[1:] == (1, 1)
    oxygen = ase.Atoms("O2", [(0, 0, 0), (0, 0, 1.2)], magmoms=[1, 1], charges=[0.5, -0.5])
    assert geometry_of(oxygen)[1:] == (None, 2)
    with pytest.raises(ValueError, match="the atoms: spin is a whole number, got 1.5"):
        geometry_of(ase.Atoms("H", [(0, 0, 0)], magmoms=[1.5]))
    with pytest.raises(ValueError, match="the atoms are periodic"):
        geometry_of(ase.Atoms("He", [(0, 0, 0)], cell=[9, 9, 9], pbc=True))
    with pytest.raises(ValueError, match="atomic number 0 is unknown"):
        geometry_of(ase.Atoms("X", [(0, 0, 0)]))


def test_arrays_of_positions_and_numbers_are_atoms():
    given = SimpleNamespace(positions=np.array([[0.0, 0, 1]]), numbers=np.array([2]))
    assert geometry_of(given).atoms == [("He", (0.0, 0.0, 1.0))]
    given.cell = np.eye(3)
    with pytest.raises(ValueError, match="periodic"):
        geometry_of(given)
