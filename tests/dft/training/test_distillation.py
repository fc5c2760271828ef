"""Orbital derivatives of one functional that train another: differences, recovery, bad input."""

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import DIIS, derivative_error, molecule, reference_derivatives, scf, xc
from jaxsci.dft._scf.equations import Equations
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._training.distillation import _projectors

pytest.importorskip("pyscf")

KEY = jax.random.key(0)
LDA = jsci.dft.neural_exchange(lambda w, d: 1 + w[0] + w[1] * d[0], level="lda")
TRUTH, START = jnp.array([0.05, 0.1]), jnp.zeros(2)


@pytest.fixture(scope="module")
def molecules():
    h2 = "H 0 0 0; H 0 0 .74"
    return [molecule("He 0 0 0", "6-31g", grid=0), molecule(h2, "6-31g", grid=0)]


@pytest.fixture(scope="module")
def data(molecules):
    return reference_derivatives(molecules, LDA, TRUTH, rotations=3, key=KEY, tolerance=1e-13)


def energies_along(sample, functional, params):
    """E(t) of the orbitals turned by exp t (K - Kᵀ), for the first rotation K."""
    m = sample.molecule
    equations = Equations(functional, params, operators(m, functional))
    occupied, turn = _projectors(m, sample.density), sample.rotations[0]

    def energy(t):
        u = jax.vmap(jsl.expm)(t * (turn - turn.transpose(0, 2, 1)))
        return equations.energy(u @ occupied @ u.transpose(0, 2, 1))

    return jax.jit(energy)


@pytest.mark.parametrize("params", [TRUTH, START], ids=["at the minimum", "elsewhere"])
def test_derivatives_are_those_of_the_energy_along_a_rotation(data, params):
    sample = jax.tree.map(lambda x: x[1], data)
    energy, h = energies_along(sample, LDA, params), 1e-3
    up, here, down = energy(h), energy(0.0), energy(-h)
    blank = jax.tree.map(jnp.zeros_like, (sample.energy, sample.gradient, sample.curvature))
    zero = type(sample)(sample.molecule, sample.density, sample.rotations, *blank)

    def term(name):
        weights = {"energy": 0.0, "gradient": 0.0, "curvature": 0.0} | {name: 1.0}
        return derivative_error(LDA, **weights)(params, zero)

    n = sample.molecule.size
    gradient = term("gradient").reshape(1, n, n)
    curvature = np.sqrt(3) * term("curvature").reshape(3, 1, n, n)
    turn = sample.rotations[0]
    # Two electrons in each orbital, and a rotation changes both Π's sides.
    np.testing.assert_allclose(4 * jnp.sum(turn * gradient), (up - down) / (2 * h), atol=1e-6)
    second = (up - 2 * here + down) / h**2
    np.testing.assert_allclose(4 * jnp.sum(turn * curvature[0]), second, rtol=1e-5)
    np.testing.assert_allclose(term("energy")[0], here, atol=1e-11)


def test_a_functional_is_its_own_reference(data):
    error = jax.jit(jax.vmap(derivative_error(LDA), (None, 0)))
    np.testing.assert_allclose(error(TRUTH, data), 0, atol=1e-7)
    assert (jnp.linalg.norm(error(START, data), axis=1) > 1e-3).all()
    np.testing.assert_allclose(jnp.linalg.norm(data.rotations.reshape(2, 3, -1), axis=2), 1)


def test_padding_adds_no_error(data, molecules):
    alone = reference_derivatives(molecules[:1], LDA, TRUTH, rotations=3, key=KEY, tolerance=1e-13)
    padded = jax.tree.map(lambda x: x[0], data)
    n = molecules[0].size
    np.testing.assert_allclose(padded.energy, alone.energy[0], atol=1e-10)
    for name in ("gradient", "curvature", "rotations"):
        assert not getattr(padded, name)[..., n:, :].any()
        assert not getattr(padded, name)[..., :, n:].any()


def test_one_molecule_teaches_a_functional(data):
    one = jax.tree.map(lambda x: x[1:], data)
    loss = jsci.objective({"truth": derivative_error(LDA)}, batch_size=1)
    found = jsci.fit(
        loss, START, {"truth": one}, jsci.levenberg_marquardt(), steps=6, progress=False
    )
    np.testing.assert_allclose(found.params, TRUTH, atol=1e-6)


@pytest.mark.slow
def test_derivative_in_the_parameters_is_that_of_differences(data):
    sample = jax.tree.map(lambda x: x[1], data)
    size = jax.jit(lambda w: jnp.sum(derivative_error(LDA)(w, sample) ** 2))
    along, h = jnp.array([1.0, -0.5]), 1e-5
    difference = (size(START + h * along) - size(START - h * along)) / (2 * h)
    np.testing.assert_allclose(jax.grad(size)(START) @ along, difference, rtol=1e-6)


@pytest.mark.slow
def test_open_shells_and_hybrids_have_the_curvature_of_their_energy():
    water = molecule("O 0 0 .1; H 0 .8 -.5; H .1 -.8 -.4", "sto-3g", charge=1, spin=1, grid=0)
    data = reference_derivatives([water], xc("b3lyp"), rotations=1, key=KEY, tolerance=1e-13)
    sample = jax.tree.map(lambda x: x[0], data)
    energy, h = energies_along(sample, xc("b3lyp"), None), 1e-3
    second = (energy(h) - 2 * energy(0.0) + energy(-h)) / h**2
    np.testing.assert_allclose(
        2 * jnp.sum(sample.rotations[0] * sample.curvature[0]), second, rtol=1e-5
    )
    np.testing.assert_allclose(sample.energy, scf(water, xc("b3lyp")).energy, atol=1e-8)


def test_bad_input_is_explained(molecules):
    with pytest.raises(ValueError, match="rotations is 0"):
        reference_derivatives(molecules, LDA, TRUTH, rotations=0, key=KEY)
    with pytest.raises(ValueError, match="takes no temperature"):
        reference_derivatives(molecules, LDA, TRUTH, key=KEY, solver=DIIS(temperature=0.01))
    lithium = molecule("Li 0 0 0", "sto-3g", spin=1, restricted=True, grid=0)
    with pytest.raises(ValueError, match="no restricted open shells"):
        reference_derivatives([lithium], LDA, TRUTH, key=KEY)
    with pytest.raises(RuntimeError, match="did not converge for molecule 0, 1"):
        reference_derivatives(molecules, LDA, TRUTH, key=KEY, max_steps=1)
    with pytest.raises(ValueError, match="one of them positive"):
        derivative_error(LDA, energy=0, gradient=0, curvature=0)
