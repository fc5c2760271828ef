"""The self-consistent field against PySCF, in every kind of shell and functional."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import (
    DIIS,
    fixed_density_hamiltonian,
    hamiltonian_guess,
    molecule,
    scf,
    xc,
)
from jaxsci.dft._scf.coulomb import coulomb, exchange, symmetric_exchange
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.kohn_sham import exact_exchange, fock_matrix, mean_field, total_energy
from jaxsci.dft._scf.scf import _gap

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.7572, -0.4692)), ("H", (0.0, -0.7572, -0.4692))]
OXYGEN = [("O", (0.0, 0.0, 0.0)), ("O", (0.0, 0.0, 1.21))]
METHYL = [
    ("C", (0.0, 0.0, 0.0)),
    ("H", (1.079, 0.0, 0.0)),
    ("H", (-0.5395, 0.9344, 0.0)),
    ("H", (-0.5395, -0.9344, 0.0)),
]


def pyscf_field(atoms, basis, functional, *, spin=0, charge=0, grid=3, fit=False) -> Any:
    from pyscf import dft, gto

    mol = gto.M(atom=atoms, basis=basis, spin=spin, charge=charge, verbose=0)
    field: Any = (dft.UKS if spin else dft.RKS)(mol)
    if fit:
        field = field.density_fit()
    field.xc, field.grids.level, field.conv_tol = functional, grid, 1e-12
    field.kernel()
    return field


def test_water_pbe_from_a_file(tmp_path):
    path = tmp_path / "water.xyz"
    path.write_text("3\n\n" + "\n".join(f"{s} {x} {y} {z}" for s, (x, y, z) in WATER))
    theirs = pyscf_field(str(path), "def2-svp", "pbe")
    ours = scf(molecule(path, "def2-svp"), xc("pbe"), tolerance=1e-12)
    assert bool(ours.converged)
    np.testing.assert_allclose(ours.energy, theirs.e_tot, atol=1e-10, rtol=0)
    np.testing.assert_allclose(ours.density_matrix, theirs.make_rdm1(), atol=1e-6)
    np.testing.assert_allclose(ours.orbital_energies, theirs.mo_energy, atol=1e-6)
    np.testing.assert_array_equal(ours.occupations, theirs.mo_occ)


def check_energy(atoms, name, spin=0, charge=0, atol=1e-9):
    theirs = pyscf_field(atoms, "6-31g", name, spin=spin, charge=charge, grid=0)
    ours = scf(molecule(atoms, "6-31g", spin=spin, charge=charge, grid=0), xc(name))
    np.testing.assert_allclose(ours.energy, theirs.e_tot, atol=atol, rtol=0)
    assert ours.density_matrix.ndim == (3 if spin else 2)


@pytest.mark.parametrize("name", ["lda,vwn", "b3lyp", "r2scan", "hf"])
def test_restricted_functionals(name):
    check_energy(WATER, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["blyp", "pbe0", "pbesol", "revpbe", "tpss"])
def test_more_restricted_functionals(name):
    check_energy(WATER, name)


def test_open_shell():
    check_energy(METHYL, "lda,vwn", spin=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("atoms", "spin", "charge", "name"),
    [
        (OXYGEN, 2, 0, "pbe"),
        (METHYL, 1, 0, "b3lyp"),
        (METHYL, 1, 0, "r2scan"),
        (METHYL, 1, 0, "tpss"),
        (WATER, 1, 1, "pbe0"),
    ],
)
def test_more_open_shells(atoms, spin, charge, name):
    check_energy(atoms, name, spin, charge)


def test_hydrogen_has_no_beta_electron():
    # libxc gives the absent spin a density of 1e-12, which shows at 1e-9 Hartree.
    check_energy([("H", (0.0, 0.0, 0.0))], "pbe", spin=1, atol=5e-9)


@pytest.mark.parametrize("name", ["lda,vwn", "hf"])
def test_density_fitting(name):
    from pyscf import df

    theirs = pyscf_field(WATER, "6-31g", name, grid=0, fit=True)
    auxiliary = "def2-universal-jkfit"
    theirs.with_df = df.DF(theirs.mol, auxiliary)
    theirs.kernel()
    ours = scf(molecule(WATER, "6-31g", grid=0, density_fit=auxiliary), xc(name))
    np.testing.assert_allclose(ours.energy, theirs.e_tot, atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", ["orbitals", "indefinite", "none"])
def test_fitted_exchange_by_orbitals(kind):
    ops = operators(molecule(WATER, "sto-3g", grid=0, density_fit=True), xc("hf"))
    z = np.random.default_rng(0).standard_normal((7, 3))
    density = {"orbitals": z @ z.T, "indefinite": z @ z.T - 2 * np.eye(7), "none": np.zeros((7, 7))}
    density = jnp.asarray(density[kind])

    def along_direction(k):
        return lambda p: jnp.sum(jnp.arange(49.0).reshape(7, 7) * k(p))

    ours = along_direction(lambda p: symmetric_exchange(ops, p))
    by_orbitals = jax.value_and_grad(ours)(density)
    by_density = jax.value_and_grad(along_direction(lambda p: exchange(ops, p)))(density)
    for found, expected in zip(by_orbitals, by_density, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["pbe0", "wb97x"])
@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("channels", [1, 2])
def test_one_matrix_of_coulomb_and_exchange(name, restricted, channels):
    """G is made for the spins of the molecule, and meets densities of either kind."""
    omega = xc(name).omega or None
    water = molecule(WATER, "sto-3g", grid=0, restricted=restricted, omega=omega)
    ops = operators(water, xc(name))
    half = np.random.default_rng(0).standard_normal((channels, 7, 7))
    density = jnp.asarray(half + half.swapaxes(1, 2))
    field = coulomb(ops, density.sum(0))[None] + exact_exchange(xc(name), ops, density)
    energy = ops.nuclear_energy + jnp.sum(density * (ops.core_hamiltonian[None] + 0.5 * field))
    found = mean_field(xc(name), ops, density)
    np.testing.assert_allclose(found[0], energy, rtol=1e-13)
    np.testing.assert_allclose(found[1], ops.core_hamiltonian[None] + field, rtol=1e-12, atol=1e-12)


def test_unrestricted_equals_restricted_for_a_closed_shell():
    water = molecule(WATER, "sto-3g", grid=0)
    both_spins = dataclasses.replace(water, spins="unrestricted")
    restricted, unrestricted = (scf(m, xc("svwn"), tolerance=1e-12) for m in (water, both_spins))
    np.testing.assert_allclose(unrestricted.energy, restricted.energy, atol=1e-10, rtol=0)
    total = unrestricted.density_matrix.sum(0)
    np.testing.assert_allclose(total, restricted.density_matrix, atol=1e-5)


@pytest.mark.parametrize(("spin", "name"), [(0, "pbe0"), (2, "b88,vwn")])
def test_fock_matrix_is_the_derivative_of_the_energy(spin, name):
    m = molecule(WATER, "sto-3g", grid=0, spin=spin)
    functional = xc(name)
    ops = operators(m, functional)
    channels = 2 if spin else 1
    density = jnp.stack([m.guess * (0.6, 0.4)[s] if spin else m.guess for s in range(channels)])

    @jax.jit
    def both(p):
        gradient = jax.grad(total_energy, argnums=3)(functional, None, ops, p)
        return fock_matrix(functional, None, ops, p), gradient

    fock, gradient = both(density)
    np.testing.assert_allclose(fock, 0.5 * (gradient + gradient.transpose(0, 2, 1)), atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("atoms", "options"),
    [
        (WATER, {"basis": "6-31g*", "cart": True}),
        ([("I", (0, 0, 0)), ("H", (0, 0, 1.61))], {"basis": "def2-svp", "ecp": "def2-svp"}),
        ([("Au", (0, 0, 0)), ("H", (0, 0, 1.52))], {"basis": "def2-svp", "ecp": "def2-svp"}),
        ([("O", (0, 0, 0)), ("H", (0, 0, 0.97))], {"basis": "6-31g", "charge": -1}),
        (OXYGEN, {"basis": "6-31g", "spin": 2, "unit": "B"}),
    ],
)
def test_moles_of_every_kind(atoms, options):
    """Cartesian functions, core potentials, heavy elements, charges and spins."""
    from pyscf import dft, gto

    if options.get("unit") == "B":
        atoms = [(s, tuple(np.array(x) / 0.529177210903)) for s, x in atoms]
    mol = gto.M(atom=atoms, verbose=0, **options)
    theirs: Any = (dft.UKS if mol.spin else dft.RKS)(mol)
    theirs.xc, theirs.grids.level, theirs.conv_tol = "pbe0", 0, 1e-12
    ours = scf(molecule(mol, grid=0), xc("pbe0"), tolerance=1e-12)
    np.testing.assert_allclose(ours.energy, theirs.kernel(), atol=1e-9, rtol=0)


def test_guesses_lead_to_the_same_field():
    water = molecule(WATER, "sto-3g", grid=0)
    functional = xc("svwn")
    first = scf(water, functional)
    core = scf(water, functional, guess="core")
    again = scf(water, functional, guess=first.density_matrix)
    np.testing.assert_allclose(core.energy, first.energy, atol=1e-9, rtol=0)
    assert int(again.steps) < int(first.steps)


# The orbitals of the first Fock matrix are those of the first step, whose error DIIS then knows.
def test_a_guess_of_orbitals_is_a_step_of_the_iteration():
    water = molecule(WATER, "6-31g*", grid=0)
    one_grid = dataclasses.replace(water, grid=dataclasses.replace(water.grid, coarse=None))
    functional = xc("svwn")
    base = fixed_density_hamiltonian(one_grid, functional, density_matrix=water.guess)
    first = hamiltonian_guess(one_grid, base)
    whole = scf(one_grid, functional)
    rest = scf(one_grid, functional, guess=first)
    assert int(rest.steps) == int(whole.steps) - 1
    np.testing.assert_allclose(rest.energy, whole.energy, atol=1e-11, rtol=0)
    # The least damping keeps the guess out of the extrapolation, which costs steps.
    apart = scf(one_grid, functional, guess=first, solver=DIIS(damping=1e-14))
    assert int(apart.steps) > int(rest.steps)


def test_non_convergence_is_flagged_or_raised():
    water, functional = molecule(WATER, "sto-3g", grid=0), xc("svwn")
    stopped = scf(water, functional, max_steps=2, throw=False)
    assert not bool(stopped.converged)
    assert np.isnan(jsci.dft.energy(functional, max_steps=2)(None, water))
    with pytest.raises(RuntimeError):
        scf(water, functional, max_steps=2)


def test_bad_input_is_explained():
    water = molecule(WATER, "sto-3g", grid=0)
    pbe = xc("pbe")
    with pytest.raises(ValueError, match="guess is 'sad'; allowed are 'minao', 'atoms', 'core'"):
        scf(water, pbe, guess="sad")
    with pytest.raises(ValueError, match=r"guess has shape \(3, 3\); allowed .* \(7, 7\)"):
        scf(water, pbe, guess=jnp.eye(3))
    for tolerance in (0.0, float("inf")):
        with pytest.raises(ValueError, match="tolerance must be positive"):
            scf(water, pbe, tolerance=tolerance)
    for steps in (0, 2.5, float("nan")):
        with pytest.raises(ValueError, match="max_steps must be a whole number from 1"):
            scf(water, pbe, max_steps=steps)
    with pytest.raises(TypeError, match=r"jsci.dft.xc\('pbe'\)|(?i:type-check)"):
        scf(water, "pbe")  # pyright: ignore[reportArgumentType]


def test_float32_is_refused():
    water = molecule(WATER, "sto-3g", grid=0)
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(ValueError, match="needs float64"):
            scf(water, xc("pbe"))
        with pytest.raises(ValueError, match="needs float64"):
            molecule(WATER, "sto-3g", grid=0)
    finally:
        jax.config.update("jax_enable_x64", True)


@pytest.mark.parametrize(
    ("count", "size", "gap"),
    [(1, 3, 0.5), (2, 3, 0.75), (0, 3, np.inf), (3, 3, np.inf), (2, 2, np.inf)],
)
def test_the_gap_is_that_of_real_orbitals(count, size, gap):
    """None if all are filled, or empty, or if what is empty only fills up a batch."""
    energies = jnp.array([-1.0, -0.5, 0.25])
    assert float(_gap(energies, count, size)) == gap
