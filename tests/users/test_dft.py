"""Molecules that users of DFT programs asked about, with the right value of each."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft._basis import grid
from jaxsci.dft._scf.result import density_of

pytest.importorskip("pyscf")

HI = [("H", (0.0, 0.0, 0.0)), ("I", (0.0, 0.0, 1.61))]
HEH = [("He", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.77))]


def mole(atoms, basis, **options):
    from pyscf import gto

    return gto.M(atom=atoms, basis=basis, verbose=0, **options)


def chain(n, basis):
    atoms = [("H", (0.0, 0.0, float(i))) for i in range(n)]
    return jsci.dft.molecule(atoms, basis, unit="bohr", grid=0)


@pytest.fixture(scope="module")
def hydride():
    return jsci.dft.molecule(HEH, "sto-3g", charge=1, grid=0)


@pytest.fixture(scope="module")
def field(hydride):
    return jsci.dft.scf(hydride, jsci.dft.xc("hf"))


@pytest.mark.report("pyscf/pyscf#531", "psi4/psi4#1497", "pyscf/pyscf#2932")
@pytest.mark.parametrize(
    ("basis", "potential"),
    [
        ({"H": "def2-svp", "I": "def2-svp"}, "def2-svp"),
        ({"default": "def2-svp"}, "def2-svp"),
        ({"H": "6-31g", "I": "lanl2dz"}, "lanl2dz"),
        ({"H": "6-31g", "I": "unclanl2dz"}, "lanl2dz"),
        ({"H": "6-31g", 53: ["lanl2dz", [[0, [0.01, 1.0]]]]}, "lanl2dz"),
    ],
)
def test_core_potentials_come_with_a_basis_given_by_element(basis, potential):
    """HI, one basis set an element. Right: PySCF's one-electron integrals with the set's ECP."""
    from pyscf.scf import hf

    ours = jsci.dft.molecule(HI, basis, grid=0)
    theirs = mole(HI, basis, ecp={"I": potential})
    np.testing.assert_array_equal(ours.charges, theirs.atom_charges())
    np.testing.assert_allclose(ours.core_hamiltonian, hf.get_hcore(theirs), atol=1e-11)


@pytest.mark.report("jaxsci")
@pytest.mark.parametrize(
    ("atoms", "basis", "potential"),
    [
        ([("H", (0, 0, 0)), ("H", (0, 0, 0.74))], "bfd-vdz", "bfd"),
        ([("C", (0, 0, 0)), ("O", (0, 0, 1.13))], "ccECP_cc-pVDZ", "ccecp"),
        ([("Li", (0, 0, 0)), ("H", (0, 0, 1.6))], {"Li": "ccecp-reg-cc-pvdz", "H": "sto-3g"},
         {"Li": "ccecpreg"}),
    ],
)  # fmt: skip
def test_core_potentials_of_a_family_come_with_its_basis_sets(atoms, basis, potential):
    """Their names differ from the potential's, and those of H and Li replace no electrons: H2 in
    bfd-vdz was 0.011 Hartree off. Right: PySCF's one-electron integrals with the potential."""
    from pyscf.scf import hf

    ours = jsci.dft.molecule(atoms, basis, grid=0)
    theirs = mole(atoms, basis, ecp=potential)
    np.testing.assert_allclose(ours.core_hamiltonian, hf.get_hcore(theirs), atol=1e-11)


@pytest.mark.report("jaxsci")
@pytest.mark.parametrize("symbol", ["H", "Li", "Be", "Mg"])
def test_a_basis_for_gth_is_refused_without_its_pseudopotential(symbol):
    """Of these elements no inner shell is missing to tell by. Right: refused by name, also of a
    Mole that has none."""
    atoms = [(symbol, (0, 0, 0)), (symbol, (0, 0, 2))]
    for basis in ("gth-dzvp", {symbol: "GTH-DZVP"}):
        with pytest.raises(ValueError, match="made for a GTH pseudopotential.*pseudo="):
            jsci.dft.molecule(atoms, basis)
        with pytest.raises(ValueError, match="made for GTH pseudopotentials, and it has none"):
            jsci.dft.molecule(mole(atoms, basis))


@pytest.mark.report("jaxsci")
def test_lanthanides_in_def2_sets_are_refused_without_their_core_potential():
    """PySCF has functions of ma-def2-SVP for them and no potential: its 28 electrons would be put
    in valence functions. Right: refused; iodine takes its potential from the family."""
    for basis in ("ma-def2-svp", {"Ce": "def2-mTZVP"}):
        with pytest.raises(ValueError, match="of Ce is made for an effective core potential"):
            jsci.dft.molecule([("Ce", (0, 0, 0))], basis, grid=0)
    ours = jsci.dft.molecule(HI, "def2-mtzvp", grid=0)
    np.testing.assert_array_equal(ours.charges, [1, 53 - 28])


