"""Learned Kohn-Sham matrices: equivariance, batches, sparsity, and the guesses that they make."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.dft import (
    HamiltonianModel,
    fixed_density_hamiltonian,
    hamiltonian,
    hamiltonian_error,
    hamiltonian_guess,
    molecule,
    orbital_error,
    prune,
    scf,
    set_blocks,
    sparse_gates,
    stack,
    xc,
)
from jaxsci.dft._basis import functions as basis
from jaxsci.dft._learned.gaunt import bracket_coefficients
from jaxsci.dft._learned.hamiltonian_model import nuclei_of

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.12)), ("H", (0.0, 0.76, -0.47)), ("H", (0.1, -0.75, -0.45))]


@pytest.fixture(scope="module")
def water():
    return molecule(WATER, "6-31g*", grid=0)


@pytest.fixture(scope="module")
def model(water):
    return random_model(water, channels=3)


def random_model(m, channels):
    """Random in every weight, so that nothing vanishes by the initial values."""
    made = HamiltonianModel([m], channels=channels, radial=4, width=5, key=jax.random.key(1))
    keys = iter(jax.random.split(jax.random.key(2), 600))
    made = jax.tree.map(lambda w: w + 0.3 * jax.random.normal(next(keys), w.shape), made)
    made = eqx.tree_at(lambda m: m.network.draw, made, jnp.zeros(()))
    return eqx.tree_at(all_open, made, [jnp.ones(())] * len(made.paths))


def all_open(model):
    return [path.open for path in model.paths.values()]


@jax.jit
def predict(model, m):
    return model(m)


@jax.jit
def predict_from(model, m, base):
    return model(m, base)


@pytest.fixture(scope="module")
def solved(water):
    return scf(water, xc("pbe"), tolerance=1e-12)


# With Y = √(3/4π) (x, y, z) the bracket of two of them is that factor times the third.
def test_brackets_of_the_first_harmonics_are_cross_products():
    epsilon = np.cross(np.eye(3)[:, None], np.eye(3)[None])
    found = bracket_coefficients(2)[1:4, 1:4, 1:4]
    np.testing.assert_allclose(found, np.sqrt(3 / (4 * np.pi)) * epsilon, atol=1e-14)


def test_matrix_turns_with_the_molecule(model):
    turns_with_the_molecule(model, WATER, "6-31g*")


# As a function of two points the operator does not depend on how the basis functions are turned.
def turns_with_the_molecule(model, atoms, of_basis, charge=0):
    rotation = jnp.linalg.qr(jax.random.normal(jax.random.key(3), (3, 3)))[0]
    rotation = rotation * jnp.where(jnp.linalg.det(rotation) > 0, -1, 1)  # with a reflection

    def operator(atoms, points):
        m = molecule(atoms, of_basis, charge=charge, grid=0)
        dual = jnp.linalg.solve(
            m.overlap, basis.evaluate(m.basis, m.coordinates, points, gradient=False)[0]
        )
        return dual.T @ predict(model, m) @ dual

    turned = [(s, tuple(np.asarray(rotation) @ np.array(x))) for s, x in atoms]
    points = jax.random.normal(jax.random.key(4), (10, 3))
    plain = operator(atoms, points)
    assert float(jnp.std(plain)) > 1e-2
    np.testing.assert_allclose(operator(turned, points @ rotation.T), plain, atol=1e-10)


# From l = 4 on products are found in frames, of which those of this molecule are at a pole.
@pytest.mark.slow
def test_matrix_of_g_functions_turns_and_has_slopes_where_a_bond_is_the_z_axis():
    atoms = [("He", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.8))]
    of_basis = {"He": [[0, [1.1, 1.0]], [4, [0.9, 1.0]]], "H": [[0, [0.3, 1.0]], [1, [0.7, 1.0]]]}
    m = molecule(atoms, of_basis, charge=1, grid=0)
    model = random_model(m, channels=2)
    turns_with_the_molecule(model, atoms, of_basis, charge=1)
    base = jnp.zeros((m.size, m.size))

    @jax.jit
    def value(coordinates):
        moved = eqx.tree_at(lambda m: m.coordinates, m, coordinates)
        return jnp.sum(jnp.sin(model(moved, base)))

    step = 1e-4 * jnp.zeros((2, 3)).at[1].set(jnp.array([0.6, -0.5, 0.4]))
    change = value(m.coordinates + step) - value(m.coordinates - step)
    slope = 2 * jnp.sum(step * jax.jit(jax.grad(value))(m.coordinates))
    assert abs(float(slope)) > 1e-6
    np.testing.assert_allclose(change, slope, rtol=1e-6)


def test_matrix_is_symmetric_and_a_batch_changes_nothing(model, water):
    hydroxide = molecule(WATER[:2], "6-31g*", charge=-1, grid=0)
    together = jax.jit(jax.vmap(model))(stack([water, hydroxide]))
    np.testing.assert_allclose(together, together.transpose(0, 2, 1), atol=1e-14)
    for found, m in zip(together, (water, hydroxide), strict=True):
        np.testing.assert_allclose(found[: m.size, : m.size], predict(model, m), atol=1e-12)
    guess = jax.vmap(hamiltonian_guess)(stack([water, hydroxide]), together)
    np.testing.assert_allclose(jnp.sum(guess[1] * stack([water, hydroxide]).overlap[1]), 10)


def test_exact_matrix_starts_the_field_at_its_end(water, solved):
    exact = hamiltonian(water, solved)
    np.testing.assert_allclose(hamiltonian_guess(water, exact), solved.density_matrix, atol=1e-6)
    levels = jnp.linalg.eigvals(jnp.linalg.solve(water.overlap, exact))
    np.testing.assert_allclose(np.sort(levels.real), solved.orbital_energies, atol=1e-9)


@pytest.mark.slow
def test_open_shell_matrix_is_the_mean_of_both_spins():
    m = molecule([("O", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.97))], "sto-3g", spin=1, grid=0)
    result = scf(m, xc("hf"))
    half = jnp.einsum("ij,sjk->sik", m.overlap, result.orbitals)
    spins = [h @ jnp.diag(e) @ h.T for h, e in zip(half, result.orbital_energies, strict=True)]
    np.testing.assert_allclose(hamiltonian(m, result), (spins[0] + spins[1]) / 2, atol=1e-12)
    assert hamiltonian_guess(m, hamiltonian(m, result)).shape == (2, m.size, m.size)


# Blocks of one atom and one angular momentum are those of the one water that they are made of,
# but for the mean over m; its s functions are its own.
def test_mean_blocks_are_those_of_the_data(model, water, solved):
    exact = hamiltonian(water, solved)
    blank = jax.tree.map(jnp.zeros_like, model)
    # a weight that is zero has no direction of its own
    blank = jax.tree.map(lambda w, m: m if w.ndim == 2 else w, blank, model)
    start = set_blocks(blank, stack([water]), exact[None])
    start = predict(start, water)
    s_of_oxygen = (water.basis.atom == 0) & (water.basis.angular == 0)
    np.testing.assert_allclose(
        start[s_of_oxygen][:, s_of_oxygen], exact[s_of_oxygen][:, s_of_oxygen], atol=1e-12
    )
    apart = water.basis.atom[:, None] != water.basis.atom[None]
    level = jnp.diagonal(start)
    coupled = 0.875 * (level[:, None] + level[None]) * water.overlap
    np.testing.assert_allclose(start[apart], coupled[apart], atol=1e-12)


def needed(strength):
    """The strongest path to tensors of each l."""
    to_tensors = [t for t in strength if sum(t) % 2 == 0]
    return {max((t for t in to_tensors if t[2] == l), key=strength.get) for l in range(5)}


def test_pruned_products_are_those_with_the_largest_gates(model, water):
    few = prune(model, 0.3)
    assert len(few.paths) == 10 and len(model.paths) == 33
    strength = {t: abs(float(p.gate)) for t, p in model.paths.items()}
    left_out = [t for t in model.paths if t not in few.paths]
    assert {t[2] for t in few.paths if sum(t) % 2 == 0} == {0, 1, 2, 3, 4}
    free = set(few.paths) - needed(strength)
    assert len(free) == 5 and min(map(strength.get, free)) >= max(map(strength.get, left_out))
    off = eqx.tree_at(
        lambda m: [m.paths[t].gate for t in left_out], model, [jnp.zeros(())] * len(left_out)
    )
    np.testing.assert_allclose(predict(few, water), predict(off, water), atol=1e-13)


@pytest.mark.slow
def test_pairs_are_chosen_in_each_molecule_alone(model, water):
    few = prune(model, 1, pairs=0.5)
    hydroxide = [("O", (2.5, 0.0, 0.3)), ("H", (2.9, 0.6, 0.9))]
    larger = molecule([*WATER, *hydroxide], "6-31g*", charge=-1, grid=0)
    alone = predict(few, water)
    assert float(jnp.max(jnp.abs(alone - predict(model, water)))) > 1e-3
    together = jax.vmap(predict, (None, 0))(few, stack([water, larger]))
    np.testing.assert_allclose(together[0, : water.size, : water.size], alone, atol=1e-11)


@pytest.mark.slow
def test_pairs_do_not_depend_on_the_order_of_the_atoms(model, water):
    few = prune(model, 1, pairs=0.5)  # one and a half of three pairs: two
    turned = molecule(WATER[::-1], "6-31g*", grid=0)
    order = np.concatenate(
        [np.flatnonzero(np.asarray(turned.basis.atom) == atom) for atom in (2, 1, 0)]
    )
    there = predict(few, turned)[order][:, order]
    np.testing.assert_allclose(there, predict(few, water), atol=1e-13)


def test_pruned_models_keep_their_pairs_and_draw_none(model):
    few = prune(model, 1, pairs=0.5)
    drawing = eqx.tree_at(lambda m: m.network.draw, few, jnp.array(3.0))
    again = prune(drawing, 0.5)
    assert again.network.share == 0.5 and again.network.draw == 0
    moved = eqx.tree_at(all_open, model, [jnp.array(1.04)] * len(model.paths))
    with pytest.raises(ValueError, match="behind the optimiser"):
        prune(moved, 0.5)


def test_a_lone_atom_has_a_block_and_no_pairs(model, water):
    lone = jsci.dft.molecule([("O", (0.0, 0.0, 0.0))], "sto-3g", spin=0, grid=0)
    matrix = jnp.zeros((lone.size, lone.size))
    few = prune(model, 1, pairs=0.5)
    np.testing.assert_array_equal(few(lone, matrix), model(lone, matrix))


def test_gates_are_random_then_the_largest_then_the_same(model):
    """And `prune` keeps the paths that were open at the end."""
    _, params = jsci.pure(model)
    rule = sparse_gates(0.3, random=3, adaptive=2)
    state, seen, draws = rule.init(params), [], []
    key = jax.random.key(5)
    for step in range(8):
        updates = jax.tree.map(jnp.zeros_like, params)
        moves = 0.5 * jax.random.normal(jax.random.fold_in(key, step), (len(params.paths),))
        updates = eqx.tree_at(
            lambda p: [path.gate for path in p.paths.values()], updates, list(moves)
        )
        updates, state = rule.update(updates, state, params)
        params = optax.apply_updates(params, updates)
        seen.append({t for t, path in params.paths.items() if path.open == 1})
        draws.append(float(params.network.draw))
        gates = {t: abs(float(path.gate)) for t, path in params.paths.items()}
        if 3 <= step < 5:
            first = needed(gates)
            others = sorted(gates.keys() - first, key=lambda t: -gates[t])
            assert seen[-1] == first | set(others[:5])
    assert all(len(x) == 10 and {t[2] for t in x if sum(t) % 2 == 0} == set(range(5)) for x in seen)
    assert len({frozenset(x) for x in seen[:3]}) == 3
    assert seen[4] == seen[5] == seen[6] == seen[7]
    np.testing.assert_allclose(draws, [1, 2, 3, 0, 0, 0, 0, 0], atol=1e-12)
    assert set(prune(eqx.combine(params, model), 0.3).paths) == seen[-1]
    # However few, one leads to the tensors of each l.
    rule = sparse_gates(0.05, random=0, adaptive=0)
    few = optax.apply_updates(params, rule.update(updates, rule.init(params), params)[0])
    assert few.paths.keys() == params.paths.keys()
    assert {t[2] for t in prune(model, 0.05).paths} == set(range(5))
    # A path that is closed stays closed.
    assert set(prune(eqx.combine(params, model), 0.9).paths) == seen[-1]


@pytest.mark.slow
def test_gates_before_the_optimiser_are_noticed_while_it_trains(model):
    _, params = jsci.pure(model)
    slopes = jax.tree.map(jnp.zeros_like, params)

    def two_steps(*chain):
        rule = optax.chain(*chain)

        def step(carry, _):
            params, state = carry
            updates, state = rule.update(slopes, state, params)
            return (optax.apply_updates(params, updates), state), None

        start = params, rule.init(params)
        return jax.lax.scan(step, start, length=2)[0][0]

    gates, optimizer = sparse_gates(0.3, random=3, adaptive=2), optax.adam(1e-2)
    kept = jax.jit(lambda: two_steps(optimizer, gates))()
    assert {float(path.open) for path in kept.paths.values()} == {0.0, 1.0}
    with pytest.raises(RuntimeError, match="behind the optimiser"):
        jax.block_until_ready(jax.jit(lambda: two_steps(gates, optimizer))())


def test_error_is_the_mean_square_of_an_entry(model, water, solved):
    f, params = jsci.pure(model)
    exact = hamiltonian(water, solved)
    error = hamiltonian_error(f)(params, (water, exact))
    off = predict(model, water) - exact
    np.testing.assert_allclose(jnp.sum(error**2), jnp.mean(off**2), rtol=1e-12)
    np.testing.assert_allclose(hamiltonian_error(lambda p, m: exact)(params, (water, exact)), 0)


def test_error_between_orbitals_is_that_of_their_energies(model, water, solved):
    f, params = jsci.pure(model)
    exact = hamiltonian(water, solved)
    n, occupied = water.size, 5
    found = orbital_error(f, unoccupied=0.5)(params, (water, exact)).reshape(n, n)
    found *= np.sqrt(n * occupied)
    levels = solved.orbital_energies
    change = jnp.einsum("ip,ij,jp->p", solved.orbitals, predict(model, water), solved.orbitals)
    weight = jnp.where(jnp.arange(n) < occupied, 1, 0.25)
    np.testing.assert_allclose(jnp.diagonal(found), weight * (change - levels), atol=1e-9)
    # A rotation of degenerate orbitals aside, their mixing has the norm of the error itself.
    mixed = solved.orbitals.T @ (predict(model, water) - exact) @ solved.orbitals
    across = 0.5 * jnp.linalg.norm(mixed[:occupied, occupied:])
    np.testing.assert_allclose(jnp.linalg.norm(found[:occupied, occupied:]), across, rtol=1e-9)


def test_matrix_of_a_density_is_the_derivative_of_its_energy(water, solved):
    pbe = xc("pbe")
    found = fixed_density_hamiltonian(water, pbe, density_matrix=water.guess)

    def energy(p):
        return jsci.dft.fixed_density_energy(water, pbe, density_matrix=0.5 * (p + p.T))

    np.testing.assert_allclose(found, jax.grad(energy)(water.guess), atol=1e-10)
    own = fixed_density_hamiltonian(water, pbe, density_matrix=solved)
    np.testing.assert_allclose(own, hamiltonian(water, solved), atol=1e-6)


def test_a_given_matrix_is_the_start(model, water, solved):
    pbe, exact = xc("pbe"), hamiltonian(water, solved)
    base = fixed_density_hamiltonian(water, pbe, density_matrix=water.guess)
    change, found = (predict_from(model, water, b) for b in (jnp.zeros_like(base), base))
    np.testing.assert_allclose(found - change, base, atol=1e-12)
    f, params = jsci.pure(model)
    errors = [e(f)(params, (water, exact, base)) for e in (hamiltonian_error, orbital_error)]
    assert all(bool(jnp.isfinite(e).all()) for e in errors)
    np.testing.assert_allclose(jnp.sum(errors[0] ** 2), jnp.mean((found - exact) ** 2), rtol=1e-12)


def test_bad_input_is_explained(model, water):
    with pytest.raises(ValueError, match="needs examples"):
        HamiltonianModel([], key=jax.random.key(0))
    with pytest.raises(ValueError, match="sizes must be positive"):
        HamiltonianModel([water], channels=0, key=jax.random.key(0))
    with pytest.raises(ValueError, match="unoccupied is -1"):
        orbital_error(lambda p, m: m.overlap, unoccupied=-1)
    with pytest.raises(ValueError, match="keep is 0"):
        prune(model, 0)
    with pytest.raises(ValueError, match="pairs is 2"):
        prune(model, 0.5, pairs=2)
    with pytest.raises(ValueError, match="random is -1"):
        sparse_gates(0.3, random=-1, adaptive=2)
    with pytest.raises(TypeError, match="random is 2.5; it must be an integer"):
        sparse_gates(0.3, random=2.5, adaptive=2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="paths of a HamiltonianModel, got parameters of type dict"):
        sparse_gates(0.3, random=1, adaptive=2).init({"w": jnp.ones(2)})
    carbon = molecule([("C", (0.0, 0.0, 0.0))], "6-31g*", spin=2, grid=0)
    assert bool(jnp.isnan(predict(model, carbon)).any())
    larger = molecule(WATER, {"O": "6-31g*", "H": "def2-qzvp"}, grid=0)
    with pytest.raises(ValueError, match="not in the basis"):
        model(larger)
    more_shells = molecule(WATER, "6-311g*", grid=0)
    assert bool(jnp.isnan(predict(model, more_shells)).any())
    with pytest.raises(ValueError, match=r"hamiltonian has shape \(3, 3\)"):
        hamiltonian_guess(water, jnp.ones((3, 3)))


def test_elements_are_told_by_their_number_not_by_the_charge_that_a_core_leaves():
    sodium = jsci.dft.molecule([("Na", (0, 0, 0)), ("H", (0, 0, 1.9))], "lanl2dz", grid=0)
    assert sodium.charges.tolist() == [1, 1]
    model = HamiltonianModel([sodium], channels=1, radial=2, width=2, key=jax.random.key(0))
    assert model.atoms.elements == (1, 11)
    of_function = model.shell(sodium)[0]
    np.testing.assert_array_equal(of_function, 1 - sodium.basis.atom)


def test_a_ghost_is_no_element():
    from pyscf import gto

    ghost = gto.M(atom="He 0 0 0; ghost-He 0 0 1", basis="sto-3g", verbose=0)
    helium = jsci.dft.molecule(ghost, grid=0)
    model = HamiltonianModel([helium], channels=1, radial=2, width=2, key=jax.random.key(0))
    assert model.atoms.elements == (2,)
    features = model.atoms(nuclei_of(helium))
    assert jnp.isfinite(features[0]).all() and jnp.isnan(features[1]).all()
