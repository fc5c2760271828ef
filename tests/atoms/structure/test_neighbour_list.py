"""The list under jit has the edges and angles of the host's, or says that it overflowed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import jaxsci as jsci
from jaxsci.atoms._structure.atoms import moved

CELLS = {
    "molecule": None,
    "smaller than the cutoff": np.array([[2.1, 0, 0], [0.9, 2.5, 0], [0, 0.3, 3]]),
    "thin and long": np.diag([1.7, 17, 9.0]),
    "sheared": np.array([[8.0, 0, 0], [9, 8, 0], [-7, 8, 12]]),
    "many bins": 14 * np.eye(3),
}


def structure(name, atoms=6):
    positions = np.random.default_rng(1).normal(size=(atoms, 3)) * 5
    return jsci.atoms.Atoms(positions, [14] * atoms, CELLS[name])


def edges(graph):
    real = np.asarray(graph.edge_mask)
    rows = np.column_stack([graph.i, graph.j, graph.shift])[real]
    return rows.tolist()


def angles(graph):
    rows = np.column_stack([graph.i, graph.j, graph.shift])
    real = np.asarray(graph.angle_mask)
    return np.hstack([rows[graph.first], rows[graph.second]])[real].tolist()


@pytest.mark.parametrize("name", CELLS)
def test_edges_and_angles_are_those_of_the_host(name):
    atoms = structure(name)
    nearby = jsci.atoms.NeighbourList(atoms, 3.5, angle_cutoff=3.0, skin=0.4)
    ours = jax.jit(nearby)(atoms)
    theirs = jsci.atoms.neighbours(atoms, 3.9, angle_cutoff=3.4)
    assert not ours.overflow and (ours.cutoff, ours.angle_cutoff) == (3.5, 3.0)
    assert sorted(edges(ours)) == edges(theirs)
    assert sorted(angles(ours)) == sorted(angles(theirs))
    vectors = ours.vectors(atoms)
    real = np.asarray(ours.edge_mask)
    np.testing.assert_array_equal(ours.reverse[~real], np.flatnonzero(~real))
    np.testing.assert_allclose(vectors[ours.reverse][real], -vectors[real], atol=1e-12)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10**6), st.floats(2.0, 12.0), st.floats(-8.0, 8.0))
def test_any_cell(seed, length, shear):
    rng = np.random.default_rng(seed)
    cell = np.diag([length, 5.0, 14.0])
    cell[1, 0], cell[2, 0], cell[2, 1] = shear, 3 * rng.normal(), shear
    atoms = jsci.atoms.Atoms(4 * rng.normal(size=(5, 3)), [1] * 5, cell)
    try:
        nearby = jsci.atoms.NeighbourList(atoms, 3.0, skin=0.0)
    except ValueError:
        with pytest.raises(ValueError, match="closer than"):
            jsci.atoms.neighbours(atoms, 3.0)
        return
    assert sorted(edges(nearby(atoms))) == edges(jsci.atoms.neighbours(atoms, 3.0))


def test_too_many_neighbours_too_many_in_a_bin_and_shrunken_cells_are_flagged():
    atoms = structure("many bins")
    nearby = jax.jit(jsci.atoms.NeighbourList(atoms, 3.0, angle_cutoff=3.0))
    assert not nearby(atoms).overflow
    assert nearby(moved(atoms, 0.2 * atoms.positions)).overflow
    assert nearby(moved(atoms, atoms.positions, 0.7 * atoms.cell)).overflow
    assert nearby(moved(atoms, atoms.positions.at[0, 0].set(jnp.nan))).overflow


def test_a_stack_of_structures_shares_a_list():
    a, b = structure("sheared"), structure("many bins")
    both = jax.tree.map(lambda *x: jnp.stack(x), a, b)
    nearby = jsci.atoms.NeighbourList(both, 4.0)
    graphs = jax.jit(jax.vmap(nearby))(both)
    assert not graphs.overflow.any()
    for k, one in enumerate((a, b)):
        graph = jax.tree.map(lambda leaf, k=k: leaf[k], graphs)
        assert sorted(edges(graph)) == edges(jsci.atoms.neighbours(one, 4.5))


def test_a_list_promises_what_it_keeps_until_it_is_stale_and_not_its_skin():
    atoms = structure("many bins")
    graph = jax.eval_shape(jsci.atoms.NeighbourList(atoms, 4.0, skin=0.5), atoms)
    graph.require(4.0)
    with pytest.raises(ValueError, match="needs neighbours within 4.2 Å"):
        graph.require(4.2)


def test_a_list_of_a_crystal_refuses_a_molecule_and_no_list_is_of_nothing():
    crystal = structure("smaller than the cutoff")
    molecule = jsci.atoms.Atoms(crystal.positions, crystal.numbers)
    with pytest.raises(ValueError, match="the list is of a crystal"):
        jsci.atoms.NeighbourList(crystal, 3.0)(molecule)
    with pytest.raises(ValueError, match="at least one atom"):
        jsci.atoms.NeighbourList(jsci.atoms.Atoms(np.zeros((0, 3)), []), 3.0)


def test_a_list_is_stale_when_edges_may_be_missing():
    atoms = structure("many bins")
    nearby = jsci.atoms.NeighbourList(atoms, 4.0, skin=0.5)
    assert not nearby.stale(moved(atoms, atoms.positions + 0.14), atoms)
    assert nearby.stale(moved(atoms, atoms.positions + 0.15), atoms)
    squeezed = moved(atoms, 0.9 * atoms.positions, 0.9 * atoms.cell)
    assert nearby.stale(squeezed, atoms)
    assert nearby.stale(moved(atoms, atoms.positions * jnp.nan), atoms)


def test_atoms_that_came_too_close_are_flagged():
    def pair(distance):
        return jsci.atoms.Atoms([[0.0, 0, 0], [0, 0, distance]], ["Si", "Si"], 9 * np.eye(3))

    nearby = jax.jit(jsci.atoms.NeighbourList(pair(2.4), 4.0))
    assert not nearby(pair(0.31)).overflow
    assert nearby(pair(0.29)).overflow and nearby(pair(0.0)).overflow