@pytest.mark.report("jaxsci")
def test_sets_that_augment_another_are_read():
    """cc-pCVDZ and aug-cc-pVDZ-PP, two files of PySCF each, ended in an error of `join`. Right:
    PySCF's one-electron integrals, for copper with the potential of the first file."""
    from pyscf.scf import hf

    for symbol, basis, ecp in (
        ("C", "cc-pcvdz", {}),
        ("Cu", "aug-cc-pvdz-pp", {"Cu": "cc-pvdz-pp"}),
    ):
        atoms = [(symbol, (0.0, 0.0, 0.0))]
        ours = jsci.dft.molecule(atoms, basis, spin=len(ecp), grid=0)
        theirs = mole(atoms, basis, ecp=ecp, spin=len(ecp))
        np.testing.assert_allclose(ours.core_hamiltonian, hf.get_hcore(theirs), atol=1e-11)


@pytest.mark.report("jaxsci")
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_functions_without_a_norm_are_refused():
    """PySCF's cc-pVDZ-DK of holmium has one, which ended in an error of `eigvalsh`."""
    with pytest.raises(ValueError, match="basis of Ho has a function without a norm"):
        jsci.dft.molecule([("Ho", (0, 0, 0))], "cc-pvdz-dk", spin=1, grid=0)


@pytest.mark.report("pyscf/pyscf#531")
def test_hydrogen_iodide_by_element_has_its_energy():
    """HI, def2-SVP by element, HF. Right: -297.231526 Hartree by PySCF with the ECP named."""
    ours = jsci.dft.molecule(HI, {"H": "def2-svp", "I": "def2-svp"}, grid=0)
    assert abs(jsci.dft.scf(ours, jsci.dft.xc("hf")).energy + 297.231526) < 1e-6


@pytest.mark.report("pyscf/pyscf#531")
def test_a_basis_for_a_core_potential_is_refused_without_one():
    """Valence functions and a bare nucleus: 1,700 Hartree off for iodine. Right: no energy."""
    from pyscf import gto

    bare = {"H": "def2-svp", "I": gto.basis.load("def2-svp", "I")}
    for given in ((HI, bare), (mole(HI, "def2-svp"), None), (HI, "aug-cc-pwcvdz-pp")):
        with pytest.raises(ValueError, match=r"no basis|functions for its inner shell are missing"):
            jsci.dft.molecule(*given, grid=0)
    nameless = {"F": gto.basis.load("gth-tzvp", "F")}
    with pytest.raises(ValueError, match="the lowest level of F.*pseudo=... for GTH"):
        jsci.dft.molecule([("F", (0, 0, 0))], nameless, spin=1, grid=0)
    with pytest.warns(UserWarning, match=r"the lowest level of Au in its basis is 0\.70"):
        jsci.dft.molecule([("Au", (0, 0, 0))], "ano@6s5p3d1f", spin=1, grid=0, density_fit=True)


@pytest.mark.report("pyscf/pyscf#3198")
def test_derivatives_with_gth_pseudopotentials_are_refused():
    """HF in gth-szv: forces without the pseudopotential were 4 % off. Right: 0.17773 Hartree/Bohr
    on H by differences of energies, or no forces. Potentials of pairs do not feel the nuclei."""
    theirs = mole("F 0 0 0; H 0 0 .92", "gth-szv", pseudo="gth-pbe")
    ours, functional = jsci.dft.molecule(theirs, grid=0), jsci.dft.xc("pbe")
    both = jsci.dft.stack([ours, jsci.dft.molecule(HI[:1], "sto-3g", spin=1, grid=0)])
    assert both.libcint.soft_cores
    for f in (
        lambda: jsci.dft.forces(ours, functional),
        lambda: jsci.dft.hessian(ours, functional),
        lambda: jsci.dft.training_batch([ours], np.zeros(1), forces=[np.zeros((2, 3))]),
        lambda: jsci.dft.scf(ours, functional, guess="atoms"),
    ):
        with pytest.raises(ValueError, match="cannot be had with GTH pseudopotentials"):
            f()
    # A density is that of the valence electrons, as far as the auxiliary basis can hold it.
    aux = jsci.dft.auxiliary(ours)
    np.testing.assert_allclose(aux.charge @ jsci.dft.fit_density(aux, ours.guess), 8, atol=2e-2)
    points, _ = grid.points_and_weights(ours.grid, ours.coordinates, ours.atom_mask)
    i, j = np.tril_indices(ours.size)
    right = theirs.intor("int1e_grids", grids=np.asarray(points))[:, i, j]
    np.testing.assert_allclose(jsci.dft.pair_potentials(ours), right, atol=1e-12)


