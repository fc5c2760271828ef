"""Extended .xyz and ASE: what is written comes back, and what contradicts itself is refused."""

import numpy as np
import pytest

import jaxsci as jsci

HEAD = 'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:forces:R:3 energy=-7.25'
ROWS = "Na 0 0 0 0.1 0 0\nCl 2 2 2 -0.1 0 0\n"


def file(tmp_path, head=HEAD, rows=ROWS):
    path = tmp_path / "a.xyz"
    path.write_text(f"2\n{head}\n{rows}")
    return path


def frame():
    rng = np.random.default_rng(0)
    atoms = jsci.atoms.Atoms(rng.normal(size=(3, 3)), ["O", "H", "H"], 9 * np.eye(3))
    stress = rng.normal(size=(3, 3))
    return jsci.atoms.Frame(
        atoms, -14.5, rng.normal(size=(3, 3)), stress + stress.T, rng.normal(size=3), {"charge": -1}
    )


def assert_same(a, b):
    np.testing.assert_array_equal(a.atoms.positions, b.atoms.positions)
    np.testing.assert_array_equal(a.atoms.numbers, b.atoms.numbers)
    np.testing.assert_array_equal(a.atoms.cell, b.atoms.cell)
    for name in ("energy", "forces", "stress", "magmoms"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_what_is_written_is_read_bit_by_bit(tmp_path):
    path = tmp_path / "a.xyz"
    molecule = jsci.atoms.Frame(jsci.atoms.Atoms([[0.0, 0, 0]], ["H"]), -13.6)
    jsci.atoms.write(path, [frame(), molecule])
    jsci.atoms.write(path, frame(), append=True)
    first, second, third = jsci.atoms.read(path)
    assert_same(first, frame())
    assert_same(third, frame())
    assert first.info["charge"] == -1
    assert second.atoms.cell is None and second.energy == -13.6 and second.forces is None


def test_ase_reads_ours_and_we_read_theirs(tmp_path):
    io = pytest.importorskip("ase.io")
    ours = frame()
    jsci.atoms.write(tmp_path / "ours.xyz", ours)
    theirs = io.read(tmp_path / "ours.xyz", format="extxyz")
    np.testing.assert_allclose(theirs.get_forces(), ours.forces)
    np.testing.assert_allclose(theirs.get_stress(voigt=False), ours.stress)
    io.write(tmp_path / "theirs.xyz", theirs, format="extxyz")
    (back,) = jsci.atoms.read(tmp_path / "theirs.xyz")
    np.testing.assert_allclose(back.forces, ours.forces, atol=1e-7)
    np.testing.assert_allclose(back.stress, ours.stress, atol=1e-7)
    np.testing.assert_allclose(jsci.atoms.from_ase(theirs).positions, ours.atoms.positions)


def test_a_virial_is_minus_volume_times_stress(tmp_path):
    (found,) = jsci.atoms.read(file(tmp_path, HEAD + ' virial="6.4 0 0 0 6.4 0 0 0 6.4"'))
    np.testing.assert_allclose(found.stress, -0.1 * np.eye(3))


def test_what_a_file_says_besides_comes_back(tmp_path):
    info = {
        "note": 'a "b" = \\c', "fixed": np.array([True, False, True]), "flag": False,
        "site": np.array(["a", "b", "c"]), "tag": np.array([3, 1, 2]), "spin": np.eye(3),
    }  # fmt: skip
    jsci.atoms.write(tmp_path / "a.xyz", frame()._replace(info=info))
    (found,) = jsci.atoms.read(tmp_path / "a.xyz")
    assert list(found.info) == ["note", "flag", "fixed", "site", "tag", "spin"]
    for name, value in info.items():
        np.testing.assert_array_equal(found.info[name], value)
        assert np.asarray(found.info[name]).dtype == np.asarray(value).dtype


@pytest.mark.parametrize(
    "text", ["0012", "12", "-1.5e3", "T", "1 2", " 7", "1_000", "nan", "{1 2}", 'a "1"', "\\", ""]
)
def test_text_comes_back_as_text(tmp_path, text):
    jsci.atoms.write(tmp_path / "a.xyz", frame()._replace(info={"name": text, "charge": 12}))
    assert jsci.atoms.read(tmp_path / "a.xyz")[0].info == {"name": text, "charge": 12}


def test_names_of_digits_are_text_and_numbers_in_quotes_are_numbers(tmp_path):
    entries = ' id=0012 run=2026_11 charge="-1" dipole="0 0.5 1" zero=0 half=0.5 step=[1, 2]'
    (found,) = jsci.atoms.read(file(tmp_path, HEAD + entries))
    assert (found.info["id"], found.info["run"]) == ("0012", "2026_11")
    assert (found.info["charge"], found.info["zero"], found.info["half"]) == (-1, 0, 0.5)
    np.testing.assert_array_equal(found.info["dipole"], [0, 0.5, 1])
    np.testing.assert_array_equal(found.info["step"], [1, 2])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("my key", 1.0, "'my key', which no file can hold"),
        ("2d", 1.0, "'2d', which no file can hold"),
        ("a:b", np.ones(3), "'a:b', which no file can hold"),
        ("energy", 1.0, "'energy', which a file has for the structure or a label"),
        ("virials", np.eye(3), "'virials', which a file has"),
        ("pbc", True, "'pbc', which a file has"),
        ("note", "a\nb", "has a line break"),
    ],
)
def test_what_would_not_come_back_is_not_written(tmp_path, name, value, message):
    with pytest.raises(ValueError, match=message):
        jsci.atoms.write(tmp_path / "a.xyz", frame()._replace(info={name: value}))
    assert not (tmp_path / "a.xyz").exists()


