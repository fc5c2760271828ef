"""The first steps of DIIS, against the equations of the textbooks, and their derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import molecule, scf, xc
from jaxsci.dft._basis.orthonormal import to_orthonormal
from jaxsci.dft._scf.equations import Equations
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.kohn_sham import electrons_per_orbital
from jaxsci.dft._scf.solvers.first_steps import first_gradients

pytest.importorskip("pyscf")

WATER = "O 0 0 .12; H 0 .76 -.47; H .1 -.75 -.45"


def problem(**options):
    m = molecule(WATER, "sto-3g", grid=0, **options)
    equations = Equations(xc("hf"), None, operators(m, xc("hf")))
    guess = m.guess.reshape(-1, m.size, m.size)
    density = jnp.broadcast_to(guess, (m.spins.channels, *guess.shape[1:]))
    occupied = to_orthonormal(density, m.overlap, m.dependent) / electrons_per_orbital(density)
    return equations, occupied


def textbook(equations, occupied, steps):
    """Pulay's bordered equations, for orbitals of each spin."""
    focks, errors, norms = [], [], []
    for _ in range(steps):
        fock = np.asarray(equations.fock(jnp.asarray(occupied)))
        focks.append(fock)
        errors.append(fock @ occupied - occupied @ fock)
        norms.append(np.linalg.norm(errors[-1]))
        k = len(focks)
        bordered = np.ones((k + 1, k + 1))
        bordered[:k, :k] = np.einsum("asij,bsij->ab", errors, errors)
        bordered[k, k] = 0
        scale = bordered[k - 1, k - 1]
        bordered[:k, :k] /= scale
        c = np.linalg.solve(bordered, np.eye(k + 1)[k])[:k]
        mixed = np.einsum("a,asij->sij", c, focks)
        vectors = np.linalg.eigh(mixed)[1]
        counts = np.asarray(equations.ops.counts)
        occupied = np.stack([v[:, :n] @ v[:, :n].T for v, n in zip(vectors, counts, strict=True)])
    return norms


@pytest.mark.parametrize("options", [{}, {"charge": 1, "spin": 1}], ids=["closed", "open"])
def test_steps_are_those_of_the_textbooks(options):
    equations, occupied = problem(**options)
    found = jax.jit(first_gradients, static_argnums=2)(equations, occupied, 5)
    np.testing.assert_allclose(found, textbook(equations, np.asarray(occupied), 5), rtol=1e-6)
    assert found[-1] < 0.01 * found[0]


@pytest.mark.parametrize(
    "options", [{}, {"charge": 1, "spin": 1, "restricted": True}], ids=["closed", "shared orbitals"]
)
def test_derivative_is_that_of_differences(options):
    equations, occupied = problem(**options)
    turn = jax.random.normal(jax.random.key(0), occupied.shape[1:])
    turn = 0.1 * (turn - turn.T)

    @jax.jit
    def left(angle):
        u = jax.scipy.linalg.expm(angle * turn)
        return jnp.sum(first_gradients(equations, u @ occupied @ u.T, 3))

    h = 1e-5
    difference = (left(0.5 + h) - left(0.5 - h)) / (2 * h)
    np.testing.assert_allclose(jax.jit(jax.grad(left))(0.5), difference, rtol=1e-7)


def test_a_solution_leaves_nothing_to_do_and_has_a_derivative():
    """All errors vanish there, and with them what DIIS divides by."""
    m = molecule(WATER, "sto-3g", grid=0)
    solved = scf(m, xc("hf"), tolerance=1e-14)
    equations, _ = problem()
    occupied = 0.5 * to_orthonormal(solved.density_matrix, m.overlap, m.dependent)[None]
    left = jax.jit(jax.value_and_grad(lambda p: jnp.sum(first_gradients(equations, p, 3))))
    value, slope = left(occupied)
    np.testing.assert_allclose(value, 0, atol=1e-6)
    assert jnp.isfinite(slope).all()
