"""Implicit derivatives against finite differences, degenerate orbitals included."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import DIIS, energy, molecule, neural_functional, scf, stack, xc
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.kohn_sham import total_energy
from jaxsci.dft._scf.projector import occupied_projector
from jaxsci.dft._scf.response import solve_or_nan

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.7572, -0.4692)), ("H", (0.0, -0.7572, -0.4692))]
NITROGEN = [("N", (0.0, 0.0, 0.0)), ("N", (0.0, 0.0, 1.1))]
d = 1.087 / np.sqrt(3)
METHANE = [("C", (0.0, 0.0, 0.0))] + [
    ("H", (d * x, d * y, d * x * y)) for x in (1, -1) for y in (1, -1)
]

FORMALDEHYDE = [
    ("O", (0.0, 0.0, 0.6744)),
    ("C", (0.0, 0.0, -0.5278)),
    ("H", (0.0, 0.9362, -1.1121)),
    ("H", (0.0, -0.9362, -1.1121)),
]


def network(params, descriptors):
    return 0.1 * params["out"] @ jnp.tanh(params["in"] @ descriptors + params["bias"])


def parameters(key):
    k = jax.random.split(key, 3)
    return {
        "in": jax.random.normal(k[0], (4, 3)),
        "bias": jax.random.normal(k[1], (4,)),
        "out": jax.random.normal(k[2], (4,)),
    }


def difference(f, x, direction, h):
    """Fourth-order central difference of a tuple-valued function along a direction."""

    def at(s):
        return f(jax.tree.map(lambda a, b: a + s * b, x, direction))

    near = jax.tree.map(lambda a, b: (a - b) / (2 * h), at(h), at(-h))
    far = jax.tree.map(lambda a, b: (a - b) / (4 * h), at(2 * h), at(-2 * h))
    return jax.tree.map(lambda a, b: (4 * a - b) / 3, near, far)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("atoms", "charge"),
    [(WATER, 0), (NITROGEN, 0), (METHANE, 0), (FORMALDEHYDE, 0), (WATER, 1)],
)
def test_parameters_of_a_neural_functional(atoms, charge, key):
    m = molecule(atoms, "6-31g", spin=charge, charge=charge, grid=0)
    functional = neural_functional(network)
    params = parameters(key)
    direction = jax.tree.map(jnp.ones_like, params)

    def properties(p):
        r = scf(m, functional, p, tolerance=1e-17, throw=False)
        return r.energy, jnp.sum(r.density_matrix**2)

    solve = jax.jit(properties)
    expected = difference(solve, params, direction, 1e-3)
    for i in (0, 1):
        gradient = jax.jit(jax.grad(lambda p, i=i: properties(p)[i]))(params)
        along = sum(map(jnp.vdot, jax.tree.leaves(gradient), jax.tree.leaves(direction)))
        np.testing.assert_allclose(along, expected[i], rtol=1e-6)
    _, forward = jax.jit(lambda p: jax.jvp(properties, (p,), (direction,)))(params)
    np.testing.assert_allclose(jnp.stack(forward), jnp.stack(expected), rtol=1e-6)


@pytest.mark.slow
def test_energy_of_a_hole_in_a_degenerate_level(key):
    """NO: every parameter's field must start from this one, or its hole may lie elsewhere."""
    m = molecule([("N", (0.0, 0.0, 0.0)), ("O", (0.0, 0.0, 1.151))], "6-31g", spin=1, grid=0)
    functional, params = neural_functional(network), parameters(key)
    start = scf(m, functional, params, tolerance=1e-17, throw=False).density_matrix

    def total(s):
        p = jax.tree.map(lambda a: a + s, params)
        return scf(m, functional, p, guess=start, tolerance=1e-17, throw=False).energy

    expected = difference(jax.jit(total), jnp.asarray(0.0), jnp.asarray(1.0), 2e-3)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(0.0), expected, rtol=1e-8)


