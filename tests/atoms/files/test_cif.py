"""Crystals of .cif files: all atoms that the symmetry makes, or a refusal."""

import numpy as np
import pytest

import jaxsci as jsci


def cif(tmp_path, sites, group="F m -3 m", head=""):
    """A cubic crystal, as databases write them: the sites are those of the asymmetric unit."""
    lengths = "".join(f"_cell_length_{a} 5.64(2)\n" for a in "abc")
    angles = "".join(f"_cell_angle_{a} 90\n" for a in ("alpha", "beta", "gamma"))
    names = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
    loop = "loop_\n" + "".join(f"_atom_site_{name}\n" for name in names)
    path = tmp_path / "a.cif"
    path.write_text(
        f"data_salt\n{head}_space_group_name_H-M_alt '{group}'\n{lengths}{angles}{loop}{sites}"
    )
    return path


SALT = "Na1 Na+ 0 0 0 1.0\nCl1 Cl- 0.5 0.5 0.5 1.0\n"


def test_a_cif_file_is_read_with_the_atoms_that_its_symmetry_makes(tmp_path):
    pytest.importorskip("ase")
    head = "_chemical_formula_sum 'Cl Na'\n_cell_formula_units_Z 4\n"
    (found,) = jsci.atoms.read(cif(tmp_path, SALT, head=head))
    assert sorted(found.atoms.symbols) == ["Cl"] * 4 + ["Na"] * 4
    np.testing.assert_allclose(found.atoms.cell, 5.64 * np.eye(3), atol=1e-12)
    graph = jsci.atoms.neighbours(found.atoms, 2.9)  # a / 2 = 2.82
    assert int(graph.edge_mask.sum()) == 8 * 6


@pytest.mark.parametrize(
    ("sites", "head", "message"),
    [
        (SALT.replace("0.5 1.0", "0.5 0.7"), "", "occupied by 0.7"),
        (
            SALT,
            "_chemical_formula_sum 'Cl H Na'\n_cell_formula_units_Z 4\n",
            "Cl4 H4 Na4 in a cell",
        ),
        (SALT, "_chemical_formula_sum 'Cl Na'\n_cell_formula_units_Z 1\n", "make Cl4 Na4"),
        (
            SALT.replace("0.5", "0.2"),
            "loop_\n_space_group_symop_operation_xyz\n'x,y,z'\n",
            "lists make 2 atoms, and its space group makes 3",  # to which ASE adds an inversion
        ),
    ],
)
def test_a_cif_file_that_is_no_ordered_whole_crystal_is_refused(tmp_path, sites, head, message):
    pytest.importorskip("ase")
    with pytest.raises(ValueError, match=message):
        jsci.atoms.read(cif(tmp_path, sites, head=head))
