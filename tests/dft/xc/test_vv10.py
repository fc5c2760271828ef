"""Nonlocal correlation against PySCF, and against the double sum written out."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import forces, molecule, scf, xc
from jaxsci.dft._xc.vv10 import _pair_energy

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.7572, -0.4692)), ("H", (0.0, -0.7572, -0.4692))]
IMIDOGEN = [("N", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.04))]


def pyscf_field(atoms, spin, functional, nlc) -> Any:
    from pyscf import dft, gto

    mol = gto.M(atom=atoms, basis="sto-3g", spin=spin, verbose=0)
    field: Any = (dft.UKS if spin else dft.RKS)(mol)
    field.xc, field.nlc, field.conv_tol = functional, nlc, 1e-12
    field.grids.level = field.nlcgrids.level = 0
    field.kernel()
    return field


def test_open_shell_as_a_term_of_its_own():
    theirs = pyscf_field(IMIDOGEN, 2, "svwn", "vv10").e_tot
    m = molecule(IMIDOGEN, "sto-3g", spin=2, grid=0)
    ours = scf(m, xc("svwn") + xc("vv10"), tolerance=1e-12).energy
    np.testing.assert_allclose(ours, theirs, atol=1e-9, rtol=0)


@pytest.mark.slow
def test_range_separated_with_forces():
    theirs = pyscf_field(WATER, 0, "wb97x-v", "")
    functional = xc("wb97x-v")
    m = molecule(WATER, "sto-3g", grid=0, omega=functional.omega)
    energy = scf(m, functional, tolerance=1e-12).energy
    np.testing.assert_allclose(energy, theirs.e_tot, atol=1e-9, rtol=0)
    gradient = theirs.nuc_grad_method()
    gradient.grid_response = True
    np.testing.assert_allclose(forces(m, functional), -gradient.kernel(), atol=1e-6)


def double_sum(points, electrons, omega, kappa):
    r2 = jnp.sum((points[:, None] - points[None]) ** 2, axis=-1)
    g = omega[:, None] * r2 + kappa[:, None]
    return 0.5 * electrons @ (-1.5 / (g * g.T * (g + g.T))) @ electrons


def test_pairs_and_their_derivatives_equal_the_double_sum():
    rng = np.random.default_rng(0)
    n = 70  # more than a block
    x = tuple(map(jnp.asarray, (rng.normal(size=(n, 3)), *rng.uniform(0.5, 2.0, (3, n)))))
    change = tuple(jnp.asarray(rng.normal(size=a.shape)) for a in x)

    def orders(f):
        gradient = jax.grad(lambda a: f(*a))
        return f(*x), gradient(x), jax.jvp(gradient, (x,), (change,))[1]

    ours, naive = (jax.jit(lambda f=f: orders(f))() for f in (_pair_energy, double_sum))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(naive), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12 * float(jnp.abs(b).max()))
