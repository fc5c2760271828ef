"""Features of atoms: what they depend on, and what they refuse or warn of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft._learned.atom_features import AtomFeatures, Nuclei

WATER = [8, 1, 1]
PLACES = jnp.array([[0.0, 0.0, 0.2], [0.0, 1.4, -0.9], [0.2, -1.4, -0.8]])


def nuclei(elements, coordinates=PLACES, charge=0.0):
    z = jnp.asarray(elements, float)
    return Nuclei(coordinates, z, z, z > 0, jnp.asarray(charge))


def made(examples, layers=2, cutoff=8.0):
    features = AtomFeatures(
        examples, 2, channels=3, radial=4, cutoff=cutoff, width=5, layers=layers,
        key=jax.random.key(0),
    )  # fmt: skip
    keys = iter(jax.random.split(jax.random.key(1), 100))
    return jax.tree.map(lambda w: w + 0.3 * jax.random.normal(next(keys), w.shape), features)


@jax.jit
def predict(features, of):
    return features(of)


def moved_by(features, atom, of):
    """How far the features of one atom move with another."""
    places = jnp.array([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0], [0.0, 0.0, 6.0]])
    moved = places.at[atom, 1].add(0.1)
    change = predict(features, nuclei(WATER, moved)) - predict(features, nuclei(WATER, places))
    return float(jnp.max(jnp.abs(change[of])))


def test_a_second_layer_sees_what_neighbours_see():
    examples = [nuclei(WATER)]
    assert moved_by(made(examples, 1, cutoff=4.0), atom=2, of=0) == 0
    assert moved_by(made(examples, 2, cutoff=4.0), atom=2, of=0) > 1e-5
    assert moved_by(made(examples, 2, cutoff=2.5), atom=2, of=0) == 0


def test_charge_changes_the_features_and_padding_does_not():
    features = made([nuclei(WATER)])
    neutral, anion = (predict(features, nuclei(WATER, charge=q)) for q in (0.0, -1.0))
    assert float(jnp.max(jnp.abs(neutral - anion))) > 1e-3
    r, z, q, mask, charge = nuclei(WATER, charge=-1.0)
    z, q, mask = (jnp.pad(x, (0, 2)) for x in (z, q, mask))
    padded = Nuclei(jnp.pad(r, ((0, 2), (0, 0))), z, q, mask, charge)
    np.testing.assert_allclose(predict(features, padded)[:3], anion, atol=1e-13)


def test_every_weight_of_a_pair_that_was_not_trained_is_shared():
    """Methane and water hold no neighbours C-O, and still their weights move."""
    methane, water = nuclei([6, 1, 1]), nuclei(WATER)
    features = made([methane, water])

    def size(f):
        return sum(jnp.sum(f(n) ** 2) for n in (methane, water))

    slope = jax.jit(jax.grad(size))(features)
    assert all((leaf != 0).any(axis=tuple(range(1, leaf.ndim))).all() for leaf in
               (*slope.seen_as.values(), slope.centre, slope.alone, slope.near))  # fmt: skip
    assert (slope.near != 0).all()


def test_pairs_that_no_example_has_are_named():
    methane, water = nuclei([6, 1, 1]), nuclei(WATER)
    features = made([methane, water])
    with pytest.warns(UserWarning, match="neighbours C-O: what it predicts"):
        found = features(nuclei([6, 8, 1]))
    assert jnp.isfinite(found).all()
    apart = jnp.array([[0.0, 0.0, 0.0], [0.0, 0.0, 9.0], [0.0, 0.0, 4.5]])
    assert jnp.isfinite(features(nuclei([6, 8, 1], apart))).all()  # beyond the cutoff


def test_a_charge_that_no_example_has_is_named():
    features = made([nuclei(WATER), nuclei(WATER, charge=-1.0)])
    features(nuclei(WATER, charge=-1.0))
    with pytest.warns(UserWarning, match=r"charge \+1, only those of \[-1, 0\]"):
        assert jnp.isfinite(features(nuclei(WATER, charge=1.0))).all()


@pytest.mark.parametrize(
    ("example", "cutoff"),
    [
        (nuclei([7, 1, 1]), 8.0),
        (nuclei(WATER), 7.0),
        (nuclei(WATER)._replace(charges=jnp.array([6.0, 1.0, 1.0])), 8.0),
    ],
)
def test_weights_for_others_do_not_load(tmp_path, example, cutoff):
    """With the same shapes."""
    jsci.save(tmp_path / "weights", made([example], cutoff=cutoff))
    with pytest.raises(ValueError, match=r"seen_as.* where .*seen_as\['H O within 8 Bohr'\]"):
        jsci.load(tmp_path / "weights", made([nuclei(WATER)]))


def test_other_elements_and_core_potentials_are_nan():
    features = made([nuclei(WATER)])
    with pytest.warns(UserWarning, match="H-N"):
        assert jnp.isnan(features(nuclei([7, 1, 1]))).any()
    core = nuclei(WATER)._replace(charges=jnp.array([6.0, 1.0, 1.0]))
    assert jnp.isnan(features(core)[0]).all()


@pytest.mark.parametrize("wrong", [{"layers": 0}, {"cutoff": 0.5}])
def test_bad_sizes_are_explained(wrong):
    with pytest.raises(ValueError, match="sizes must be positive"):
        made([nuclei(WATER)], **wrong)