@pytest.mark.report("psi4/psi4#1995", "pyscf/pyscf#1133")
def test_more_electrons_of_a_spin_than_functions_are_refused():
    """Triplet helium in one function: He+ came out. Right: there is no such state."""
    for given, options in (([("He", (0, 0, 0))], {"basis": "sto-3g", "spin": 2}),
                           (mole("He 0 0 0", "sto-3g", spin=2), {})):  # fmt: skip
        with pytest.raises(ValueError, match="2 electrons of one spin do not fit in 1 basis"):
            jsci.dft.molecule(given, grid=0, **options)
    with pytest.raises(ValueError, match="2 electrons of one spin do not fit"):
        jsci.dft.reference_energies([[("He", (0, 0, 0))]], "sto-3g", method="hf", spins=[2])


@pytest.mark.report("pyscf/pyscf#3198")
def test_periodic_cells_are_refused():
    """He in a cell of 2 Angstrom came out as one atom. Right: -2.427252 Hartree, or no energy."""
    from pyscf.pbc import gto

    cell = gto.Cell()
    cell.build(atom="He 0 0 0", a=2 * np.eye(3), basis="gth-szv", pseudo="gth-pade", verbose=0)
    with pytest.raises(ValueError, match="periodic.*cell.to_mol"):
        jsci.dft.molecule(cell)
    with pytest.raises(ValueError, match="molecule 0: the PySCF Cell is periodic"):
        jsci.dft.molecules([cell])


@pytest.mark.report("pyscf/gpu4pyscf#814", "psi4/psi4#1968")
def test_ghosts_have_the_space_of_their_element_and_no_core_potential():
    """A ghost of atom number 0 was given its radius. Right: PySCF's weights, where a ghost has that
    of its element, and the one-electron integrals of helium's nucleus alone."""
    from pyscf.dft import gen_grid

    theirs = mole("He 0 0 0; ghost-Xe 0 0 1; X-H 0 1 0", "def2-svp", ecp="def2-svp")
    grids: Any = gen_grid.Grids(theirs)
    grids.level = 0
    grids.build(sort_grids=False)
    ours = jsci.dft.molecule(theirs, grid=0)
    points, weights = grid.points_and_weights(ours.grid, ours.coordinates, ours.atom_mask)
    np.testing.assert_allclose(points, grids.coords[: weights.size], atol=1e-13)
    np.testing.assert_allclose(weights, grids.weights[: weights.size], rtol=1e-11, atol=1e-13)
    nucleus = theirs.intor("int1e_kin") + theirs.intor("int1e_nuc")
    np.testing.assert_allclose(ours.core_hamiltonian, nucleus, atol=1e-12)
    rough: Any = [
        grid.from_mole(mole(f"{symbol} 0 0 0", "def2-svp", ecp="def2-svp"), 3).coarse
        for symbol in ("Xe", "ghost-Xe")
    ]
    assert rough[0].size == rough[1].size
    with pytest.raises(ValueError, match="has ghosts"):
        jsci.dft.auxiliary(ours)


@pytest.mark.report("pyscf/gpu4pyscf#814", "psi4/psi4#1968")
def test_counterpoise_energy_of_water_in_the_basis_of_its_dimer():
    """One water beside the functions of another, PBE. Right: PySCF's energy on its own grid of
    that level, which the radii of the ghosts' elements shape."""
    from pyscf import dft

    water = "O 0 0 0; H 0 .757 .587; H 0 -.757 .587; "
    other = "ghost-O 0 0 2.98; ghost-H .1 .757 3.5; ghost-H .1 -.757 3.5"
    theirs = mole(water + other, "6-31g")
    field: Any = dft.RKS(theirs, xc="pbe")
    field.grids.level, field.conv_tol = 0, 1e-11
    ours = jsci.dft.molecule(theirs, grid=0)
    result = jsci.dft.scf(ours, jsci.dft.xc("pbe"))
    assert abs(result.energy - field.kernel()) < 1e-8


@pytest.mark.report("pyscf/pyscf#3005", "pyscf/pyscf#2247", "pyscf/pyscf#1000", "pyscf/pyscf#1125")
def test_nearly_dependent_directions_are_left_out():
    """Ten H at 1 Bohr, HF; with all directions of aug-cc-pVDZ rounding gave -3.9 million Hartree.

    Right: what PySCF 2.14 finds, which leaves out the same directions.
    """
    from pyscf import gto

    for basis, warned in (("cc-pvdz", r"2\.4e-08\. 1 of its 50"), ("aug-cc-pvdz", r"10 of its 90")):
        with pytest.warns(UserWarning, match=warned):
            result = jsci.dft.scf(chain(10, basis), jsci.dft.xc("hf"))
        atoms = [("H", (0.0, 0.0, float(i))) for i in range(10)]
        # Built from differences of densities, as PySCF does without memory for all integrals, its
        # Fock matrix keeps the rounding of an initial guess with elements of 2e8: 3.5e-8 Hartree.
        theirs: Any = gto.M(atom=atoms, basis=basis, unit="bohr", verbose=0).RHF(direct_scf=False)
        theirs.run(conv_tol=1e-11)
        assert abs(result.energy - theirs.e_tot) < 1e-8


