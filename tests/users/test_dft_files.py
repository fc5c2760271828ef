"""Reports about density functional theory and what is around it."""

import numpy as np
import pytest

from jaxsci.dft import molecule, read_xyz, reference_energies

pytest.importorskip("pyscf")

HE = [("He", (0.0, 0.0, 0.0))]


@pytest.mark.report("pyscf/pyscf#3103")
def test_remarks_behind_the_atoms_are_no_atoms(tmp_path):
    """QM9 writes charges beside the atoms, and frequencies, SMILES and InChI behind them.

    Right: as many atoms as line 1 announces, by the definition of the format; a line that looks
    like one more is an error.
    """
    atoms = "2\ngdb 0\t-1.1\nH\t0.\t0.\t0.\t-0.1\nLi\t0.\t0.\t1.6\t0.1\n"
    path = tmp_path / "hydride.xyz"
    path.write_text(atoms + "1405.0\t10.\t20.\t30.\n[LiH]\t[LiH]\nInChI=1S/Li.H\tInChI=1S/Li.H\n")
    assert read_xyz(path) == [("H", (0.0, 0.0, 0.0)), ("Li", (0.0, 0.0, 1.6))]
    for remark in ("computed with 6-31G at 300 K\n", "dipole: 0.1 0.2 0.3\n"):
        path.write_text(atoms + remark)
        assert len(read_xyz(path)) == 2
    path.write_text(atoms + "H\t0.\t0.\t3.2\t0.\n")
    with pytest.raises(ValueError, match="line 5: more atoms than the 2"):
        read_xyz(path)


@pytest.mark.report("charnley/rmsd#48")
def test_columns_are_those_that_an_extended_file_names(tmp_path):
    """ASE writes forces beside the positions, in columns that the comment describes.

    Right: the columns `species` and `pos`, wherever they stand. Read by place, the second file is
    an atom of hydrogen, the number of its first line, one of helium, and so on.
    """
    path = tmp_path / "hydride.xyz"
    for kinds, lines in (
        ("species:S:1:pos:R:3:forces:R:3", "H 0 0 0 9 9 9\nLi 0 0 1.6 9 9 9\n"),
        ("id:I:1:Z:I:1:pos:R:3:species:S:1", "1 1 0 0 0 H\n2 3 0 0 1.6 Li\n"),
    ):
        path.write_text(f'2\nProperties={kinds} energy=-7.9 pbc="F F F"\n{lines}')
        assert read_xyz(path) == [("H", (0.0, 0.0, 0.0)), ("Li", (0.0, 0.0, 1.6))]


@pytest.mark.report("jaxsci")
def test_a_basis_set_in_a_file_is_what_the_file_holds_now(tmp_path):
    """A file of one exponent, edited between two calls, gave the old energy, cached or not.

    Right: helium in one Gaussian exp(-a r²) has E = 3a - 8 √(2a/π) + 2 √(a/π), of which one
    electron's kinetic and nuclear energy are 3a/2 - 4 √(2a/π).
    """
    file, cache = tmp_path / "one.nw", tmp_path / "cache"
    for a in (0.8, 1.3):
        file.write_text(f"BASIS SPHERICAL\nHe S\n  {a} 1.0\nEND\n")
        one = 1.5 * a - 4 * (2 * a / np.pi) ** 0.5
        energy = reference_energies([HE], str(file), method="hf", cache=cache)
        np.testing.assert_allclose(energy, 2 * one + 2 * (a / np.pi) ** 0.5, atol=1e-10)
        built = molecule(HE, str(file), grid=0)
        np.testing.assert_allclose(built.core_hamiltonian, one, atol=1e-12)
    # Another name for the same numbers is the same calculation.
    copy = file.rename(tmp_path / "copy.nw")
    reference_energies([HE], str(copy), method="hf", cache=cache)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.report("jaxsci")
def test_a_basis_set_may_be_given_as_text():
    """PySCF takes the text of a set itself, which was looked up as a file name of that length.

    Right: the set of that name.
    """
    text = "\n".join(["# sto-3g of helium, from a web page", "He    S", *(
        f"      {exponent:.8f}              {coefficient:.8f}"
        for exponent, coefficient in ((6.36242139, 0.15432897), (1.15892300, 0.53532814),
                                      (0.31364979, 0.44463454))
    ), "# " + 200 * "-"])  # fmt: skip
    one, other = (molecule(HE, {"He": basis}, grid=0) for basis in (text, "sto-3g"))
    np.testing.assert_allclose(one.core_hamiltonian, other.core_hamiltonian, atol=1e-7)
