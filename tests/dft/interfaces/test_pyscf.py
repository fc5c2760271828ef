"""Solutions and functionals given to PySCF: the same numbers there."""

import dataclasses
import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft._properties._geometry.rebuilt import rebuilt

pytest.importorskip("pyscf")

TEXT = "O 0 0 .1173; H 0 .7572 -.4692; H1 0 -.7572 -.4692"
PBE = jsci.dft.xc("pbe")


@pytest.fixture(scope="module")
def water():
    return jsci.dft.molecule(TEXT, {"default": "sto-3g", "H1": "6-31g"}, grid=0)


@pytest.fixture(scope="module")
def result(water):
    return jsci.dft.scf(water, PBE, tolerance=1e-12)


def solved(field, functional=None, params=None):
    """Converged by PySCF."""
    field.conv_tol = 1e-12
    if functional is not None:
        field.define_xc_(*jsci.dft.to_pyscf_xc(functional, params))
    if hasattr(field, "grids"):
        field.grids.level = 0
    return field.run()


def random_density(rows, spins):
    """Densities, gradients and τ at random points, with τ above von Weizsäcker's."""
    rng = np.random.default_rng(0)
    rho = 10.0 ** rng.uniform(-4, 1, (spins, 40))
    slope = rng.normal(size=(spins, 3, 40)) * rho[:, None]
    tau = (slope**2).sum(axis=1) / (8 * rho) * rng.uniform(1.1, 3, (spins, 40)) + rho
    found = np.concatenate([rho[:, None], slope, tau[:, None]], axis=1)[:, :rows]
    return found if spins == 2 else found[0]


@pytest.mark.parametrize("spins", [1, 2])
@pytest.mark.parametrize(
    ("name", "rows"), [("svwn", 1), ("pbe", 4), pytest.param("tpss", 5, marks=pytest.mark.slow)]
)
def test_values_and_derivatives_have_the_layout_of_libxc(name, rows, spins):
    from pyscf.dft import numint

    functional = jsci.dft.xc(name)
    ours: Any = numint.NumInt()
    evaluate, kind, hyb, rsh = jsci.dft.to_pyscf_xc(functional)
    ours.libxc.define_xc_(ours, evaluate, kind, hyb, rsh)
    rho = random_density(rows, spins)
    if rows == 1:
        rho = rho[..., 0, :]
    theirs = numint.NumInt().eval_xc_eff(name, rho, deriv=2, xctype=kind, spin=spins - 1)
    found = ours.eval_xc_eff("lda", rho, deriv=2, xctype=kind, spin=spins - 1)
    for a, b in zip(found[:3], theirs[:3], strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-7, atol=1e-9 * abs(b).max())


def test_second_derivatives_of_a_meta_gga_have_their_places():
    """½ xᵀ C x of the densities, σ and τ of both spins: the layout that libxc documents."""
    C = np.random.default_rng(0).normal(size=(7, 7))
    C = C + C.T

    def quadratic(params, d):
        x = jnp.stack([d.rho_a, d.rho_b, d.sigma_aa, d.sigma_ab, d.sigma_bb, d.tau_a, d.tau_b])
        return 0.5 * x @ C @ x

    evaluate = jsci.dft.to_pyscf_xc(quadratic)[0]
    rho = random_density(5, 2)
    exc, vxc, fxc, _ = evaluate("lda", rho, 1, deriv=2)
    r, s, t = [0, 1], [2, 3, 4], [5, 6]
    upper = lambda k: [C[i, j] for n, i in enumerate(k) for j in k[n:]]  # noqa: E731
    across = lambda k, l: [C[i, j] for i in k for j in l]  # noqa: E731
    expected = upper(r), across(r, s), upper(s), across(r, t), across(s, t), upper(t)
    for found, row in zip(fxc, expected, strict=True):
        np.testing.assert_allclose(found, np.tile(row, (40, 1)), rtol=1e-12)
    sigma = np.einsum("ixg,jxg->ijg", rho[:, 1:4], rho[:, 1:4])
    x = np.stack([*rho[:, 0], sigma[0, 0], sigma[0, 1], sigma[1, 1], *rho[:, 4]])
    np.testing.assert_allclose(exc, 0.5 * np.sum(x * (C @ x), 0) / rho[:, 0].sum(0), rtol=1e-10)
    np.testing.assert_allclose(np.hstack([vxc[0], vxc[1], vxc[3]]), (C @ x).T, rtol=1e-10)
    # The Laplacian before τ, as other versions of PySCF have it.
    six = np.concatenate([rho[:, :4], rho[:, :1], rho[:, 4:]], axis=1)
    np.testing.assert_array_equal(evaluate("lda", six, 1)[0], exc)


def test_parameters_that_are_not_finite_are_named():
    scaled = jsci.dft.Functional(((1.0, lambda p, f: p["w"][0] * f.rho**2),), "lda", name="scaled")
    with pytest.raises(ValueError, match=r"params\['w'\] has 1 of 2 numbers that are not finite"):
        jsci.dft.to_pyscf_xc(scaled, {"w": jnp.array([jnp.nan, 1.0])})


