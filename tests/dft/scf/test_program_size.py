"""Compiling costs what the program is long: how many equations an SCF and its derivatives have."""

import jax
import jax.numpy as jnp
import pytest
from jax.extend import core

import jaxsci as jsci
from jaxsci.dft import molecule, neural_functional, scf, xc

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.757, -0.4692)), ("H", (0.0, -0.757, -0.4692))]


def equations(f, *args):
    """The number of equations, those of a program that is called several times counted once."""
    seen = set()

    def count(jaxpr):
        if id(jaxpr) in seen:
            return 0
        seen.add(id(jaxpr))
        inner = (j for e in jaxpr.eqns for j in core.jaxprs_in_params(e.params))
        return len(jaxpr.eqns) + sum(map(count, inner))

    closed = jax.make_jaxpr(f)(*args)
    return count(closed.jaxpr)


@pytest.fixture(scope="module")
def water():
    return molecule(WATER, "def2-svp", grid=3)


@pytest.mark.parametrize(("name", "most"), [("lda,vwn", 1385), ("pbe", 1721), ("r2scan", 2272)])
def test_one_copy_of_the_work_on_the_grids(water, name, most):
    assert equations(lambda m: scf(m, xc(name), throw=False), water) <= most


@pytest.mark.parametrize(
    ("value", "most"),
    [(lambda r: r.energy, 4346), (lambda r: jnp.sum(r.density_matrix**2), 5927)],
    ids=["energy", "density"],
)
def test_gradients_share_what_the_solution_has(water, value, most, key):
    network = jsci.nn.MLP(3, "scalar", width=8, depth=2, key=key, dtype=float)
    f, params = jsci.pure(network)
    functional = neural_functional(f)

    def gradient(p):
        return jax.grad(lambda p: value(scf(water, functional, p, throw=False)))(p)

    assert equations(gradient, params) <= most


def test_a_gradient_of_the_energy_alone_has_no_response_of_the_orbitals(water, key):
    f, params = jsci.pure(jsci.nn.MLP(3, "scalar", width=8, depth=2, key=key, dtype=float))
    kernel = jsci.dft.energy(neural_functional(f))
    assert equations(jax.grad(kernel), params, water) <= 2346
