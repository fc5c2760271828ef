"""D3 and D4 against simple-dftd3 and dftd4, alone, in batches, and as part of a functional."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dft.dispersion._structures import stacked, structures

import jaxsci as jsci
from jaxsci.dft import Dispersion, d3, d4, forces, molecule, scf, stack, xc
from jaxsci.dft._dispersion.models import Damping
from jaxsci.dft._dispersion.parameters import _TABLES

WATER = [("O", (0.0, 0.0, 0.12)), ("H", (0.0, 0.76, -0.47)), ("H", (0.1, -0.70, -0.50))]
FUNCTIONALS = (
    *("hf", "blyp", "bp86", "pbe", "revpbe", "pbesol", "tpss", "scan"),
    *("b3lyp", "pbe0", "hse06", "cam-b3lyp"),
)
# method, with three-body energy
METHODS = [("d3bj", False), ("d3bj", True), ("d3zero", False), ("d4", True), ("d4", False)]


def make(method, name, three_body):
    if method == "d4":
        return d4(name, three_body=three_body)
    return d3(name, "bj" if method == "d3bj" else "zero", three_body=three_body)


def reference(method, name, three_body, elements, positions, charge=0.0):
    """Energy and gradient by the program of the authors of the method."""
    package = pytest.importorskip(f"dft{method[:2]}.interface")
    kind = {"d3bj": "RationalDampingParam", "d3zero": "ZeroDampingParam", "d4": "DampingParam"}
    damping = getattr(package, kind[method])(method=name, atm=three_body)
    charged = {"charge": charge} if method == "d4" else {}
    model = package.DispersionModel(elements, positions, **charged)
    found = model.get_dispersion(damping, grad=True)
    return float(found["energy"]), found["gradient"]


@functools.cache
def program(method, three_body):
    """One program for all functionals: their parameters are arguments."""

    def energy(positions, elements, damping):
        return Dispersion("", method, damping, three_body).of_atoms(positions, elements)

    return jax.jit(jax.vmap(jax.value_and_grad(energy), in_axes=(0, 0, None)))


@pytest.mark.parametrize(("method", "three_body"), METHODS)
def test_equal_to_the_reference_program(method, three_body):
    """The bar is 1e-9 Hartree and 1e-8 Hartree/Bohr; both are at the limit of rounding."""
    elements, positions = stacked(structures())
    for name in FUNCTIONALS:
        damping = Damping(*map(float, make(method, name, three_body).damping))
        energies, gradients = program(method, three_body)(positions, elements, damping)
        for i, (z, x) in enumerate(structures()):
            energy, gradient = reference(method, name, three_body, z, x)
            np.testing.assert_allclose(energies[i], energy, rtol=0, atol=1e-12)
            np.testing.assert_allclose(gradients[i][: len(z)], gradient, rtol=0, atol=1e-12)
            assert not gradients[i][len(z) :].any()


@pytest.mark.parametrize("method", _TABLES)
def test_parameters_are_those_of_the_reference_program(method):
    z, x = structures()[3]
    for name in _TABLES[method]:
        three_body = method == "d4"
        theirs = {"slater": "slater-dirac-exchange"}.get(name, name.replace("-", ""))
        expected, _ = reference(method, theirs, three_body, z, x)
        damping = make(method, name, three_body).damping
        found, _ = program(method, three_body)(x[None], z[None], damping)
        np.testing.assert_allclose(found[0], expected, rtol=1e-12)


def test_many_atoms():
    rng = np.random.default_rng(1)
    cube = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3)
    x, z = 4.5 * cube + rng.uniform(-0.5, 0.5, cube.shape), rng.integers(1, 10, len(cube))
    for method in ("d3bj", "d4"):
        energy, gradient = jax.jit(jax.value_and_grad(make(method, "pbe", True).of_atoms))(x, z)
        expected = reference(method, "pbe", True, z, x)
        np.testing.assert_allclose(energy, expected[0], rtol=1e-12)
        np.testing.assert_allclose(gradient, expected[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["d3bj", "d3zero", "d4"])
def test_second_derivatives_are_those_of_the_gradient(method):
    z, x = map(jnp.asarray, structures()[2])
    gradient = jax.jit(jax.grad(make(method, "pbe", True).of_atoms))
    direction = jnp.asarray(np.random.default_rng(0).standard_normal(x.shape))
    _, along = jax.jvp(lambda r: gradient(r, z), (x,), (direction,))
    h = 1e-5
    difference = (gradient(x + h * direction, z) - gradient(x - h * direction, z)) / (2 * h)
    np.testing.assert_allclose(along, difference, rtol=0, atol=1e-10)


@pytest.mark.parametrize("charge", [-1.0, 1.0])
def test_d4_knows_the_charge(charge):
    z, x = structures()[0]
    expected, gradient = reference("d4", "pbe", True, z, x, charge)
    energy, slope = jax.value_and_grad(d4("pbe").of_atoms)(jnp.asarray(x), jnp.asarray(z), charge)
    np.testing.assert_allclose(energy, expected, rtol=1e-12)
    np.testing.assert_allclose(slope, gradient, rtol=0, atol=1e-12)
    assert abs(energy - d4("pbe").of_atoms(jnp.asarray(x), jnp.asarray(z))) > 1e-6


def test_molecules_bring_elements_and_charge():
    """A core potential leaves the element, and a hydroxide ion is charged."""
    hi = molecule([("H", (0, 0, 0)), ("I", (0, 0, 1.61))], "def2-svp", grid=0)
    hydroxide = molecule([("O", (0, 0, 0)), ("H", (0, 0, 0.97))], "sto-3g", charge=-1, grid=0)
    for m, z, charge in ((hi, [1, 53], 0.0), (hydroxide, [8, 1], -1.0)):
        for energy in (d3("pbe"), d4("pbe")):
            expected = energy.of_atoms(m.coordinates, jnp.array(z), charge)
            np.testing.assert_allclose(energy(m), expected, rtol=1e-14)


@pytest.mark.parametrize("method", ["d3bj", "d3zero", "d4"])
def test_positions_and_charges_that_are_nan_are_not_left_out(method):
    energy = jax.jit(make(method, "pbe", method == "d4").of_atoms)
    x, oxygen = jnp.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.3], [0.0, 2.1, 0.0]]), jnp.full(3, 8)
    assert np.isfinite(energy(x, oxygen, 0.0))
    assert np.isnan(energy(x.at[0, 0].set(jnp.nan), oxygen, 0.0))
    assert np.isnan(energy(jnp.full_like(x, jnp.nan), oxygen, 0.0))
    assert np.isnan(energy(x, oxygen, jnp.nan)) == (method == "d4")


def test_ghosts_and_padding_contribute_nothing():
    from pyscf import gto

    water = molecule(WATER, "sto-3g", grid=0)
    ghost = gto.M(atom=[*WATER, ("ghost-He", (0.0, 0.0, 2.0))], basis="sto-3g", verbose=0)
    batch = stack([water, molecule([("He", (0, 0, 0))], "sto-3g", grid=0)])
    for energy in (d3("pbe", three_body=True), d3("pbe", "zero"), d4("pbe")):
        alone = energy(water)
        np.testing.assert_allclose(energy(molecule(ghost, grid=0)), alone, rtol=1e-13)
        np.testing.assert_allclose(jsci.vmap(energy)(batch), [alone, 0.0], rtol=1e-13, atol=1e-20)


def test_a_functional_with_dispersion():
    water = molecule(WATER, "sto-3g", grid=0)
    energy = d4("pbe")
    added = scf(water, xc("pbe-d4")).energy - scf(water, xc("pbe")).energy
    np.testing.assert_allclose(added, energy(water), rtol=0, atol=1e-11)
    elements = water.libcint.elements
    expected = -jax.grad(energy.of_atoms)(water.coordinates, elements)
    change = forces(water, xc("pbe-d4")) - forces(water, xc("pbe"))
    np.testing.assert_allclose(change, expected, rtol=0, atol=1e-10)
    many = jsci.vmap(lambda m: scf(m, xc("pbe-d4"), throw=False).energy)(stack([water, water]))
    np.testing.assert_allclose(many, scf(water, xc("pbe-d4")).energy, rtol=0, atol=1e-9)


def test_functionals_with_dispersion_are_values():
    assert xc("PBE-D3(BJ)") == xc("pbe-d3(bj)") and hash(xc("b3lyp-d4")) == hash(xc("b3lyp-d4"))
    assert xc("b3lyp-d3bj") == (xc("b3lyp") + d3("b3lyp")).named("b3lyp-d3bj")
    half = 0.5 * xc("pbe-d3zero")
    assert half.nuclear_terms == ((0.5, d3("PBE", "zero")),)
    assert not xc("pbe-d4").semilocal


def test_bad_input_is_explained():
    with pytest.raises(
        ValueError, match="no d4 parameters are known for 'm06-2x'.*some for d3zero"
    ):
        d4("m06-2x")
    with pytest.raises(ValueError, match="Did you mean 'b3lyp'"):
        xc("svwn").named("x") + d3("b3lpy")
    with pytest.raises(ValueError, match="no d3bj parameters are known for 'wb97x-v'"):
        xc("wb97x-v-d3bj")
    with pytest.raises(ValueError, match="Did you mean 'pbe'"):
        xc("pbee-d3bj")
    with pytest.raises(ValueError, match="'d2' is no dispersion that is known.*-d3bj"):
        xc("pbe-d2")
    with pytest.raises(ValueError, match="damping is 'none'|type-check"):
        d3("pbe", "none")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="(?i)takes the name|type-check"):
        d3(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r'd3\("pbe"\) knows the elements 1 to 86.*got 92'):
        d3("pbe").of_atoms(jnp.zeros((1, 3)), jnp.array([92]))
    with pytest.raises(ValueError, match=r"knows the elements 1 to 86.*got -1"):
        d4("pbe").of_atoms(jnp.eye(3)[:2], jnp.array([-1, 6]))
    with pytest.raises((TypeError, ValueError), match=r"(?i)takes positions|type-check"):
        d4("pbe").of_atoms(jnp.zeros((2, 3)), jnp.array([1]))
    water = molecule(WATER, "sto-3g", grid=0)
    with pytest.raises(ValueError, match="takes one molecule, got a batch of 2"):
        d4("pbe")(stack([water, water]))
    beyond = jax.jit(d3("pbe").of_atoms)(jnp.arange(6.0).reshape(2, 3), jnp.array([92, 1]))
    assert np.isnan(beyond)