def test_a_solution_is_one_for_pyscf_too(water, result):
    field = jsci.dft.to_pyscf(water, PBE, result)
    assert field.converged and field.e_tot == float(result.energy)
    assert abs(field.energy_tot() - result.energy) < 1e-9
    np.testing.assert_allclose(field.make_rdm1(), result.density_matrix, atol=1e-7)
    np.testing.assert_allclose(field.mo_energy, result.orbital_energies, atol=1e-12)
    moment = field.dip_moment(unit="au", verbose=0)
    np.testing.assert_allclose(moment, jsci.dft.dipole(water, result), atol=1e-7)
    assert abs(field.get_grad(field.mo_coeff, field.mo_occ)).max() < 1e-5
    slope = field.nuc_grad_method().set(grid_response=True).kernel()
    np.testing.assert_allclose(slope, -jsci.dft.forces(water, PBE, guess=result), atol=1e-6)


def test_tddft_of_a_solution_is_that_of_pyscf(water, result):
    from pyscf import dft

    field = jsci.dft.to_pyscf(water, PBE, result)
    theirs = solved(dft.RKS(field.mol, xc="pbe"))
    ours, expected = (mf.TDA().run(nstates=3, verbose=0).e for mf in (field, theirs))
    np.testing.assert_allclose(ours, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("text", "basis", "options", "name"),
    [
        ("H 0 0 0; @He 0 0 1", "6-31g", {"spin": 1}, "hf"),
        ("Cu 0 0 0", "lanl2dz", {"spin": 1, "restricted": True}, "hf"),
        ("F 0 0 0; H 0 0 .9", "6-31g*", {"density_fit": True}, "hf"),
    ],
)
def test_spins_ghosts_cores_and_fitting_arrive(text, basis, options, name):
    molecule = jsci.dft.molecule(text, basis, grid=0, **options)
    functional = jsci.dft.xc(name)
    result = jsci.dft.scf(molecule, functional, tolerance=1e-13)
    field = jsci.dft.to_pyscf(molecule, functional, result)
    assert abs(field.energy_tot() - result.energy) < 1e-9
    density = jsci.dft.from_pyscf(field, molecule)
    assert density.shape == molecule.spins.density_shape(molecule.size)
    np.testing.assert_allclose(density, result.density_matrix, atol=1e-7)


def test_a_molecule_of_a_batch_leaves_its_padding_behind(water):
    hf = jsci.dft.xc("hf")
    h2 = jsci.dft.molecule("H 0 0 0; H 0 0 .74", "sto-3g", grid=0)
    one = jax.tree.map(lambda x: x[0], jsci.dft.stack([h2, water]))
    result = jsci.dft.scf(one, hf)
    field = jsci.dft.to_pyscf(one, hf, result)
    assert field.mol.nao == 2
    assert abs(field.energy_tot() - result.energy) < 1e-9


def test_a_ghost_of_a_batch_keeps_its_element(water):
    hf = jsci.dft.xc("hf")
    helium = jsci.dft.molecule("He 0 0 0; @H 0 0 .74", "sto-3g", grid=0)
    one = jax.tree.map(lambda x: x[0], jsci.dft.stack([helium, water]))
    field = jsci.dft.to_pyscf(one, hf, jsci.dft.scf(one, hf))
    assert [field.mol.atom_symbol(a) for a in range(2)] == ["He", "GHOST-H"]


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_functional_with_parameters_has_the_same_energy_in_pyscf(water, share):
    """A network on PBE, of which a large molecule would be computed there."""
    from pyscf import dft

    f, params = jsci.pure(jsci.nn.MLP(3, "scalar", width=4, depth=1, key=jax.random.key(0)))
    functional = jsci.dft.neural_functional(f)
    functional = (1 - share) * functional + share * jsci.dft.xc("hf") if share else functional
    params = jax.tree.map(lambda x: 0.3 * x, params)
    result = jsci.dft.scf(water, functional, params, tolerance=1e-11)
    mol = jsci.dft.to_pyscf(water, functional, result, params).mol
    field = solved(dft.RKS(mol, xc="hf" if share else "lda"), functional, params)
    assert abs(field.e_tot - result.energy) < 1e-8
    assert abs(result.energy - jsci.dft.scf(water, PBE).energy) > 1e-3


def test_what_pyscf_would_compute_wrongly_is_refused(water, result):
    from pyscf import dft

    with pytest.raises(ValueError, match="no Laplacian"):
        jsci.dft.to_pyscf_xc(jsci.dft.Functional(((1.0, lambda p, d: d.laplacian),), "laplacian"))
    mol = jsci.dft.to_pyscf(water, PBE, result).mol
    for functional, xc, message in (
        (jsci.dft.xc("b3lyp"), "lda", "set mf.xc = 'hf' before"),
        (PBE, "wb97m-v", "would add the nonlocal correlation"),
    ):
        with pytest.raises(ValueError, match=message):
            solved(dft.RKS(mol, xc=xc), functional)
    evaluate = jsci.dft.to_pyscf_xc(PBE)[0]
    with pytest.raises(ValueError, match="third derivatives"):
        evaluate("lda", np.ones((4, 1)), 0, deriv=3)


