"""Functionals that are not local: right Fock matrices, derivatives, batches and errors."""

import dataclasses
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import (
    dispersion_tail,
    feature_functional,
    fixed_density_energy,
    force_error,
    forces,
    harris_energy,
    local_hybrid,
    message_functional,
    message_size,
    molecule,
    nonlocal_functional,
    scf,
    stack,
    training_batch,
    weighted_functional,
    with_pair_potentials,
    xc,
)
from jaxsci.dft._xc.slater import slater

pytest.importorskip("pyscf")

RANGES = (None, 0.4)
# All the exact exchange, the long range counted once more and taken off again by weight w.
EXACT = local_hybrid(lambda w, d: jnp.stack([0.0 * d[0], 1.0 + 0 * d[0], w * d[0]]), ranges=RANGES)


def lih(distance=1.6):
    return molecule([("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, distance))], "sto-3g", grid=3)


@pytest.fixture(scope="module")
def batch():
    hydrogen = molecule([("H", (0.0, 0.0, 0.0))], "sto-3g", spin=1, grid=3)
    return stack([with_pair_potentials(m, RANGES) for m in (lih(), hydrogen)])


@pytest.fixture(scope="module")
def solve(batch):
    def both(functional, weight):
        def one(m):
            r = scf(m, functional, weight, tolerance=1e-13, throw=False)
            return r.energy, r.density_matrix

        return jax.vmap(one)(batch)

    return jax.jit(both, static_argnums=0)


# Both spins, a closed and an open shell; the grid integrates to some 1e-6 Hartree at level 3.
def test_a_local_hybrid_of_nothing_but_exact_exchange_is_hartree_fock(solve):
    energy, density = solve(EXACT, jnp.array(0.0))
    expected, expected_density = solve(xc("hf"), jnp.array(0.0))
    np.testing.assert_allclose(energy, expected, atol=3e-6)
    np.testing.assert_allclose(density, expected_density, atol=3e-5)


@pytest.mark.slow
def test_derivatives_of_energy_and_density(solve):
    f = jax.jit(lambda w: jnp.stack([jnp.sum(x**2) for x in solve(EXACT, w)]))
    w, h = jnp.array(0.05), 1e-3
    _, slope = jax.jvp(f, (w,), (1.0,))
    np.testing.assert_allclose(slope, (f(w + h) - f(w - h)) / (2 * h), rtol=1e-5)


# Small, for differences; the nonlinear share sees both ranges.
MIXED = xc("pbe_c") + local_hybrid(
    lambda w, d: jnp.stack([1.0 - w * d[3], w * d[3], 0.2 * w * d[4]]), ranges=RANGES
)


@pytest.mark.slow
@pytest.mark.parametrize(("charge", "spin"), [(0, 0), (1, 1)])
def test_forces_of_a_local_hybrid_are_those_of_differences(charge, spin):
    def at(x):
        atoms = [("Li", (0.0, 0.0, 0.0)), ("H", (0.3, 0.1, 3.0 + x))]
        m = molecule(atoms, "sto-3g", unit="bohr", charge=charge, spin=spin, grid=0)
        return with_pair_potentials(m, RANGES)

    weight = jnp.array(0.7)
    energy = jax.jit(lambda m: scf(m, MIXED, weight, tolerance=1e-13, throw=False).energy)
    h = 1e-3
    found = forces(at(0.0), MIXED, weight, tolerance=1e-13)
    difference = -(energy(at(h)) - energy(at(-h))) / (2 * h)
    np.testing.assert_allclose(found[1, 2], difference, atol=2e-7)
    np.testing.assert_allclose(jnp.sum(found, axis=0), 0, atol=1e-10)


@pytest.mark.slow
def test_forces_of_a_batch_of_local_hybrids(batch):
    found = jax.vmap(lambda m: forces(m, MIXED, jnp.array(0.7), throw=False))(batch)
    alone = forces(with_pair_potentials(lih(), RANGES), MIXED, jnp.array(0.7))
    np.testing.assert_allclose(found[0], alone, atol=1e-9)
    np.testing.assert_allclose(found[1], 0, atol=1e-9)


def test_pair_potentials_of_another_geometry_are_refused():
    m, weight = with_pair_potentials(lih(), RANGES), jnp.array(0.7)
    stale = lih(1.7).with_extras(**m.extras)
    with pytest.raises(ValueError, match=r"of another geometry, .* up to 0\.189 Bohr"):
        scf(stale, MIXED, weight)
    with pytest.raises(ValueError, match=r"another geometry.*with_pair_potentials"):
        forces(stale, MIXED, weight)
    with pytest.raises(ValueError, match=r"another geometry.*with_pair_potentials"):
        fixed_density_energy(stale, MIXED, weight, density_matrix=stale.guess)
    with pytest.raises(ValueError, match=r"another geometry.*with_pair_potentials"):
        harris_energy(stale, MIXED, weight, density_matrix=stale.guess)
    at_guess = jax.jit(lambda m: fixed_density_energy(m, MIXED, weight, density_matrix=m.guess))
    assert jnp.isfinite(at_guess(m)) and jnp.isnan(at_guess(stale))
    hydrogen = molecule([("H", (0.0, 0.0, 0.0))], "sto-3g", spin=1, grid=3)
    with pytest.raises(ValueError, match="were made for 2 atoms, and it has 1"):
        scf(hydrogen.with_extras(**m.extras), MIXED, weight)


def test_an_own_functional_of_pair_potentials_of_another_geometry_is_nan_or_refused():
    def own(weight, density):
        i, j = jnp.tril_indices(len(density.orbitals))
        total = density.density_matrix.sum(0)
        pairs = jnp.where(i == j, 1, 2) * total[i, j]
        coulomb = density.extras["pair_potentials"] @ pairs
        return weight * jnp.sum(density.weights * density.features.rho * coulomb)

    functional, weight = nonlocal_functional(own, level="lda"), jnp.array(0.1)
    m = with_pair_potentials(lih(), (None,))
    stale = lih(1.7).with_extras(**m.extras)
    energy = jax.jit(lambda m: fixed_density_energy(m, functional, weight, density_matrix=m.guess))
    assert jnp.isfinite(energy(m)) and jnp.isnan(energy(stale))
    for f in (own, jax.jit(own)):
        functional = nonlocal_functional(f, level="lda")
        with pytest.raises(ValueError, match=r"another geometry.*with_pair_potentials"):
            fixed_density_energy(stale, functional, weight, density_matrix=stale.guess)


@pytest.mark.slow
def test_pair_potentials_that_a_functional_does_not_use_may_be_of_another_geometry():
    m = molecule([("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.8))], "sto-3g", grid=0)
    old = molecule([("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.7))], "sto-3g", grid=0)
    unused = nonlocal_functional(jax.jit(lambda p, d: jnp.sum(d.weights * d.features.rho)))
    functional = xc("svwn") + unused
    stale = m.with_extras(**with_pair_potentials(old).extras)
    found, expected = (
        fixed_density_energy(x, functional, density_matrix=m.guess) for x in (stale, m)
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(scf(stale, functional).energy, scf(m, functional).energy, atol=1e-9)
    np.testing.assert_allclose(forces(stale, functional), forces(m, functional), atol=1e-7)


@pytest.mark.slow
def test_pair_potentials_that_a_functional_does_not_use_may_be_of_another_molecule():
    m = molecule([("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.8))], "sto-3g", grid=0)
    helium = with_pair_potentials(molecule([("He", (0.0, 0.0, 0.0))], "sto-3g", grid=0))
    other, functional = m.with_extras(**helium.extras), xc("slater") + xc("vv10")
    np.testing.assert_allclose(forces(other, functional), forces(m, functional), atol=1e-7)


@pytest.mark.slow
def test_parameters_and_arrays_of_points_are_for_the_full_grid_alone():
    m = molecule([("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.8))], "sto-3g", grid=1)
    assert m.grid.coarse is not None
    fixed = jnp.linspace(0.0, 1.0, m.grid.size)

    def energy(of_points, density):
        return jnp.sum(density.weights * (of_points + fixed) * slater(density.features))

    points = nonlocal_functional(energy, level="lda")
    found = scf(m, points, 1 - fixed)
    np.testing.assert_allclose(found.energy, scf(m, xc("slater")).energy, atol=1e-8)
    with pytest.raises(TypeError, match="incompatible shapes for broadcasting"):
        scf(m, points, jnp.ones(3))


@pytest.mark.slow
def test_most_steps_of_any_energy_are_on_the_coarse_grid():
    """The solution is that of the full grid alone, which is evaluated a few times."""
    m, sizes = lih(), []

    def energy(params, density):
        sizes.append(len(density.weights))
        f = density.features
        mean = jnp.sum(density.weights * f.rho) / jnp.sum(density.charges)
        return params * mean * jnp.sum(density.weights * f.rho_a * f.rho_b)

    functional = xc("svwn") + nonlocal_functional(energy, level="lda")
    found = scf(m, functional, jnp.array(0.05), tolerance=1e-12)
    assert m.grid.coarse is not None and {m.grid.size, m.grid.coarse.size} == set(sizes)
    alone = dataclasses.replace(m, grid=dataclasses.replace(m.grid, coarse=None))
    plain = scf(alone, functional, jnp.array(0.05), tolerance=1e-12)
    np.testing.assert_allclose(found.energy, plain.energy, atol=1e-11)
    np.testing.assert_allclose(found.density_matrix, plain.density_matrix, atol=1e-6)


def test_own_features_and_any_energy():
    m = lih()
    m = m.with_extras(one=jnp.ones(m.grid.owner.shape[0]))

    def half_of_slater(params, features, own):
        return 0.5 * own["one"] * slater(features)

    def other_half(params, density):
        return 0.5 * jnp.sum(density.weights * slater(density.features))

    both = feature_functional(half_of_slater, {"one": lambda d: d.extras["one"]}, level="lda")
    both = both + nonlocal_functional(other_half, level="lda") + xc("vwn5")
    np.testing.assert_allclose(scf(m, both).energy, scf(m, xc("svwn")).energy, atol=1e-10)
    with pytest.raises(ValueError, match="forces cannot know how the molecule's extras"):
        forces(m, both)


def test_bad_input_is_explained():
    m = lih()
    with pytest.raises(
        ValueError, match=r"needs the extra 'pair_potentials'.*with_pair_potentials"
    ):
        scf(m, EXACT)
    with pytest.raises(ValueError, match="must return one energy, got shape"):
        scf(m, nonlocal_functional(lambda p, d: d.weights))
    with pytest.raises(ValueError, match="feature 'two' must have .* points on its first axis"):
        scf(m, feature_functional(lambda p, f, o: f.rho, {"two": lambda d: jnp.ones(2)}))
    with pytest.raises(ValueError, match="f must return one number for one point"):
        scf(m, feature_functional(lambda p, f, o: jnp.ones(2), {}))
    with pytest.raises(ValueError, match="ranges is empty"):
        local_hybrid(lambda p, d: d, ranges=())
    with pytest.raises(ValueError, match="mixes one or more semilocal functionals"):
        weighted_functional(lambda p, d: d, [EXACT])
    still = training_batch([with_pair_potentials(m, RANGES)], [0.0], forces=[np.zeros((2, 3))])
    with pytest.raises(ValueError, match="force_error cannot know how the molecule's extras"):
        force_error(EXACT)(jnp.array(0.0), jax.tree.map(lambda x: x[0], still))
    with pytest.raises(ValueError, match="different extras"):
        stack([m, m.with_extras(one=jnp.ones(1))])


@pytest.fixture(scope="module")
def messages():
    """A functional of two random linear networks, and its parameters."""
    size = message_size(2)

    def send(w, d):
        return jnp.tanh(w @ d)

    def read(w, x):
        return 0.1 * jnp.tanh(w @ x)

    keys = jax.random.split(jax.random.key(0))
    params = {
        "send": jax.random.normal(keys[0], (2, 3)),
        "read": jax.random.normal(keys[1], (3 + size,)) / 6,
    }
    return message_functional(send, read, channels=2, base=xc("pbe")), params


def energy_of_guess(functional, params, atoms, spin=0):
    m = molecule(atoms, "sto-3g", grid=0, spin=spin)
    share = m.electrons / jnp.sum(m.electrons)
    density = m.guess if m.restricted else share[:, None, None] * m.guess
    return float(fixed_density_energy(m, functional, params, density_matrix=density)), m


# Without base and Hartree terms: what the messages alone say of moved and of distant molecules.
def test_messages_do_not_depend_on_position_and_add_up(messages):
    functional, params = messages
    messages_only = functional + -1.0 * xc("pbe")
    plain = nonlocal_functional(lambda p, d: jnp.zeros(()))

    def alone(atoms):
        with_, m = energy_of_guess(messages_only, params, atoms)
        without = float(fixed_density_energy(m, plain, params, density_matrix=m.guess))
        return with_ - without

    water = [("O", (0.0, 0.0, 0.1)), ("H", (0.0, 0.8, -0.5)), ("H", (0.1, -0.7, -0.5))]
    # A quarter turn about x, a reflection, a shift and another order: the grid goes along.
    moved = [(s, (x + 1.0, -z - 2.0, y)) for s, (x, y, z) in water[::-1]]
    far = [(s, (x, y, z + 30.0)) for s, (x, y, z) in water]
    one = alone(water)
    assert abs(one) > 1e-3
    np.testing.assert_allclose(alone(moved), one, atol=1e-10)
    np.testing.assert_allclose(alone(water + far), 2 * one, atol=1e-9)


@pytest.mark.slow
def test_messages_reach_across_and_have_the_right_potential(messages):
    functional, params = messages
    m = lih()
    f = jax.jit(lambda p: fixed_density_energy(m, functional, params, density_matrix=p))
    slope = jax.grad(f)(m.guess)
    change = jax.random.normal(jax.random.key(1), m.guess.shape)
    change = change + change.T
    h = 1e-4
    difference = (f(m.guess + h * change) - f(m.guess - h * change)) / (2 * h)
    np.testing.assert_allclose(jnp.vdot(slope, change), difference, rtol=1e-6)
    assert scf(m, functional, params).converged


def test_dispersion_falls_as_the_sixth_power_and_gives_forces():
    functional = dispersion_tail(lambda w, a: w * jnp.ones(2))

    def tail(distance):
        helium = [("He", (0.0, 0.0, 0.0)), ("He", (0.0, 0.0, distance))]
        m = molecule(helium, "sto-3g", unit="bohr", grid=0)
        zero = nonlocal_functional(lambda p, d: jnp.zeros(()))
        with_, without = (
            fixed_density_energy(m, f, jnp.array(0.0), density_matrix=m.guess)
            for f in (functional, zero)
        )
        return float(with_ - without)

    np.testing.assert_allclose(tail(200.0), -20 / (200.0**6 + 4.0**6), rtol=1e-3)
    np.testing.assert_allclose(tail(4.0), -20 / (2 * 4.0**6), rtol=1e-8)
    # Its force is one of the two nuclei on each other, whatever the orbitals do.
    m = molecule([("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 2.0))], "sto-3g", unit="bohr", grid=0)
    extra = forces(m, xc("svwn") + functional, jnp.array(0.0)) - forces(m, xc("svwn"))
    slope = 20 * 6 * 2.0**5 / (2.0**6 + 4.0**6) ** 2
    np.testing.assert_allclose(extra[:, 2], [slope, -slope], rtol=1e-6)


def test_a_ghost_is_not_dispersed():
    seen: Any = types.SimpleNamespace(
        charges=jnp.array([2.0, 0.0, 2.0]),
        coordinates=jnp.array([[0.0, 0, 0], [0, 0, 2], [0, 0, 4]]),
        atom_mask=jnp.ones(3, bool),
    )
    found = dispersion_tail(lambda w, a: jnp.zeros(2)).nonlocal_energy(None, seen)
    np.testing.assert_allclose(found, -20 / (2 * 4.0**6), rtol=1e-12)