@pytest.mark.report("jaxsci")
def test_results_are_taken_where_densities_are_asked(hydride, field):
    """Whoever has a result gives the result. Right: what its density matrix gives."""
    hf, p = jsci.dft.xc("hf"), field.density_matrix
    for f in (
        lambda d: jsci.dft.dipole(hydride, d),
        lambda d: jsci.dft.mulliken_charges(hydride, d),
        lambda d: jsci.dft.fixed_density_energy(hydride, hf, density_matrix=d),
        lambda d: jsci.dft.harris_energy(hydride, hf, density_matrix=d),
        lambda d: jsci.dft.scf(hydride, hf, guess=d).energy,
        lambda d: jsci.dft.fit_density(jsci.dft.auxiliary(hydride), d),
        lambda d: jsci.dft.training_batch([hydride], np.zeros(1), densities=[d]).density,
        lambda d: jsci.dft.exchange_energy_density(hydride, d, jsci.dft.pair_potentials(hydride)),
    ):
        np.testing.assert_array_equal(f(field), f(p))


@pytest.mark.report("jaxsci")
def test_lists_batches_and_complex_densities_are_explained(hydride, field):
    """Natural slips ended in raw errors and a wall of axis sizes. Right: a word on what to do."""
    functional = jsci.dft.xc("hf")
    energy = lambda m: jsci.dft.scf(m, functional, throw=False).energy  # noqa: E731
    other = jsci.dft.molecule([("He", (0, 0, 0))], "sto-3g", grid=0)
    with pytest.raises(ValueError, match=r"of a list, stack them first: jsci.dft.stack"):
        jsci.vmap(energy)([hydride, other])
    with pytest.raises(TypeError, match=r"scf\(\) takes one Molecule, got a list.*dft.stack"):
        energy([hydride, other])
    batch = jsci.dft.stack([hydride, other])
    both = jnp.stack([field.density_matrix] * 2)
    for f in (jsci.dft.dipole, jsci.dft.mulliken_charges):
        with pytest.raises(ValueError, match="takes one molecule, got a batch of 2; map it"):
            f(batch, both)
    with pytest.raises(TypeError, match="density_matrix is complex"):
        density_of(1j * field.density_matrix)
    with pytest.raises(TypeError, match="energies must be real, got complex128"):
        jsci.dft.training_batch([hydride], np.array([1j]))
    omega: Any = 1j
    with pytest.raises(ValueError, match="omega is positive"):
        jsci.dft.molecule(HEH, "sto-3g", charge=1, omega=omega)


@pytest.mark.report("jaxsci")
def test_networks_without_parameters_or_of_another_size_are_explained(hydride):
    """A raw error of matrix multiplication came up. Right: the numbers, and how to give them."""
    functional = jsci.dft.neural_functional(lambda p, d: jnp.tanh(p @ d), level="mgga")
    with pytest.raises(TypeError, match=r"params=None.*scf\(molecule, functional, params\)"):
        jsci.dft.scf(hydride, functional)
    with pytest.raises(ValueError, match="takes 3 inputs, and this functional gives it 4"):
        jsci.dft.scf(hydride, functional, jnp.ones(3))
    with pytest.raises(TypeError, match="parameters must be real"):
        jsci.dft.scf(hydride, lambda p, features: p * features.rho, 1j)


@pytest.mark.report("jaxsci")
@pytest.mark.parametrize("symbol", ["X", "ghost-", "@Q"])
def test_ghosts_of_no_element_say_what_they_need(symbol):
    """The message guessed at germanium. Right: a ghost has the functions of an element."""
    with pytest.raises(ValueError, match=r"atom 1: the ghost .* needs a known element"):
        jsci.dft.molecule([("He", (0, 0, 0)), (symbol, (0, 0, 1))], "sto-3g")


@pytest.mark.report("jaxsci")
def test_charges_and_spins_from_a_table_are_whole_numbers(recwarn):
    """NumPy's integers were kept, and Equinox warned of arrays in static fields. Right: silence."""
    ions = jsci.dft.molecules(
        [HEH, HEH], "sto-3g", charge=np.array([1, 0]), spin=np.array([0, 1]), grid=0
    )
    assert [type(m.restricted) for m in ions] == [bool, bool]
    assert not [w for w in recwarn.list if "static" in str(w.message)]