def test_density_of_degenerate_nitrogen(key):
    m = molecule(NITROGEN, "sto-3g", grid=0)

    def functional(p, f):
        return xc("slater")(None, f) * (1 + p * f.rho / (1 + f.rho))

    def spread(p):
        r = scf(m, functional, p, tolerance=1e-17, throw=False)
        return jnp.sum(r.density_matrix**2)

    p = jnp.asarray(0.1)
    expected = difference(jax.jit(spread), p, jnp.asarray(1.0), 1e-3)
    np.testing.assert_allclose(jax.jit(jax.grad(spread))(p), expected, rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.0, pytest.param(0.05, marks=pytest.mark.slow)])
def test_the_energy_alone_responds_in_its_second_derivative(temperature):
    """Its program traces the response of the orbitals only where that is asked for."""
    m = molecule([("He", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.8))], "sto-3g", charge=1, grid=0)

    def functional(p, f):
        return xc("slater")(None, f) * (1 + p * f.rho / (1 + f.rho))

    kernel = energy(functional, tolerance=1e-15, solver=DIIS(temperature=temperature))
    slope, p = jax.jit(jax.grad(kernel)), jnp.asarray(0.1)
    expected = difference(lambda p: slope(p, m), p, jnp.asarray(1.0), 1e-2)
    np.testing.assert_allclose(jax.jit(jax.grad(jax.grad(kernel)))(p, m), expected, rtol=1e-6)


def test_hellmann_feynman_and_polarisability():
    """First and second derivatives with respect to a molecule's array: a static electric field."""
    m = molecule(WATER, "sto-3g", grid=0)
    f = energy(xc("svwn"), tolerance=1e-16)

    def in_field(strength):
        core = m.core_hamiltonian + strength * m.dipole_integrals[2]
        return f(None, eqx.tree_at(lambda t: t.core_hamiltonian, m, core))

    slope, zero = jax.jit(jax.grad(in_field)), jnp.asarray(0.0)
    density = scf(m, xc("svwn"), tolerance=1e-16).density_matrix
    np.testing.assert_allclose(slope(zero), jnp.sum(density * m.dipole_integrals[2]), rtol=1e-8)
    second = jax.jit(jax.grad(jax.grad(in_field)))(zero)
    np.testing.assert_allclose(second, difference(slope, zero, jnp.asarray(1.0), 1e-3), rtol=1e-6)


def test_kernel_of_energies_equals_kernel_at_fixed_density(key):
    """Stationarity: the orbitals' response does not enter the tangent kernel of the energy."""
    molecules = [
        molecule([("He", (0, 0, 0)), ("He", (0, 0, r))], "6-31g", grid=0) for r in (1.0, 1.5, 2.5)
    ]
    batch, functional, params = stack(molecules), neural_functional(network), parameters(key)
    f = energy(functional, tolerance=1e-20)
    kernel = jax.jit(lambda p: jsci.gram(f, p, batch))(params)
    densities = jsci.vmap(
        lambda m: scf(m, functional, params, tolerance=1e-20, throw=False).density_matrix
    )(batch)

    def at_fixed_density(p, x):
        m, density = x
        return total_energy(functional, p, operators(m, functional), density[None])

    fixed = jax.jit(lambda p: jsci.gram(at_fixed_density, p, (batch, densities)))(params)
    assert kernel.shape == (3, 3)
    np.testing.assert_allclose(kernel, fixed, rtol=1e-10)


def test_projector_derivative_with_degeneracy():
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    fock = jnp.asarray(q @ np.diag([-2.0, -1.0, -1.0, 0.5, 0.5, 2.0]) @ q.T)
    change = jnp.asarray(rng.normal(size=(6, 6)))
    change = change + change.T

    def f(a):
        return occupied_projector(a, jnp.asarray(3))

    _, tangent = jax.jvp(f, (fock,), (change,))
    np.testing.assert_allclose(tangent, difference(f, fock, change, 1e-3), atol=1e-9)


def test_there_is_no_response_along_a_flat_or_falling_direction():
    """CG also solves A x = b where A is negative, as at a saddle point: a finite, wrong answer."""
    b = jnp.array([1.0, 1.0])
    for curvature, exists in ((2.0, True), (1e-4, False), (-2.0, False)):
        diagonal = jnp.array([curvature, curvature])
        x = solve_or_nan(lambda x, d=diagonal: d * x, b, preconditioner=lambda x: x)
        np.testing.assert_allclose(x, b / diagonal if exists else b * jnp.nan)
