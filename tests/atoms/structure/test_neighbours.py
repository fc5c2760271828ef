"""Neighbour lists against every image, counted one by one."""

import functools
import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.atoms._structure.atoms import heights
from jaxsci.atoms._structure.pairs import pairs

CELLS = {
    "molecule": None,
    "cubic": 3 * np.eye(3),
    "smaller than the cutoff": np.array([[2.1, 0, 0], [0.9, 2.5, 0], [0, 0.3, 3]]),
    "thin": np.diag([1.2, 14, 14.0]),
    "sheared": np.array([[5.0, 0, 0], [9, 5, 0], [-7, 8, 6]]),
    "left-handed": np.array([[0.0, 3, 3], [3, 3, 0], [3, 0, 3]]),
}


def every_pair(positions, cell, cutoff):
    reach = (0, 0, 0)
    if cell is not None:
        spread = np.ptp(positions @ np.linalg.inv(cell), axis=0)
        reach = np.ceil(cutoff / heights(cell) + spread).astype(int)
    found = set()
    for s in itertools.product(*(range(-r, r + 1) for r in reach)):
        shift = np.zeros(3) if cell is None else np.array(s) @ cell
        d = np.linalg.norm(positions[None] + shift - positions[:, None], axis=-1)
        found |= {
            (i, j, *s) for i, j in zip(*np.nonzero(d < cutoff), strict=True) if i != j or any(s)
        }
    return found


def structure(name, atoms=4):
    rng = np.random.default_rng(1)
    return rng.normal(size=(atoms, 3)) * 4, CELLS[name]


@pytest.mark.parametrize("library", ["vesin", "SciPy"])
@pytest.mark.parametrize("name", CELLS)
def test_all_pairs_are_found_once(name, library, monkeypatch):
    if library == "vesin":
        pytest.importorskip("vesin")
    else:
        monkeypatch.setitem(sys.modules, "vesin", None)
    positions, cell = structure(name)
    i, j, shift = pairs(positions, cell, 4.0)
    found = set(map(tuple, np.column_stack([i, j, shift]).tolist()))
    assert found == every_pair(positions, cell, 4.0)
    assert len(found) == len(i)


@pytest.mark.parametrize("name", CELLS)
def test_edges_have_reverses_and_angles_are_all_pairs_of_near_edges(name):
    positions, cell = structure(name)
    atoms = jsci.atoms.Atoms(positions, [14] * 4, cell)
    graph = jsci.atoms.neighbours(atoms, 4.0, angle_cutoff=3.0)
    vectors = graph.vectors(atoms)
    np.testing.assert_array_equal(graph.i[graph.reverse], graph.j)
    np.testing.assert_allclose(vectors[graph.reverse], -vectors, atol=1e-12)
    near = np.linalg.norm(vectors, axis=1) < 3.0
    i = np.asarray(graph.i)
    wanted = {
        (a, b)
        for a, b in itertools.product(np.flatnonzero(near), repeat=2)
        if a != b and i[a] == i[b]
    }
    found = list(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    assert set(found) == wanted and len(found) == len(wanted)


def test_padding_is_beyond_the_cutoff_and_masked():
    atoms = jsci.atoms.Atoms(*structure("cubic")[:1], [14] * 4, CELLS["cubic"])
    exact = jsci.atoms.neighbours(atoms, 3.0, angle_cutoff=2.5)
    e, a = len(exact.i), len(exact.first)
    padded = jsci.atoms.neighbours(atoms, 3.0, angle_cutoff=2.5, edges=e + 5, angles=a + 7)
    assert padded.i.shape == (e + 5,) and padded.first.shape == (a + 7,)
    assert int(padded.edge_mask.sum()) == e and int(padded.angle_mask.sum()) == a
    assert (jnp.linalg.norm(padded.vectors(atoms), axis=1)[e:] == 6.0).all()
    np.testing.assert_array_equal(padded.reverse[e:], np.arange(e, e + 5))
    with pytest.raises(ValueError, match=f"{e} edges do not fit into edges=3"):
        jsci.atoms.neighbours(atoms, 3.0, edges=3)


def test_an_atom_alone_has_no_neighbours():
    graph = jsci.atoms.neighbours(jsci.atoms.Atoms([[0.0, 0, 0]], ["H"]), 5.0, angle_cutoff=3.0)
    assert graph.i.shape == graph.first.shape == (0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutoff": 0.0}, "cutoff must be positive"),
        ({"cutoff": float("nan")}, "cutoff must be positive"),
        ({"cutoff": 3.0, "angle_cutoff": 4.0}, "at most the cutoff of 3.0"),
    ],
)
def test_cutoffs_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        jsci.atoms.neighbours(jsci.atoms.Atoms([[0.0, 0, 0]], ["H"]), **options)


