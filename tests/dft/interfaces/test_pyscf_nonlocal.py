"""Functionals of the whole density in PySCF: the energies and potentials are those from here."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci

pytest.importorskip("pyscf")

WATER = "O 0 0 .1173; H 0 .7572 -.4692; H 0 -.7572 -.4692"
RADICAL = "N 0 0 0; H 0 .8 .65; H 0 -.8 .65"
PBE = jsci.dft.xc("pbe")


def skala():
    functional, params = jsci.dft.skala(
        key=jax.random.key(0), width=8, channels=2, lmax=1, layers=1
    )
    return functional, jax.tree.map(
        lambda x: x + 0.1 * jnp.cos(jnp.arange(x.size)).reshape(x.shape), params
    )


def contact(params, density):
    """A cheap energy that is no integral: the square of one, and of each atom's own points."""
    f = density.features
    local = density.weights * f.rho_a ** (4 / 3) + density.weights * f.rho_b ** (4 / 3)
    own = jax.ops.segment_sum(local, density.owner, len(density.coordinates))
    return -params * jnp.sum(own**2)


CONTACT = jsci.dft.nonlocal_functional(contact, level="lda")


def field(text, spin, functional, params, xc="lda"):
    from pyscf import dft, gto

    mol = gto.M(atom=text, basis="sto-3g", spin=spin, verbose=0)
    mf: Any = (dft.UKS if spin else dft.RKS)(mol, xc=xc)
    mf.grids.level, mf.conv_tol = 0, 1e-12
    mf._numint = jsci.dft.to_pyscf_xc(functional, params)
    return mf


@pytest.mark.slow
@pytest.mark.parametrize(("text", "spin"), [(WATER, 0), (RADICAL, 1)])
def test_skala_has_the_same_energy_in_pyscf(text, spin):
    functional, params = skala()
    m = jsci.dft.molecule(text, "sto-3g", spin=spin, grid=0)
    result = jsci.dft.scf(m, functional, params, tolerance=1e-11)
    mf = field(text, spin, functional, params).run()
    assert abs(mf.e_tot - result.energy) < 1e-8
    held = jsci.dft.to_pyscf(m, functional, result, params)
    assert abs(held.energy_tot() - result.energy) < 1e-9


def test_several_density_matrices_are_taken_one_by_one():
    from pyscf.dft import numint

    mf = field("H 0 0 0; He 0 0 .8", 1, CONTACT, jnp.array(0.3))
    mf.grids.build()
    ni, at = mf._numint, (mf.mol, mf.grids, "lda")
    p = np.random.default_rng(0).uniform(0.1, 0.4, (2, 3, 2, 2))
    n, energy, potential = ni.nr_uks(*at, p)
    for i in range(3):
        one = ni.nr_uks(*at, p[:, i])
        np.testing.assert_allclose(n[:, i], one[0], rtol=1e-12)
        np.testing.assert_allclose(energy[i], one[1], rtol=1e-12)
        np.testing.assert_allclose(potential[:, i], one[2], rtol=1e-12)
    np.testing.assert_allclose(n, numint.NumInt().nr_uks(*at, p)[0], rtol=1e-7)
    # Both spins alike are a closed shell, whose matrix is that of both together.
    total = ni.nr_rks(*at, 2 * p[0])
    both = ni.nr_uks(*at, np.stack([p[0], p[0]]))
    np.testing.assert_allclose(total[1], both[1], rtol=1e-12)
    np.testing.assert_allclose(total[2], both[2][0], rtol=1e-12)
    # The potential is the slope of the energy, by symmetric changes.
    h, change = 1e-5, np.array([[0.2, 0.5], [0.5, -0.3]])
    ends = [ni.nr_rks(*at, p[0, 0] + s * h * change)[1] for s in (1, -1)]
    slope = np.vdot(ni.nr_rks(*at, p[0, 0])[2], change)
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * h), rtol=1e-7)


