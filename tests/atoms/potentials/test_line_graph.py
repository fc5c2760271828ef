"""Potentials on the line graph: the numbers of deepmd-kit, invariances, smoothness, refusals."""

import json
import pathlib
import shutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.atoms._structure.atoms import moved

h5py = pytest.importorskip("h5py")  # models of deepmd-kit are HDF5 files

DATA = pathlib.Path(__file__).parents[1] / "data"
CUTOFFS: Any = {"cutoff": 4.0, "angle_cutoff": 3.2}


def alloy():
    """Eight atoms of the reference numbers, two of an element on every line of neighbours."""
    with np.load(DATA / "dpa3.npz") as z:
        return jsci.atoms.Atoms(z["positions"], z["numbers"], z["cell"]), dict(z)


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_features_and_energies_are_those_of_deepmd(kind):
    """Random weights of two layers by deepmd-kit 3.2.0, whose NumPy program made the numbers.

    `static` has its default options: sums over fixed numbers of neighbours, polynomial weights, and
    edges beyond the angle cutoff that stand for their angles. `dynamic` has those of its example
    `dpa3`: exponential weights, edges from distances, and angles from half of an edge's features.
    """
    energy, params = jsci.atoms.dpa3(DATA / f"dpa3-{kind}.dp")
    atoms, theirs = alloy()
    graph = jsci.atoms.neighbours(atoms, energy.cutoff, angle_cutoff=energy.angle_cutoff)
    element = jnp.asarray(np.where(theirs["numbers"] == 29, 0, 1))
    features = jax.jit(lambda p: p._features(element, atoms, graph))(params)
    np.testing.assert_allclose(features, theirs[f"{kind}/features"], rtol=0, atol=1e-12)
    room = {"edges": len(graph.i) + 5, "angles": len(graph.first) + 7}
    padded = jsci.atoms.neighbours(atoms, energy.cutoff, angle_cutoff=energy.angle_cutoff, **room)
    total = jax.jit(energy)(params, atoms, padded)
    np.testing.assert_allclose(total, theirs[f"{kind}/energy"], rtol=0, atol=1e-12)


def potential(seed=0):
    """Random weights, without the small factors that updates begin with."""
    model = jsci.atoms.LineGraphPotential(
        ["Mg", "O"], widths=(6, 5, 4), depth=2, key=jax.random.key(seed), **CUTOFFS
    )
    return jsci.pure(jax.tree.map(lambda p: jnp.where(p == 0.1, 0.7, p), model))


def rock_salt(rattle=0.0):
    rng = np.random.default_rng(0)
    base = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
    fraction = np.concatenate([base, base + [0.5, 0, 0]])
    cell = 4.21 * np.eye(3) + rattle * rng.normal(size=(3, 3))
    positions = fraction @ cell + rattle * rng.normal(size=fraction.shape)
    return jsci.atoms.Atoms(positions, ["Mg"] * 4 + ["O"] * 4, cell)


def test_rotation_permutation_supercells_and_padding():
    energy, params = potential()
    f = jsci.atoms.properties(energy)
    atoms, rng = rock_salt(0.1), np.random.default_rng(5)
    turn, order = np.linalg.qr(rng.normal(size=(3, 3)))[0], rng.permutation(8)
    x, cell, numbers = (np.asarray(a) for a in (atoms.positions, atoms.cell, atoms.numbers))
    twice = np.concatenate([x, x + cell[1]])
    structures = [
        atoms,
        jsci.atoms.Atoms(x[order] @ turn + 7.3, numbers[order], cell @ turn),
        jsci.atoms.Atoms(twice, np.tile(numbers, 2), cell * np.array([[1.0], [2.0], [1.0]])),
    ]
    (batch,) = jsci.atoms.batch(structures, **CUTOFFS, buckets=1, size=3)
    place = np.argsort(np.asarray(batch.index))
    found = jax.jit(lambda b: jax.lax.map(lambda one: f(params, *one), b))(
        (batch.atoms, batch.graph)
    )
    ours, turned, doubled = (jax.tree.map(lambda leaf, p=p: leaf[p], found) for p in place)
    forces = np.asarray(ours.forces)[:8]
    np.testing.assert_allclose(turned.energy, ours.energy, rtol=1e-10)
    np.testing.assert_allclose(turned.forces[:8], forces[order] @ turn, atol=1e-10)
    np.testing.assert_allclose(turned.stress, turn.T @ ours.stress @ turn, atol=1e-10)
    np.testing.assert_allclose(doubled.energy, 2 * ours.energy, rtol=1e-10)
    np.testing.assert_allclose(doubled.forces, np.tile(forces, (2, 1)), atol=1e-10)
    assert np.abs(forces).max() > 1e-2 and not np.asarray(ours.forces)[8:].any()


def along(energy, params, atoms, graph, atom, axis):
    """The first and second derivative of the energy by one coordinate, as a function of it."""

    def at(d):
        return energy(params, moved(atoms, atoms.positions.at[atom, axis].add(d)), graph)

    return jax.jit(lambda d: jnp.stack(jax.jvp(jax.grad(at), (d,), (1.0,))))


def test_the_second_derivative_at_straight_angles_is_that_of_differences():
    """What is left between them is d²/6 times the fourth: a cusp leaves the order of d."""
    salt = rock_salt()
    slope = along(*potential(), salt, jsci.atoms.neighbours(salt, **CUTOFFS), 0, 0)
    exact = slope(0.0)[1]
    assert abs(exact) > 1e-2
    fourth = (slope(3e-3) - 2 * slope(0.0) + slope(-3e-3))[1] / 3e-3**2
    for d in (1e-6, 1e-4, 1e-3, 1e-2):
        difference = (slope(d) - slope(-d))[0] / (2 * d)
        assert abs(difference / exact - 1) < 30 * d**2 + 1e-8
        assert abs((difference - fourth * d**2 / 6) / exact - 1) < 1e-5


