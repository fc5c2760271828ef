"""Batches: every structure is in one, and padding changes no result."""

import jax
import numpy as np
import pytest

import jaxsci as jsci


def structures():
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 5, 5, 2):
        cell = (3.0 + n) * np.eye(3) + 0.1 * rng.normal(size=(3, 3))
        fraction = np.linspace(0, 1, n, endpoint=False)[:, None] + 0.02 * rng.normal(size=(n, 3))
        yield jsci.atoms.Atoms(fraction @ cell, [18] * n, cell)


@pytest.mark.slow
def test_padded_and_stacked_structures_have_the_same_properties():
    energy, params = jsci.atoms.lennard_jones(epsilon=0.01, sigma=1.5, cutoff=4.0, onset=3.0)
    f = jsci.atoms.properties(energy)
    all_of_them = list(structures())
    batches = jsci.atoms.batch(all_of_them, 4.0, angle_cutoff=3.0, buckets=2, size=2)
    assert len({b.atoms.numbers.shape + b.graph.i.shape for b in batches}) == 2
    seen = []
    for b in batches:
        results = jax.vmap(f, (None, 0, 0))(params, b.atoms, b.graph)
        for k, index in enumerate(b.index.tolist()):
            if index < 0:
                assert results.energy[k] == 0
                continue
            one = all_of_them[index]
            alone = f(params, one, jsci.atoms.neighbours(one, 4.0))
            n = len(one.numbers)
            np.testing.assert_allclose(results.energy[k], alone.energy, rtol=1e-12)
            np.testing.assert_allclose(results.forces[k, :n], alone.forces, atol=1e-13)
            assert (results.forces[k, n:] == 0).all()
            np.testing.assert_allclose(results.stress[k], alone.stress, atol=1e-13)
            seen.append(index)
    assert sorted(seen) == list(range(6))


def test_molecules_and_crystals_are_apart_and_missing_labels_are_known_to_be():
    molecule = jsci.atoms.Atoms([[0.0, 0, 0], [0, 0, 1.1]], ["N", "N"])
    crystal = next(structures())
    frames = [jsci.atoms.Frame(molecule, -3.0), crystal]
    first, second = jsci.atoms.batch(frames, 4.0, buckets=1)
    assert first.atoms.cell is not None and second.atoms.cell is None
    assert not first.known.energy[0] and second.known.energy[0]
    assert second.labels.energy[0] == -3.0 and not second.known.forces[0]


def test_shapes_are_those_of_least_padding():
    from jaxsci.atoms._structure.batch import _groups

    sizes = np.array([[1, 10, 0], [1, 100, 0], [1, 11, 0], [1, 99, 0], [1, 12, 0]])
    groups = _groups(sizes, np.arange(5), 2)
    assert [sorted(group.tolist()) for group in groups] == [[0, 2, 4], [1, 3]]
    assert len(_groups(sizes, np.arange(5), 9)) == 5
    # Of many, parted at a thousand places: every structure is in one, and the padding is small.
    sizes = np.random.default_rng(0).integers(1, 200, (20_000, 1)) * [1, 20, 90]
    groups = _groups(sizes, np.arange(20_000), 4)
    assert sorted(np.concatenate(groups)) == list(range(20_000))
    padded = sum(len(group) * sizes[group].max(0).sum() for group in groups)
    assert len(groups) == 4 and padded < 1.3 * sizes.sum()