def test_responses_are_differences_of_potentials():
    mf = field("H 0 0 0; He 0 0 .8", 1, CONTACT, jnp.array(0.3))
    mf.grids.build()
    ni, at = mf._numint, (mf.mol, mf.grids, "lda")
    change, h = np.array([[0.2, 0.5], [0.5, -0.3]]), 1e-5

    def difference(f, p, d):
        ends = [f(*at, p + s * h * d)[2] for s in (1, -1)]
        return (ends[0] - ends[1]) / (2 * h)

    c, n = np.array([[0.6, 0.7], [0.5, -0.8]]), np.array([[1.0, 1.0], [1.0, 0.0]])
    p = np.einsum("ik,sk,jk->sij", c, n, c)
    both = np.stack([change, -0.4 * change])
    kept = ni.cache_xc_kernel(*at, np.stack([c, c]), n, 1)
    found = ni.nr_uks_fxc(*at, None, both, 0, 1, *kept)
    np.testing.assert_allclose(found, difference(ni.nr_uks, p, both), rtol=1e-6)
    kept = ni.cache_xc_kernel(*at, c, np.array([2.0, 0.0]), 0)
    closed = 2 * np.outer(c[:, 0], c[:, 0])
    found = ni.nr_rks_fxc(*at, None, change, 0, 1, *kept)
    np.testing.assert_allclose(found, difference(ni.nr_rks, closed, change), rtol=1e-6)
    # PySCF halves the factor and gives the change of both spins together.
    rho, _, factor = ni.cache_xc_kernel(*at, c, np.array([2.0, 0.0]), 1)
    for singlet, sign in ((True, 1), (False, -1)):
        found = ni.nr_rks_fxc_st(*at, None, change, 1, singlet, rho, None, 0.5 * factor)
        both = np.stack([change, sign * change]) / 2
        expected = difference(ni.nr_uks, np.stack([closed, closed]) / 2, both)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_another_geometry_is_another_field():
    mf = field("H 0 0 0; H 0 0 .74", 0, CONTACT, jnp.array(0.3)).run()
    moved = mf.mol.set_geom_("H 0 0 0; H 0 0 1.0", inplace=False)
    again = mf.reset(moved).run()
    fresh = field("H 0 0 0; H 0 0 1.0", 0, CONTACT, jnp.array(0.3)).run()
    assert abs(again.e_tot - fresh.e_tot) < 1e-10


def test_other_weights_of_the_grid_are_seen():
    mf = field("H 0 0 0; H 0 0 .74", 0, CONTACT, jnp.array(0.3)).run()
    at = mf.mol, mf.grids, mf.xc, mf.make_rdm1()
    electrons, energy, _ = mf._numint.nr_rks(*at)
    mf.grids.weights *= 2
    # A functional of pairs of points has a weight for each.
    np.testing.assert_allclose(mf._numint.nr_rks(*at)[:2], [2 * electrons, 4 * energy], rtol=1e-12)


def test_what_pyscf_cannot_give_is_refused():
    f, params = jsci.pure(jsci.nn.MLP(5, 2, width=4, depth=1, key=jax.random.key(0)))
    hybrid = jsci.dft.local_hybrid(f)
    with pytest.raises(ValueError, match="no place for arrays of your own, .* needs the extra"):
        field("H 0 0 0; H 0 0 .74", 0, hybrid, params).run()
    with pytest.raises(ValueError, match="which PySCF would leave out"):
        jsci.dft.to_pyscf_xc(CONTACT + jsci.dft.d3("pbe"))
    half = CONTACT + 0.5 * jsci.dft.xc("hf")
    with pytest.raises(ValueError, match="set mf.xc = 'hf' before"):
        field("H 0 0 0; H 0 0 .74", 0, half, jnp.array(0.3)).run()
    mf = field("H 0 0 0; H 0 0 .74", 0, CONTACT, jnp.array(0.3)).run()
    with pytest.raises(ValueError, match="asks for the functional point by point"):
        mf.nuc_grad_method().kernel()
    with pytest.raises(ValueError, match="complex"):
        mf.get_veff(dm=mf.make_rdm1() * (1 + 1j))
    mf.grids.atm_idx = None
    mf.grids.coords = mf.grids.coords.copy()
    with pytest.raises(ValueError, match="do not say to which atoms they belong"):
        mf.get_veff(dm=mf.make_rdm1())


def test_extras_of_a_molecule_do_not_get_lost():
    m = jsci.dft.molecule("H 0 0 0; H 0 0 .74", "sto-3g", grid=0)
    result = jsci.dft.scf(m, CONTACT, jnp.array(0.3))
    with pytest.raises(ValueError, match=r"no place for the molecule's extras \('mine'\)"):
        jsci.dft.to_pyscf(m.with_extras(mine=jnp.ones(1)), CONTACT, result, jnp.array(0.3))