@pytest.mark.slow
def test_the_energy_is_twice_continuous_through_each_cutoff():
    """One atom passes the cutoff from another; derivatives just within and just beyond."""
    corner = np.array([[0, 0, 0], [1.9, 0, 0], [0, 1.9, 0], [0, 0, 3.6]])
    atoms = jsci.atoms.Atoms(corner, ["Mg", "O", "O", "O"])
    wide = jsci.atoms.neighbours(atoms, 5.0, angle_cutoff=4.6)
    slope = along(*potential(), atoms, wide, 3, 2)
    for edge in (4.0, 3.2):
        f = {s: slope(edge - 3.6 + s) for s in (-1e-3, -1e-6, 1e-6, 1e-3)}
        drift = np.abs(f[-1e-3] - f[1e-3])
        assert (np.abs(f[-1e-6] - f[1e-6]) <= 0.01 * drift + 1e-9).all()


@pytest.mark.slow
def test_it_learns_the_forces_of_another():
    """Forces of a Lennard-Jones potential in two structures: their error falls to a third."""
    import optax

    truth, given = jsci.atoms.lennard_jones(epsilon=0.1, sigma=2.0, cutoff=4.0)
    reference = jax.jit(jsci.atoms.properties(truth))
    frames = []
    for rattle in (0.05, 0.1):
        atoms = rock_salt(rattle)
        found = reference(given, atoms, jsci.atoms.neighbours(atoms, 4.0))
        frames.append(jsci.atoms.Frame(atoms, forces=found.forces))
    energy, params = potential()
    r = jsci.atoms.property_errors(jsci.atoms.properties(energy), energy=0.0, forces=1.0)
    (batch,) = jsci.atoms.batch(frames, **CUTOFFS, buckets=1)
    loss = jsci.objective({"forces": r})
    before = loss.value(params, {"forces": batch})
    after = jsci.fit(loss, params, {"forces": batch}, optax.adam(3e-3), steps=300, progress=False)
    assert loss.value(after.params, {"forces": batch}) < 0.1 * before


def test_what_does_not_fit_is_refused(tmp_path):
    make = lambda **options: jsci.atoms.LineGraphPotential(  # noqa: E731
        ["O"], key=jax.random.key(0), **({**CUTOFFS, "widths": (4, 4, 1), "depth": 1} | options)
    )
    for options, message in (
        ({"angle_cutoff": 5.0}, "angle_cutoff at most as long"),
        ({"widths": (4, 3, 2)}, "edges \\(at least 4\\)"),
        ({"depth": 0}, "depth is at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make(**options)
    atoms = rock_salt()
    with pytest.raises(ValueError, match="the elements of the potential know no Mg"):
        make()(atoms, jsci.atoms.neighbours(atoms, **CUTOFFS))
    with pytest.raises(ValueError, match="needs angles within 3.2"):
        make()(atoms, jsci.atoms.neighbours(atoms, 4.0))
    with pytest.raises(ValueError, match="there is no file"):
        jsci.atoms.dpa3(tmp_path / "none.dp")
    (tmp_path / "text.dp").write_text("no HDF5")
    with pytest.raises(ValueError, match=r"not a model of deepmd-kit in its format \.dp"):
        jsci.atoms.dpa3(tmp_path / "text.dp")
    for path, value, message in (
        (("descriptor", "repflow_args", "sequential_update"), True, "sequential_update=True"),
        (("descriptor", "repflow_args", "a_compress_use_split"), False, "by a layer"),
        (("descriptor", "activation_function"), "gelu", "no activation 'gelu'"),
        (("descriptor", "repflow_args", "fix_stat_std"), 0.2, "fix_stat_std=0.2"),
        (("fitting", "numb_fparam"), 1, "numb_fparam=1"),
        (("type",), "zbl", "type='zbl'"),
        (("fitting", "exclude_types"), [0], r"exclude_types=\[0\]"),
        (("fitting", "atom_ener"), [None, 0.5], r"atom_ener=\[0.5\]"),
        (("type_map",), ["Cu", "cu"], "an element twice"),
        (("type_map",), ["Cu", "Au", "Ag"], "does not hold all parts"),
        (("descriptor",), {"type": "dpa3"}, "does not hold all parts"),
    ):
        file = changed(tmp_path / "changed.dp", path, value)
        with pytest.raises(ValueError, match=message):
            jsci.atoms.dpa3(file)


def changed(file, path, value):
    """A copy of a model with one option set to another value."""
    shutil.copy(DATA / "dpa3-dynamic.dp", file)
    with h5py.File(file, "r+") as opened:
        saved = json.loads(opened.attrs["json"])
        node = saved["model"]
        for name in path[:-1]:
            node = node[name]
        node[path[-1]] = value
        opened.attrs["json"] = json.dumps(saved)
    return file


def test_damaged_numbers_are_refused(tmp_path):
    file = shutil.copy(DATA / "dpa3-dynamic.dp", tmp_path / "damaged.dp")
    with h5py.File(file, "r+") as opened:
        opened["variable_0059"][0] = np.nan
    with pytest.raises(ValueError, match="damaged"):
        jsci.atoms.dpa3(file)