@pytest.mark.parametrize(
    ("pbc", "periodic"),
    [("", True), ("pbc=T", True), ('pbc="1 1 1"', True), ('pbc="f f f"', False),
     ("pbc=[False, False, False]", False)],
)  # fmt: skip
def test_a_cell_is_periodic_unless_the_file_says_otherwise(tmp_path, pbc, periodic):
    (found,) = jsci.atoms.read(file(tmp_path, f"{HEAD.replace('Lattice', 'lattice')} {pbc}"))
    assert (found.atoms.cell is not None) == periodic


def test_labels_may_have_other_names(tmp_path):
    path = file(tmp_path, HEAD.replace("energy", "REF_energy"))
    assert jsci.atoms.read(path)[0].energy is None
    (found,) = jsci.atoms.read(path, names={"energy": "REF_energy"})
    assert found.energy == -7.25
    with pytest.raises(ValueError, match="no entry or column 'E'"):
        jsci.atoms.read(path, names={"energy": "E"})


@pytest.mark.parametrize(
    ("head", "rows", "message"),
    [
        (HEAD + ' pbc="T T F"', ROWS, "periodic along some axes alone"),
        (HEAD + " energy_unit=Hartree", ROWS, "eV and Å are expected"),
        (HEAD + " unit_energy=Ha", ROWS, "eV and Å are expected"),
        (
            HEAD + ' virial="6.4 0 0 0 6.4 0 0 0 6.4" stress="16 0 0 0 16 0 0 0 16"',
            ROWS,
            "160.2 if it is in GPa",
        ),
        (HEAD + ' pbc="no"', ROWS, 'pbc must be "T T T" or "F F F"'),
        (HEAD + ' energy="1 2"', ROWS, "the energy must be one number"),
        (HEAD, "Na 0 0 0 0.1 0 0\nCl 2 2 2\n", "line 4: 7 columns expected, got 4"),
        (HEAD, "Na 0 0 0 0.1 0 0 7\nCl 2 2 2 0 0 0 7\n", "line 3: 7 columns expected, got 8"),
        (HEAD, "Na 0 0 0 0.1 0 0\nCl 2 2 x 0 0 0\n", "could not convert"),
        (HEAD, "Na 0 0 0 0.1 0 0\n", "2 atoms are announced, the file ends"),
        (HEAD, "Na 0 0 0 0.1 0 0\nQx 2 2 2 0 0 0\n", "no element has the symbol 'Qx'"),
        ("Properties=species:S:1:pos:R", ROWS, "Properties must be name:kind:columns"),
        ("Properties=species:S:1", ROWS, "Properties has no pos:R:3"),
        ('Lattice="1 2 3"', ROWS, "line 2: cannot reshape"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_line(tmp_path, head, rows, message):
    with pytest.raises(ValueError, match=message):
        jsci.atoms.read(file(tmp_path, head, rows))


def test_what_is_no_file_of_structures_is_named(tmp_path):
    (tmp_path / "empty.xyz").write_text("\n")
    with pytest.raises(ValueError, match="has no structure in it"):
        jsci.atoms.read(tmp_path / "empty.xyz")
    (tmp_path / "model.pth").write_bytes(b"\x80\x05pickle")
    with pytest.raises(ValueError, match="is not a text file in UTF-8"):
        jsci.atoms.read(tmp_path / "model.pth")


def test_units_that_are_assumed_are_said(tmp_path):
    """A number of formula units is none."""
    (found,) = jsci.atoms.read(file(tmp_path, HEAD + " formula_units=4"))
    assert found.info["formula_units"] == 4
    path = file(tmp_path, HEAD + ' stress="16 0 0 0 16 0 0 0 16"')
    with pytest.warns(UserWarning, match="reaches 16, which is taken for eV/Å³: if it is in GPa"):
        jsci.atoms.read(path)


def test_stresses_that_cannot_be_are_named():
    askew = frame()._replace(stress=np.arange(9.0).reshape(3, 3))
    with pytest.raises(ValueError, match="stress of structure 0 is not symmetric"):
        jsci.atoms.batch([askew], 3.0)
    molecule = jsci.atoms.Frame(jsci.atoms.Atoms([[0.0, 0, 0]], ["H"]), stress=np.eye(3))
    with pytest.raises(ValueError, match="structure 1 has a stress and no cell"):
        jsci.atoms.batch([frame(), molecule], 3.0)


def test_labels_that_are_not_finite_are_named():
    wrong = frame()._replace(energy=float("nan"))
    with pytest.raises(ValueError, match="energy of structure 1 is not finite"):
        jsci.atoms.batch([frame(), wrong], 3.0)
    with pytest.raises(ValueError, match=r"forces of structure 0 must have the shape \(3, 3\)"):
        jsci.atoms.batch([frame()._replace(forces=np.zeros((2, 3)))], 3.0)


def test_slabs_of_ase_are_refused():
    build = pytest.importorskip("ase.build")
    with pytest.raises(ValueError, match="periodic along some axes alone"):
        jsci.atoms.from_ase(build.fcc111("Cu", (1, 1, 2), vacuum=5.0))


def test_a_total_moment_is_an_entry_and_no_label(tmp_path):
    """As ASE writes it: "magmom" is that of the whole, and "magmoms" are those of the atoms."""
    text = '2\nProperties=species:S:1:pos:R:3 magmom=2.0 pbc="F F F"\nO 0 0 0\nO 0 0 1.2\n'
    path = tmp_path / "total.xyz"
    path.write_text(text)
    (frame,) = jsci.atoms.read(path)
    assert frame.magmoms is None and frame.info["magmom"] == 2.0
    jsci.atoms.write(path, [frame])
    assert jsci.atoms.read(path)[0].info == frame.info