@pytest.mark.parametrize("name", ["pbe-d3bj", "hf-d3bj"])
def test_dispersion_is_not_lost_on_the_way(water, result, name):
    functional = jsci.dft.xc(name)
    with pytest.raises(ValueError, match="which PySCF would leave out"):
        jsci.dft.to_pyscf(water, functional, result)
    with pytest.raises(ValueError, match="which PySCF would leave out"):
        jsci.dft.to_pyscf_xc(functional)


def test_the_dispersion_that_we_advise_is_that_of_the_functional(water, result):
    """By `mf.xc` alone PySCF would look for the parameters of another functional."""
    from pyscf.scf.dispersion import parse_disp

    with pytest.raises(ValueError, match="Without the name") as refusal:
        jsci.dft.to_pyscf_xc(jsci.dft.xc("b3lyp-d3bj"))
    (advised,) = re.findall(r"mf\.disp = '([^']*)'", str(refusal.value))
    mf = jsci.dft.to_pyscf(water, PBE, result)
    assert parse_disp(mf.xc, "d3bj")[0] == "lda"
    assert parse_disp(mf.xc, advised) == ("b3lyp", "d3bj", False)


def test_solutions_that_do_not_fit_are_refused(water, result):
    field = water.core_hamiltonian + 0.01 * water.dipole_integrals[2]
    with pytest.raises(ValueError, match="core Hamiltonian is not that of point nuclei"):
        jsci.dft.to_pyscf(eqx.tree_at(lambda m: m.core_hamiltonian, water, field), PBE, result)
    moved = dataclasses.replace(water, coordinates=1.1 * water.coordinates)
    with pytest.raises(ValueError, match="overlap is not that of its basis functions"):
        jsci.dft.to_pyscf(moved, PBE, result)
    other = jsci.dft.molecule(TEXT, "sto-3g", grid=0)
    with pytest.raises(ValueError, match="give what scf returned for this molecule"):
        jsci.dft.to_pyscf(other, PBE, result)
    nearby = rebuilt(water, 1.1 * np.asarray(water.coordinates))
    with pytest.raises(ValueError, match="of another molecule or geometry"):
        jsci.dft.to_pyscf(nearby, PBE, result)
    batch = jsci.dft.stack([water, water])
    with pytest.raises(ValueError, match=r"to_pyscf\(\) takes one molecule, got a batch of 2"):
        jsci.dft.to_pyscf(batch, PBE, result)


def test_densities_of_pyscf_are_initial_guesses(water, result):
    mf = jsci.dft.to_pyscf(water, PBE, result)
    guess = jsci.dft.from_pyscf(mf, water)
    assert jsci.dft.scf(water, PBE, guess=guess, max_steps=6).converged
    moved = jsci.dft.molecule(TEXT.replace(".75", ".76"), {"default": "sto-3g", "H1": "6-31g"})
    np.testing.assert_array_equal(jsci.dft.from_pyscf(mf, moved), guess)
    other = jsci.dft.molecule(TEXT.replace("H1", "H2"), {"default": "sto-3g", "H": "6-31g"}, grid=0)
    with pytest.raises(ValueError, match="has 8 spherical basis functions, and the molecule 9"):
        jsci.dft.from_pyscf(mf, other)
    swapped = jsci.dft.molecule(TEXT, {"default": "sto-3g", "H": "6-31g", "H1": "sto-3g"}, grid=0)
    with pytest.raises(ValueError, match="in another order or of other shells"):
        jsci.dft.from_pyscf(mf, swapped)
    mf.mo_coeff = None
    with pytest.raises(ValueError, match="has no orbitals: run"):
        jsci.dft.from_pyscf(mf)


def test_cartesian_functions_are_told_from_spherical_ones():
    from pyscf import gto, scf

    hf = solved(scf.RHF(gto.M(atom="Be 0 0 0", basis="6-31g*", cart=True, verbose=0)))
    ours = jsci.dft.molecule(hf.mol, grid=0)
    np.testing.assert_allclose(
        jsci.dft.scf(ours, jsci.dft.xc("hf"), guess=jsci.dft.from_pyscf(hf, ours)).energy,
        hf.e_tot,
        atol=1e-9,
    )
    spherical = jsci.dft.molecule("Be 0 0 0", "6-31g*", grid=0)
    with pytest.raises(ValueError, match="15 Cartesian basis functions, and the molecule 14 sph"):
        jsci.dft.from_pyscf(hf, spherical)


def test_an_exported_functional_is_called_without_its_source():
    """As docs/coming_from/pyscf.md exports one: for any number of points."""
    n = jax.export.symbolic_shape("n")[0]
    x = jax.ShapeDtypeStruct((n, 5), jnp.float64)

    def energy(x):
        return jax.vmap(lambda x: PBE(None, jsci.dft.Features(*x)))(x)

    exported = jax.export.export(jax.jit(energy))(x)
    points = np.array([[0.1, 0.2, 0.01, 0.01, 0.02], [1.0, 1.0, 0.1, 0.1, 0.1]])
    np.testing.assert_allclose(exported.call(points), energy(points), rtol=1e-14)