def test_atoms_on_top_of_each_other_are_named():
    atoms = jsci.atoms.Atoms([[0.0, 0, 0], [0, 0, 3.0], [0, 0.1, 3.0]], ["H", "O", "H"])
    with pytest.raises(ValueError, match=r"O 1 and H 2 are 0\.1 Å apart"):
        jsci.atoms.neighbours(atoms, 2.0)


def test_fractions_of_a_cell_that_were_taken_for_positions_are_noticed():
    """Silicon's and rock salt's atoms then are 0.43 and 0.87 Å apart."""
    cell = 5.43 * np.eye(3)
    for fractions, symbols in (([0.25] * 3, ["Si", "Si"]), ([0.5] * 3, ["Na", "Cl"])):
        atoms = jsci.atoms.Atoms([[0.0, 0, 0], fractions], symbols, cell)
        with pytest.warns(UserWarning, match="not fractions of the cell"):
            jsci.atoms.neighbours(atoms, 2.0)
    hydrogen = jsci.atoms.Atoms([[0.0, 0, 0], [0, 0, 0.74]], ["H", "H"])
    jsci.atoms.neighbours(hydrogen, 2.0)


def test_neighbours_are_not_traced():
    atoms = jsci.atoms.Atoms([[0.0, 0, 0]], ["H"])
    with pytest.raises(TypeError, match="NeighbourList"):
        jax.jit(lambda a: jsci.atoms.neighbours(a, 2.0).i)(atoms)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, 0, 0], [1]), r"shape \(atoms, 3\)"),
        (([[0.0, 0, 0]], [1, 2]), "1 positions need as many numbers"),
        (([[0.0, 0, np.nan]], [1]), "position of atom 0 is not finite"),
        (([[0.0, 0, 0]], [119]), "no element has the number 119"),
        (([[0.0, 0, 0]], ["Hf2"]), "no element has the symbol 'Hf2'. Did you mean 'Hf'"),
        (([[0.0, 0, 0]], [1], [3.0, 3.0, 3.0]), "np.diag"),
        (([[0.0, 0, 0]], [1], np.diag([3.0, 3.0, 0.0])), "cell has no volume"),
        (([[0.0, 0, 0]], [1], np.full((3, 3), np.nan)), "cell is not finite"),
    ],
)
def test_structures_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        jsci.atoms.Atoms(*arguments)


def test_a_frame_of_a_file_is_told_from_its_atoms():
    frame = jsci.atoms.Frame(jsci.atoms.Atoms([[0.0, 0, 0]], ["H"], 3 * np.eye(3)))
    constants = functools.partial(jsci.atoms.force_constants, None, None)
    for function in (jsci.atoms.neighbours, jsci.atoms.NeighbourList, constants):
        with pytest.raises(TypeError, match=r"takes Atoms, got Frame: give its \.atoms"):
            function(frame, 2.0)
        with pytest.raises(TypeError, match="got list: one structure"):
            function([frame], 2.0)


def test_a_potential_stands_for_its_cutoffs():
    """Those with angles, without, and from another one by `pure`, which does not say them."""
    silicon = jsci.atoms.Atoms([[0, 0, 0], [1.3575] * 3], ["Si", "Si"], 2.715 * (1 - np.eye(3)))
    energy, params = jsci.atoms.stillinger_weber()
    wanted = jsci.atoms.neighbours(silicon, energy.cutoff, angle_cutoff=energy.cutoff)
    graph = jsci.atoms.neighbours(silicon, energy)
    jax.tree.map(np.testing.assert_array_equal, graph, wanted)
    assert (graph.cutoff, graph.angle_cutoff) == (energy.cutoff, energy.cutoff)
    pairs_alone, _ = jsci.atoms.lennard_jones(epsilon=0.01, sigma=2.3, cutoff=6.0)
    assert jsci.atoms.neighbours(silicon, pairs_alone).angle_cutoff is None
    assert jsci.atoms.neighbours(silicon, energy, angle_cutoff=3.0).angle_cutoff == 3.0
    nearby = jsci.atoms.NeighbourList(silicon, energy)
    assert (nearby.cutoff, nearby.angle_cutoff) == (energy.cutoff, energy.cutoff)
    (batch,) = jsci.atoms.batch([silicon], energy)
    assert batch.graph.angle_cutoff == energy.cutoff
    f = jax.jit(jsci.atoms.properties(energy))
    constants = jsci.atoms.force_constants(f, params, silicon, energy, supercell=(1, 1, 1))
    np.testing.assert_allclose(constants.values.sum(axis=(1, 2)), 0, atol=1e-8)
    with pytest.raises(TypeError, match=r"one as \.cutoff; got PropertiesOf"):
        jsci.atoms.neighbours(silicon, jsci.atoms.properties(energy))
    with pytest.raises(TypeError, match="cutoff must be a number.*got dict"):
        jsci.atoms.neighbours(silicon, {"cutoff": 3.0})
