"""The response with kept second derivatives is the linearisation of the Fock matrix."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import Functional, molecule, xc
from jaxsci.dft._scf.fock_response import fock_and_response
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.kohn_sham import fock_matrix

pytest.importorskip("pyscf")

HYDROXYL = [("O", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.83))]


def curved(params, features):
    """An energy of the Laplacian of the density too."""
    return params * features.rho * jnp.tanh(features.laplacian_a + features.tau_b)


FUNCTIONALS = {
    "svwn": xc("svwn"),
    "pbe": xc("pbe"),
    "b3lyp": xc("b3lyp"),
    "tpss": xc("tpss"),
    "laplacian": Functional(((1.0, curved),), "laplacian"),
    "hf": xc("hf"),
}
LONG = ("svwn", "b3lyp", "tpss")  # to compile


@pytest.fixture(scope="module", params=[1, -1], ids=["open", "closed"])
def system(request):
    spins = {1: {"spin": 1}, -1: {"charge": -1}}
    m = molecule(HYDROXYL, "sto-3g", unit="bohr", grid=0, **spins[request.param])
    density = m.guess[None] if m.restricted else jnp.stack([0.55 * m.guess, 0.45 * m.guess])
    change = jax.random.normal(jax.random.key(0), density.shape)
    return m, density, change + change.transpose(0, 2, 1)


@pytest.mark.parametrize(
    "name", ["pbe", "laplacian", "hf", *(pytest.param(n, marks=pytest.mark.slow) for n in LONG)]
)
def test_equals_the_linearisation(system, name):
    m, density, change = system
    functional = FUNCTIONALS[name]

    @eqx.filter_jit
    def both(m):
        ops = operators(m, functional)

        def fock_of(p):
            return fock_matrix(functional, jnp.array(0.1), ops, p)

        fock, response = fock_and_response(functional, jnp.array(0.1), ops, density)
        return (fock, response(change)), jax.jvp(fock_of, (density,), (change,))

    ours, plain = both(m)
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12 * float(jnp.abs(b).max()))
