"""Dipoles, charges and polarisabilities against PySCF and finite differences."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import dipole, molecule, mulliken_charges, polarisability, scf, stack, xc

pytest.importorskip("pyscf")

# Turned, so that no component vanishes.
WATER = [("O", (0.1, 0.2, 0.1)), ("H", (0.3, 0.9, -0.5)), ("H", (-0.2, -0.6, -0.4))]
CYANIDE = [("C", (0.0, 0.0, 0.0)), ("N", (0.0, 0.1, 1.17))]


def pyscf_field(atoms, spin, functional, strength=(0.0, 0.0, 0.0)) -> Any:
    from pyscf import dft, gto

    mol = gto.M(atom=atoms, basis="6-31g", spin=spin, verbose=0)
    field: Any = (dft.UKS if spin else dft.RKS)(mol)
    field.xc, field.grids.level, field.conv_tol = functional, 0, 1e-13
    field.conv_tol_grad = 1e-8
    core = field.get_hcore() + np.tensordot(strength, mol.intor("int1e_r"), 1)
    field.get_hcore = lambda *_: core
    field.kernel()
    return field


@pytest.mark.parametrize(("atoms", "spin"), [(WATER, 0), (CYANIDE, 1)])
def test_dipole_and_charges_equal_pyscf(atoms, spin):
    theirs = pyscf_field(atoms, spin, "lda,vwn")
    m = molecule(atoms, "6-31g", spin=spin, grid=0)
    density = scf(m, xc("svwn"), tolerance=1e-14).density_matrix
    expected = theirs.dip_moment(unit="AU", verbose=0)
    np.testing.assert_allclose(dipole(m, density), expected, atol=1e-6)
    charges = mulliken_charges(m, density)
    np.testing.assert_allclose(charges, theirs.mulliken_pop(verbose=0)[1], atol=1e-6)
    np.testing.assert_allclose(charges.sum(), 0, atol=1e-12)


@pytest.mark.parametrize("functional", ["hf", pytest.param("pbe", marks=pytest.mark.slow)])
def test_polarisability_equals_differences_of_pyscf(functional):
    alpha = polarisability(molecule(WATER, "6-31g", grid=0), xc(functional))

    def moment(strength):
        return pyscf_field(WATER, 0, functional, strength).dip_moment(unit="AU", verbose=0)

    h = 2e-3
    for k, direction in enumerate(h * np.eye(3)):
        near = (moment(direction) - moment(-direction)) / (2 * h)
        far = (moment(2 * direction) - moment(-2 * direction)) / (4 * h)
        np.testing.assert_allclose(alpha[:, k], (4 * near - far) / 3, atol=1e-5)
    np.testing.assert_allclose(alpha, alpha.T, atol=1e-8)


def test_polarisability_of_an_open_shell_is_the_second_derivative_of_the_energy():
    m = molecule([("O", (0.0, 0.0, 0.0)), ("O", (0.0, 0.0, 1.21))], "sto-3g", spin=2, grid=0)
    alpha = polarisability(m, xc("hf"))

    def in_field(strength):
        core = m.core_hamiltonian + strength * m.dipole_integrals[2]
        changed = eqx.tree_at(lambda t: t.core_hamiltonian, m, core)
        return scf(changed, xc("hf"), tolerance=1e-14, throw=False).energy

    energy, h = jax.jit(in_field), 5e-3
    second = (energy(h) - 2 * energy(0.0) + energy(-h)) / h**2
    np.testing.assert_allclose(alpha[2, 2], -second, rtol=1e-4)


@pytest.mark.slow
def test_polarisability_has_a_derivative_by_parameters():
    m = molecule([("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.74))], "6-31g", grid=0)

    def functional(p, f):
        return p * xc("slater")(None, f)

    mean = jax.jit(lambda p: jnp.trace(polarisability(m, functional, p, throw=False)))
    difference = (mean(1.001) - mean(0.999)) / 2e-3
    np.testing.assert_allclose(jax.jit(jax.grad(mean))(1.0), difference, rtol=1e-5)


def test_padding_adds_no_charge():
    helium = molecule([("He", (0.0, 0.0, 1.0))], "sto-3g", grid=0)
    hydride = molecule([("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.6))], "sto-3g", grid=0)

    def properties(m):
        density = scf(m, xc("hf"), tolerance=1e-14, throw=False).density_matrix
        return dipole(m, density), mulliken_charges(m, density)

    moments, charges = jax.jit(jax.vmap(properties))(stack([helium, hydride]))
    np.testing.assert_allclose(moments[0], 0, atol=1e-12)
    np.testing.assert_allclose(charges[0], 0, atol=1e-12)
    alone = properties(hydride)
    np.testing.assert_allclose(moments[1], alone[0], atol=1e-7)
    np.testing.assert_allclose(charges[1], alone[1], atol=1e-7)


def test_bad_input_is_explained():
    helium = molecule([("He", (0.0, 0.0, 0.0))], "6-31g", grid=0)
    with pytest.raises(ValueError, match=r"shape \(3, 3\); allowed .* \(2, 2\) and \(2, 2, 2\)"):
        dipole(helium, jnp.eye(3))
    assert bool(jnp.all(jnp.isnan(polarisability(helium, xc("hf"), max_steps=1, throw=False))))
