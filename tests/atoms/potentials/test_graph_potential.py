"""Graph potentials: invariances, smoothness, and what they refuse."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.atoms._structure.atoms import moved

CUTOFFS = {2: {"cutoff": 4.0}, 3: {"cutoff": 4.0, "angle_cutoff": 3.2}}


def potential(order, *, moments=False, seed=0):
    """Random weights, without the small factors that updates begin with."""
    model = jsci.atoms.GraphPotential(
        ["Mg", "O"], width=8, depth=2, order=order, moments=moments,
        key=jax.random.key(seed), **CUTOFFS[order],
    )  # fmt: skip
    return jsci.pure(jax.tree.map(lambda p: jnp.where(p == 0.1, 0.7, p), model))


def rock_salt(rattle=0.0):
    rng = np.random.default_rng(0)
    base = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
    fraction = np.concatenate([base, base + [0.5, 0, 0]])
    cell = 4.21 * np.eye(3) + rattle * rng.normal(size=(3, 3))
    positions = fraction @ cell + rattle * rng.normal(size=fraction.shape)
    return jsci.atoms.Atoms(positions, ["Mg"] * 4 + ["O"] * 4, cell)


def graph_of(atoms, order):
    return jsci.atoms.neighbours(atoms, **CUTOFFS[order])


@pytest.mark.parametrize("order", [2, 3])
def test_rotation_translation_permutation_and_supercells(order):
    energy, params = potential(order, moments=True)
    f = jax.jit(jsci.atoms.properties(energy))
    atoms, rng = rock_salt(0.1), np.random.default_rng(5)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    permutation = rng.permutation(8)
    x, cell, numbers = (np.asarray(a) for a in (atoms.positions, atoms.cell, atoms.numbers))
    ours = f(params, atoms, graph_of(atoms, order))
    same = np.arange(8)
    versions = {
        "turned": (x @ turn, cell @ turn, same),
        "shifted": (x + 7.3, cell, same),
        "permuted": (x[permutation], cell, permutation),
        "supercell": (
            np.concatenate([x, x + cell[1]]), cell * np.array([[1.0], [2.0], [1.0]]), [*same, *same]
        ),
    }  # fmt: skip
    for version, (positions, box, order_of) in versions.items():
        other = jsci.atoms.Atoms(positions, numbers[order_of], box)
        theirs = f(params, other, graph_of(other, order))
        forces, stress = np.asarray(ours.forces)[order_of], np.asarray(ours.stress)
        if version == "turned":
            forces, stress = forces @ turn, turn.T @ stress @ turn
        n = len(positions) / 8
        np.testing.assert_allclose(theirs.energy, n * ours.energy, rtol=1e-10, err_msg=version)
        np.testing.assert_allclose(theirs.forces, forces, atol=1e-10, err_msg=version)
        np.testing.assert_allclose(theirs.stress, stress, atol=1e-10, err_msg=version)
        np.testing.assert_allclose(theirs.magmoms, ours.magmoms[np.array(order_of)], atol=1e-10)
    assert np.abs(ours.forces).max() > 1e-2


@pytest.mark.slow
def test_the_second_derivative_at_straight_angles_is_that_of_differences():
    """In rock salt every angle of opposite bonds is straight; of forces of one atom moved by d."""
    energy, params = potential(3)
    atoms = rock_salt()
    graph = graph_of(atoms, 3)

    def at(d):
        return energy(params, moved(atoms, atoms.positions.at[0, 0].add(d)), graph)

    slope = jax.jit(jax.grad(at))
    exact = jax.jit(jax.grad(jax.grad(at)))(0.0)
    assert abs(exact) > 1e-2
    for d in (1e-6, 1e-4, 1e-3, 1e-2):
        np.testing.assert_allclose((slope(d) - slope(-d)) / (2 * d), exact, rtol=1e-3)


def test_angles_are_felt():
    """Bonds alone leave the energy of an isolated triple as it is when the angle opens."""
    for order, felt in ((2, False), (3, True)):
        model = jsci.atoms.GraphPotential(
            ["O"], width=8, depth=2, order=order, cutoff=3.0, key=jax.random.key(0),
            angle_cutoff=3.0 if order == 3 else None,
        )  # fmt: skip
        energies = []
        for angle in (2.1, 3.0):  # the ends are never within the cutoff of each other
            ends = 1.8 * np.array([[1, 0, 0], [np.cos(angle), np.sin(angle), 0]])
            atoms = jsci.atoms.Atoms(np.concatenate([np.zeros((1, 3)), ends]), ["O"] * 3)
            graph = jsci.atoms.neighbours(atoms, 3.0, angle_cutoff=model.angle_cutoff)
            energies.append(eqx.filter_jit(model)(atoms, graph))
        assert (abs(energies[0] - energies[1]) > (1e-7 if felt else 1e-12)) == felt


@pytest.mark.slow
def test_the_energy_is_twice_continuous_through_each_cutoff():
    """One atom passes the cutoff from another; second derivatives just within and just beyond."""
    energy, params = potential(3)
    corner = np.array([[0, 0, 0], [1.9, 0, 0], [0, 1.9, 0]])
    atoms = jsci.atoms.Atoms(np.concatenate([corner, [[0, 0, 3.6]]]), ["Mg", "O", "O", "O"])
    graph = jsci.atoms.neighbours(atoms, 5.0, angle_cutoff=4.6)  # holds both sides of the cutoffs

    def at(z):
        return energy(params, moved(atoms, atoms.positions.at[3, 2].set(z)), graph)

    curvature = jax.jit(lambda z: (at(z), jax.grad(at)(z), jax.grad(jax.grad(at))(z)))
    for edge in (4.0, 3.2):
        f = {s: np.array(curvature(edge + s)) for s in (-1e-3, -1e-6, 1e-6, 1e-3)}
        inside, outside = f[-1e-6], f[1e-6]
        drift = np.abs(f[-1e-3] - f[1e-3])
        np.testing.assert_allclose(inside, outside, atol=1e-4 * np.abs(outside).max())
        assert (np.abs(inside - outside) <= 0.01 * drift + 1e-9).all()


def test_a_list_cut_exactly_equals_a_longer_one():
    """What the graph has beyond the cutoffs changes nothing."""
    energy, params = potential(3, moments=True)
    atoms = rock_salt(0.1)
    f = jax.jit(energy)
    exact = f(params, atoms, graph_of(atoms, 3))
    wider = f(params, atoms, jsci.atoms.neighbours(atoms, 5.0, angle_cutoff=4.5))
    np.testing.assert_allclose(exact[0], wider[0], rtol=1e-12)
    np.testing.assert_allclose(exact[1], wider[1], rtol=1e-12)


def test_padding_changes_nothing_and_a_batch_is_its_structures():
    energy, params = potential(3)
    f = jsci.atoms.properties(energy)
    structures = [
        rock_salt(0.1),
        rock_salt(0.05),
        jsci.atoms.Atoms([[0.0] * 3], ["O"], np.eye(3) * 9),
    ]
    (batch,) = jsci.atoms.batch(structures, **CUTOFFS[3], buckets=1, size=4)
    result = jax.jit(jax.vmap(f, (None, 0, 0)))(params, batch.atoms, batch.graph)
    one = jax.jit(f)
    for place, index in enumerate(np.asarray(batch.index)):
        if index < 0:
            assert float(result.energy[place]) == 0
            continue
        atoms = structures[index]
        alone = one(params, atoms, graph_of(atoms, 3))
        n = len(atoms.numbers)
        np.testing.assert_allclose(result.energy[place], alone.energy, rtol=1e-12)
        np.testing.assert_allclose(result.forces[place][:n], alone.forces, atol=1e-12)
        np.testing.assert_allclose(result.stress[place], alone.stress, atol=1e-12)


def test_parameters_and_positions_of_different_types_give_the_wider():
    energy, params = potential(3)
    atoms = rock_salt()
    graph = graph_of(atoms, 3)
    single = jax.tree.map(lambda p: p.astype(jnp.float32), params)
    assert jax.eval_shape(energy, single, atoms, graph).dtype == jnp.float64
    narrow = jsci.atoms.Atoms(atoms.positions.astype(jnp.float32), atoms.numbers, atoms.cell)
    assert jax.eval_shape(energy, params, narrow, graph).dtype == jnp.float64
    assert jax.eval_shape(energy, single, narrow, graph).dtype == jnp.float32


def test_what_does_not_fit_is_refused():
    make = lambda **options: jsci.atoms.GraphPotential(  # noqa: E731
        ["O"], width=2, depth=1, key=jax.random.key(0), **options
    )
    for options, message in (
        ({"cutoff": 4.0, "order": 3}, "order=3 needs an angle_cutoff"),
        ({"cutoff": 4.0, "order": 2, "angle_cutoff": 3.0}, "order=2 has none"),
        ({"cutoff": 4.0, "angle_cutoff": 5.0}, "angle_cutoff at most as long"),
        ({"cutoff": -1.0, "order": 2}, "cutoff must be positive"),
        ({"cutoff": 4.0, "order": 4}, "order must be 2"),
    ):
        with pytest.raises(ValueError, match=message):
            make(**options)
    with pytest.raises(ValueError, match="elements must be a list"):
        jsci.atoms.GraphPotential("O", cutoff=4.0, order=2, key=jax.random.key(0))
    with pytest.raises(ValueError, match="no element has the number 119"):
        jsci.atoms.GraphPotential([8, 119], cutoff=4.0, order=2, key=jax.random.key(0))
    model = make(cutoff=4.0, order=2)
    atoms = rock_salt()
    graph = jsci.atoms.neighbours(atoms, 4.0)
    with pytest.raises(ValueError, match="the elements of the potential know no Mg"):
        model(atoms, graph)
    assert np.isnan(eqx.filter_jit(model)(atoms, graph))
