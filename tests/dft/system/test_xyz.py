"""Reading .xyz files: what is read is what the file says, or the line that is wrong is named."""

import numpy as np
import pytest

from jaxsci.dft import molecule, molecules, read_xyz, read_xyz_frames, stack, write_xyz

H2 = [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.7))]


def written(tmp_path, content):
    path = tmp_path / "atoms.xyz"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "2\n\nH 0 0 0\nH 0 0 0.7",
        "2\n\nH 0 0 0 0.1\nH 0 0 0.7 -0.1\n",  # charges
        "2\n\nH 0 0 0 0.1 0.2 0.3\nH 0 0 0.7 -0.1 -0.2 -0.3\n\n",  # forces
        "2\n\n1 0 0 0\n1 0 0 .7\n",
        "\ufeff2\r\nby an editor\r\nH 0 0 0\r\nH 0 0 7e-1\r\n",
        "2\npage\x0cof a \x85 \u2028printer\nH 0 0 0\nH 0 0 0.7\n",
        "2\nin Ångström\nH 0 0 0\nH 0 0 0.7\n".encode("latin-1"),
        "2\nProperties=id:I:1:species:S:1:pos:R:3\n1 H 0 0 0\n2 H 0 0 0.7\n",
        '2\nproperties="forces:R:3:pos:R:3:species:S:1" pbc="F F F"\n'
        "9 9 9 0 0 0 H\n9 9 9 0 0 0.7 H\n",
        '2\nLattice="9 0 0 0 9 0 0 0 9" pbc="F F F" E = 1\nH 0 0 0\nH 0 0 0.7\n',
    ],
)
def test_the_same_molecule_however_it_is_written(tmp_path, content):
    assert read_xyz(written(tmp_path, content)) == H2


FIRST = "2\n\nH 0 0 0\nH 0 0 0.7\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("2\n\nH 0 0 0\nH 0 0 nan\n", "line 4: expected 'symbol x y z', got 'H 0 0 nan'"),
        ("2\n\nH 0 -inf 0\nH 0 0 1\n", "line 3: expected 'symbol x y z'"),
        ("2\n\nH 0 0 0\nH 0 0 1e999\n", "line 4: expected 'symbol x y z'"),
        ("2\n\nH 0 0 0\nH 0 0 1_0\n", "line 4: expected 'symbol x y z'"),
        ("2\n\nH 0 0 0\nH 0 0 ٣\n", "line 4: expected 'symbol x y z'"),
        ("2\n\nH 0 0 0\nH 0 0 0,7\n", "line 4: expected 'symbol x y z'"),
        ("²\n\nH 0 0 0\nH 0 0 1\n", "line 1: expected the number of atoms, got '²'"),
        ("9" * 5000 + "\n\nH 0 0 0\n", "line 1: expected the number of atoms, got '999"),
        ("0\n\n", "line 1: expected the number of atoms, got '0'"),
        ("2\n\nH 0 0 0\n² 0 0 1\n", "line 4: unknown element '²'"),
        (FIRST.encode("utf-16"), "line 1: expected the number of atoms"),
        # Number, element and position of an atom, or element, position and charge?
        ("2\n\n1 8 0.0 0.0 0.1\n2 1 0.0 0.7 -0.5\n", "line 3: starts with a number"),
        ("1\nProperties=species:S:1:force:R:3\nH 0 0 0\n", "line 2: expected species:S:1 and pos"),
        ("1\nProperties=species:S:1:pos:R\nH 0 0 0\n", "line 2: expected species:S:1 and pos"),
        ("1\nProperties=pos:R:3:species:S:1\nH 0 0 0\n", "line 3: expected 'symbol x y z'"),
        ("1\nProperties=species:S:1:pos:R:3\nH 0 0 0 1\n", "line 3: expected 4 columns"),
        ('1\nLattice="9 0 0 0 9 0 0 0 9"\nHe 0 0 0\n', "line 2: a periodic structure"),
        ('1\npbc="F F T"\nHe 0 0 0\n', "line 2: a periodic structure"),
    ],
)
def test_what_cannot_be_read_names_its_line(tmp_path, content, message):
    for read in (read_xyz, read_xyz_frames):
        with pytest.raises(ValueError, match=message):
            read(written(tmp_path, content))


@pytest.mark.parametrize(
    "more",
    [
        "He 0 0 1",
        "He 0 0 1 0.3",
        "\nHe 0 0 1 0.3 0.2 0.1",
        "Xq 0 zero 1",
        "a remark\n2 0 -.5 1 0 0",
    ],
)
def test_more_atoms_than_announced_are_not_dropped(tmp_path, more):
    path = written(tmp_path, f"{FIRST}{more}\n")
    with pytest.raises(ValueError, match="line [56]: more atoms than the 2 that line 1 announces"):
        read_xyz(path)
    with pytest.raises(ValueError, match="line [56]: expected the number of atoms"):
        read_xyz_frames(path)


def test_frames_follow_each_other_and_each_says_what_its_columns_are(tmp_path):
    path = written(tmp_path, f"{FIRST}\n1\nProperties=pos:R:3:species:S:1\n1 2 3 He\n\n{FIRST}")
    assert read_xyz(path) == H2
    assert read_xyz_frames(path) == [H2, [("He", (1.0, 2.0, 3.0))], H2]


def test_what_is_written_is_read_back(tmp_path):
    """Positions, charge and spin, and a ghost atom, one molecule or a batch."""
    pytest.importorskip("pyscf")
    path = tmp_path / "new.xyz"
    hydroxide = molecule("O 0.1 0 0; H 0 0 0.9", "sto-3g", charge=-1, grid=0)
    water = molecule("ghost-O 0 0 2; O 0 0 0; H 0 0.7 -0.4; H 0 -0.7 -0.4", "sto-3g", grid=0)
    radical = molecule("O 0.1 0 0; H 0 0 0.9", "sto-3g", spin=1, grid=0)
    for one in (hydroxide, water, radical):
        write_xyz(path, one)
        again = molecule(path, "sto-3g", grid=0)
        np.testing.assert_allclose(again.coordinates, one.coordinates, atol=1e-11)
        np.testing.assert_array_equal(again.charges, one.charges)
        np.testing.assert_array_equal(again.electrons, one.electrons)
    write_xyz(path, [stack([water, hydroxide]), radical])
    found = molecules(path, "sto-3g", grid=0)
    for one, again in zip((water, hydroxide, radical), found, strict=True):
        np.testing.assert_allclose(again.coordinates, one.coordinates, atol=1e-11)
        np.testing.assert_array_equal(again.electrons, one.electrons)
    write_xyz(path, (one for one in [water.with_electrons(5, 4)]))
    assert molecule(path, "sto-3g", grid=0).electrons.tolist() == [5, 4]
    with pytest.raises(TypeError, match="takes molecules"):
        write_xyz(path, [water.coordinates])
    with pytest.raises(ValueError, match="fractional"):
        write_xyz(path, water.with_electrons(4.5, 5.0))
