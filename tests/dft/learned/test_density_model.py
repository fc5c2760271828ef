"""Learned densities: equivariance, batches, fits, and the guesses that they make."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import (
    DensityModel,
    auxiliary,
    coefficient_error,
    density_guess,
    fit_density,
    fixed_density_energy,
    guess_error,
    molecule,
    scf,
    set_means,
    stack,
    stack_auxiliary,
    xc,
)
from jaxsci.dft._basis import functions as basis
from jaxsci.dft._learned.gaunt import gaunt_coefficients

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.12)), ("H", (0.0, 0.76, -0.47)), ("H", (0.1, -0.75, -0.45))]


def at_random_angles(count):
    points = jax.random.normal(jax.random.key(0), (3, 1, count))
    return points / jnp.linalg.norm(points, axis=0, keepdims=True)


def test_gaunt_coefficients_expand_products():
    y = basis.solid_harmonics(at_random_angles(20), 4)[:, 0]
    low = y[:9]  # products of l ≤ 2 end at l = 4
    product = jnp.einsum("ijk,kg->ijg", gaunt_coefficients(4)[:9, :9], y)
    np.testing.assert_allclose(product, low[:, None] * low[None], atol=1e-13)


# e3nn's polynomials (y is its polar axis) of l = 1 and 2 are libcint's at (z, x, y); libcint
# orders l = 1 as x, y, z and all others by m.
def test_order_of_spherical_harmonics_beside_e3nn():
    x, y, z = points = at_random_angles(10)[:, 0]
    first = jnp.sqrt(3 / (4 * jnp.pi)) * jnp.stack([x, y, z])
    root = jnp.sqrt(15.0)
    second = jnp.stack(
        [root * x * z, root * x * y, jnp.sqrt(5.0) * (y**2 - (x**2 + z**2) / 2), root * y * z,
         root / 2 * (z**2 - x**2)]
    ) / jnp.sqrt(4 * jnp.pi)  # fmt: skip
    np.testing.assert_allclose(basis.solid_harmonics(points[:, None], 1)[1:, 0], first, atol=1e-14)
    turned = basis.solid_harmonics(points[jnp.array([2, 0, 1])][:, None], 2)
    np.testing.assert_allclose(turned[4:, 0], second, atol=1e-14)


@pytest.fixture(scope="module")
def water():
    return molecule(WATER, "sto-3g", grid=1)


@pytest.fixture(scope="module")
def model(water):
    """Random in every weight, so that nothing vanishes by the initial values."""
    made = DensityModel([auxiliary(water)], channels=3, radial=4, width=5, key=jax.random.key(1))
    keys = iter(jax.random.split(jax.random.key(2), 20))
    return jax.tree.map(lambda w: w + 0.3 * jax.random.normal(next(keys), w.shape), made)


def test_density_turns_with_the_molecule(model):
    rotation = jnp.linalg.qr(jax.random.normal(jax.random.key(3), (3, 3)))[0]
    rotation = rotation * jnp.where(jnp.linalg.det(rotation) > 0, -1, 1)  # with a reflection

    def density(atoms, points):
        aux = auxiliary(molecule(atoms, "sto-3g", grid=0))
        values = basis.evaluate(aux.basis, aux.coordinates, points, gradient=False)[0]
        return model(aux) @ values

    turned = [(s, tuple(np.asarray(rotation) @ np.array(x))) for s, x in WATER]
    points = jax.random.normal(jax.random.key(4), (20, 3))
    plain = density(WATER, points)
    assert float(jnp.std(plain)) > 1e-3
    np.testing.assert_allclose(density(turned, points @ rotation.T), plain, atol=1e-12)


@pytest.mark.slow
def test_batches_and_other_bases_change_nothing(model, water):
    hydroxide = molecule(WATER[:2], "6-31g", charge=-1, grid=1)  # with a coarse grid, as water
    parts = [auxiliary(water), auxiliary(hydroxide)]
    batch = stack_auxiliary(parts)
    together = jax.vmap(model)(batch)
    with pytest.warns(UserWarning, match="no example of this model has the charge -1"):
        each = [model(part) for part in parts]
    for i, alone in enumerate(each):
        np.testing.assert_allclose(together[i, : alone.size], alone, atol=1e-12)
        np.testing.assert_array_equal(together[i, alone.size :], 0)
    guess = jax.vmap(density_guess)(stack([water, hydroxide]), batch, together)
    small = density_guess(water, parts[0], each[0])
    np.testing.assert_allclose(guess[0, : water.size, : water.size], small, atol=1e-9)


# PBE's own density, fitted: what is left is the error of the fit, of second order in the energy.
def test_a_fitted_density_starts_the_field_near_its_end(water):
    aux, pbe = auxiliary(water), xc("pbe")
    solved = scf(water, pbe)
    coefficients = fit_density(aux, solved.density_matrix)
    np.testing.assert_allclose(aux.charge @ coefficients, 10, atol=1e-2)
    start = density_guess(water, aux, coefficients)
    np.testing.assert_allclose(jnp.sum(start * water.overlap), 10, atol=1e-10)
    excess = fixed_density_energy(water, pbe, density_matrix=start) - solved.energy
    assert 0 <= excess < 1e-5
    assert scf(water, pbe, guess=start).steps < solved.steps


def test_the_potential_of_a_density_takes_the_memory_of_a_block_of_points(water):
    aux = auxiliary(water)
    coefficients = fit_density(aux, water.guess)

    def bytes_of(grid):
        m = molecule(WATER, "sto-3g", grid=grid)
        m = dataclasses.replace(m, grid=dataclasses.replace(m.grid, coarse=None))
        program = jax.jit(density_guess).lower(m, aux, coefficients).compile()
        memory = program.memory_analysis()
        assert memory is not None
        return m.grid.size, memory.temp_size_in_bytes

    (few, small), (many, large) = bytes_of(0), bytes_of(2)
    # Positions and weights, a few numbers for each point, but no function at every point
    assert large - small < 8 * 20 * (many - few)


def test_a_core_potential_leaves_the_density_of_the_valence_electrons():
    m = molecule("Na 0 0 0; H 0 0 1.9", "lanl2dz", grid=0)
    aux, solved = auxiliary(m), scf(m, xc("pbe"))
    coefficients = fit_density(aux, solved)
    np.testing.assert_allclose(aux.charge @ coefficients, 2, atol=1e-2)
    start = density_guess(m, aux, coefficients)
    assert scf(m, xc("pbe"), guess=start).steps < solved.steps


def test_means_start_the_training_where_coefficients_vary_least(model, water):
    aux = auxiliary(water)
    coefficients = fit_density(aux, water.guess)
    batch, known = stack_auxiliary([aux]), coefficients[None]
    blank = jax.tree.map(jnp.zeros_like, model)
    f, params = jsci.pure(set_means(blank, batch, known))
    error = coefficient_error(f)(params, (aux, coefficients))
    zero = coefficient_error(f)(jax.tree.map(jnp.zeros_like, params), (aux, coefficients))
    assert jnp.linalg.norm(error) < 0.2 * jnp.linalg.norm(zero)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 3])
def test_guess_error_has_its_derivative(model, water, steps):
    f, params = jsci.pure(model)
    # near a sensible density: a random one has no gap
    aux = auxiliary(water)
    known = fit_density(aux, water.guess)
    error = jax.jit(
        lambda w: guess_error(lambda p, a: known + p * f(params, a), xc("pbe"), steps=steps)(
            w, (water, aux)
        )
    )
    w, h = jnp.array(0.01), 1e-5
    np.testing.assert_allclose(
        jax.grad(error)(w), (error(w + h) - error(w - h)) / (2 * h), rtol=1e-5
    )


def test_bad_input_is_explained(water, model):
    aux = auxiliary(water)
    with pytest.raises(ValueError, match="takes an LDA or GGA"):
        density_guess(water, aux, aux.charge, functional=xc("b3lyp"))
    with pytest.raises(ValueError, match="coefficients have shape"):
        density_guess(water, aux, aux.charge[1:])
    with pytest.raises(ValueError, match="steps is 0"):
        guess_error(model, xc("pbe"), steps=0)
    with pytest.raises(ValueError, match="one molecule as molecule"):
        auxiliary(stack([water]))
    with pytest.raises(ValueError, match="has ghosts"):
        auxiliary(molecule("O 0 0 .12; H 0 .76 -.47; H .1 -.75 -.45; X-O 0 0 3", "sto-3g", grid=0))
    for unknown in ("def2-universal-jfat", ""):
        with pytest.raises(
            ValueError, match=f"basis '{unknown}' for H, O. Use def2-universal-jfit"
        ):
            auxiliary(water, unknown)
    with pytest.raises(ValueError, match="needs examples"):
        DensityModel([], key=jax.random.key(0))
    with pytest.raises(ValueError, match="got an empty list"):
        stack_auxiliary([])
    carbon = auxiliary(molecule([("C", (0.0, 0.0, 0.0))], "sto-3g", spin=2, grid=0))
    assert bool(jnp.isnan(model(carbon)).all())
