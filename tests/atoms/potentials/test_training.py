"""Errors of labelled structures, minibatches, and trainings of parts."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci

LJ = {"epsilon": 0.02, "sigma": 2.5, "cutoff": 5.0}


def argon(seed, count=4):
    rng = np.random.default_rng(seed)
    base = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])[:count] * 2.0
    return jsci.atoms.Atoms(base + 0.2 * rng.normal(size=base.shape), ["Ar"] * count, 4 * np.eye(3))


def labelled(seed, **options):
    """A structure with the energy, forces and stress of a Lennard-Jones potential."""
    energy, params = jsci.atoms.lennard_jones(**LJ, onset=3.5)
    atoms = argon(seed, **options)
    found = jsci.atoms.properties(energy)(params, atoms, jsci.atoms.neighbours(atoms, 5.0))
    forces, stress = np.asarray(found.forces), np.asarray(found.stress)
    return jsci.atoms.Frame(atoms, float(found.energy), forces, stress)


def moments(p, atoms, graph):
    """An energy with slopes, and moments."""
    square = jnp.sum(graph.vectors(atoms) ** 2 * graph.edge_mask[:, None])
    return p["a"] * square, p["m"] * atoms.mask


def test_errors_are_those_of_the_formula():
    f = jsci.atoms.properties(moments)
    frames = [labelled(0)._replace(magmoms=np.arange(4.0)), labelled(1, count=3)]
    (batch,) = jsci.atoms.batch(frames, 5.0, buckets=1, size=3)
    params = {"a": jnp.array(0.01), "m": jnp.array(0.5)}
    weights = {"energy": 2.0, "forces": 3.0, "stress": 5.0, "magmoms": 7.0}
    loss = jsci.objective({"efs": jsci.atoms.property_errors(f, **weights)})
    expected = 0.0
    for frame in frames:
        n = len(frame.atoms.numbers)
        found = f(params, frame.atoms, jsci.atoms.neighbours(frame.atoms, 5.0))
        expected += 2 * ((found.energy - frame.energy) / n) ** 2
        expected += 3 * np.sum((found.forces - frame.forces) ** 2) / (3 * n)
        expected += 5 * np.sum((found.stress - frame.stress) ** 2) / 9
        if frame.magmoms is not None:
            expected += 7 * np.sum((found.magmoms - frame.magmoms) ** 2) / n
    np.testing.assert_allclose(loss.value(params, {"efs": batch}), expected / 3, rtol=1e-12)
    assert np.asarray(batch.known.magmoms).sum() == 1


def test_a_missing_label_adds_nothing_and_gives_no_gradient():
    f = jsci.atoms.properties(moments)
    frame = labelled(0)._replace(energy=None, forces=None, stress=None, magmoms=np.ones(4))
    (batch,) = jsci.atoms.batch([frame], 5.0)
    r = jsci.atoms.property_errors(f, energy=1.0, forces=1.0, stress=1.0, magmoms=1.0)
    loss = jsci.objective({"efs": r})
    params = {"a": jnp.array(0.01), "m": jnp.array(0.5)}
    value, slope = jax.value_and_grad(loss.value)(params, {"efs": batch})
    np.testing.assert_allclose(value, 0.25)
    assert float(slope["a"]) == 0
    np.testing.assert_allclose(slope["m"], -1.0)


def test_the_stress_of_a_molecule_is_left_out():
    energy, params = jsci.atoms.lennard_jones(**LJ)
    pair = jsci.atoms.Atoms([[0.0, 0, 0], [0, 0, 3.0]], ["Ar", "Ar"])
    (batch,) = jsci.atoms.batch([jsci.atoms.Frame(pair, energy=0.0)], LJ["cutoff"])
    values = [
        jsci.objective(
            {"efs": jsci.atoms.property_errors(jsci.atoms.properties(energy), stress=w)}
        ).value(params, {"efs": batch})
        for w in (0.0, 5.0)
    ]
    assert values[0] == values[1] > 0


def test_a_robust_error_grows_linearly_and_is_a_square_near_zero():
    energy, params = jsci.atoms.lennard_jones(**LJ, onset=3.5)
    f = jsci.atoms.properties(energy)
    frame = labelled(0)
    for wrong, expected in ((1e-4, 1e-8), (100.0, 2 * 0.01 * (100 - 0.01))):
        (batch,) = jsci.atoms.batch([frame._replace(energy=frame.energy + 4 * wrong)], 5.0)
        r = jsci.atoms.property_errors(f, energy=1.0, forces=0.0, robust={"energy": 0.01})
        value = jsci.objective({"efs": r}).value(params, {"efs": batch})
        np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_minibatches_draw_every_structure_equally_and_weigh_shapes_by_their_share():
    frames = [labelled(k) for k in range(6)] + [labelled(k, count=2) for k in range(3)]
    data = jsci.atoms.minibatches(jsci.atoms.batch(frames, 5.0, buckets=2), 3)
    draw = jax.jit(jax.vmap(lambda key: {k: b.index for k, b in data(key).items()}))
    drawn = draw(jax.random.split(jax.random.key(0), 2000))
    weight = np.zeros(9)  # of each structure in the loss, on average
    for name, index in drawn.items():
        assert all(len(set(row)) == len(row) for row in np.asarray(index).tolist())
        weight += data.weights[name] * np.bincount(np.ravel(index), minlength=9) / index.size
    np.testing.assert_allclose(weight, 1 / 9, rtol=0.1)


def test_fit_finds_the_potential_that_made_the_labels():
    frames = [labelled(k) for k in range(8)]
    energy, params = jsci.atoms.lennard_jones(epsilon=0.03, sigma=2.4, cutoff=5.0, onset=3.5)
    r = jsci.atoms.property_errors(jsci.atoms.properties(energy), stress=100.0)
    data = jsci.atoms.minibatches(jsci.atoms.batch(frames, 5.0, buckets=1), 4)
    loss = jsci.objective(dict.fromkeys(data.weights, r), data.weights)
    rate = optax.exponential_decay(0.02, 100, 0.3)
    result = jsci.fit(loss, params, data, optax.adam(rate), steps=400, key=jax.random.key(0))
    np.testing.assert_allclose(result.params["epsilon"], 0.02, rtol=1e-2)
    np.testing.assert_allclose(result.params["sigma"], 2.5, rtol=1e-3)


def test_what_is_frozen_stays():
    energy, params = jsci.atoms.lennard_jones(**LJ, onset=3.5)
    part, free = jsci.atoms.frozen(energy, params, ["sigma"])
    atoms = argon(0)
    graph = jsci.atoms.neighbours(atoms, 5.0)
    assert len(jax.tree.leaves(free)) == 1
    np.testing.assert_array_equal(part(free, atoms, graph), energy(params, atoms, graph))
    assert part.params(jax.tree.map(lambda p: 2 * p, free)) == {"epsilon": 0.04, "sigma": 2.5}
    with pytest.raises(ValueError, match=r"no part 'depth': they have \['epsilon', 'sigma'\]"):
        jsci.atoms.frozen(energy, params, ["depth"])
    with pytest.raises(ValueError, match="nothing is left to be trained"):
        jsci.atoms.frozen(energy, params, ["epsilon", "sigma"])


def test_parts_of_chgnet_are_named():
    energy, params = jsci.atoms.chgnet()
    _, free = jsci.atoms.frozen(energy, params, ["elements", "bonds", "angles", "layers"])
    assert sum(p.size for p in jax.tree.leaves(free)) == 50_114


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"energy": 0.0, "forces": 0.0}, "nor all zero"),
        ({"forces": -1.0}, "must not be negative"),
        ({"robust": {"force": 0.1}}, "robust takes positive widths by property"),
    ],
)
def test_wrong_weights_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        jsci.atoms.property_errors(lambda *_: None, **options)


def test_a_property_that_the_potential_has_not_is_named():
    energy, params = jsci.atoms.lennard_jones(**LJ)
    (batch,) = jsci.atoms.batch([labelled(0)], 5.0)
    r = jsci.atoms.property_errors(jsci.atoms.properties(energy), magmoms=1.0)
    with pytest.raises(ValueError, match="weighs magmoms, which the potential has not"):
        jsci.objective({"efs": r}).value(params, {"efs": batch})
