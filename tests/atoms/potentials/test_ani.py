"""ANI-1x against torchani, and the files that are refused."""

import importlib.util
import pathlib

import jax
import numpy as np
import pytest
from atoms._ani_files import tiny

import jaxsci as jsci
from jaxsci.atoms._potentials.published.ani import HARTREE

DATA = pathlib.Path(__file__).parents[1] / "data" / "ani1x.npz"


def published():
    found = importlib.util.find_spec("torchani")
    if found is None:
        pytest.skip("the networks of ANI-1x come with the package torchani 2.2.4")
    return pathlib.Path(found.submodule_search_locations[0]) / "resources" / "ani-1x_8x"


def test_energies_and_forces_are_those_of_torchani():
    """Twenty distorted molecules; its program in float64, ours padded, vmapped and jitted."""
    energy, params = jsci.atoms.ani(published())
    with np.load(DATA) as z:
        theirs = dict(z)
    names = sorted({key.partition("/")[0] for key in theirs})
    structures = [jsci.atoms.Atoms(theirs[f"{n}/positions"], theirs[f"{n}/numbers"]) for n in names]
    (batch,) = jsci.atoms.batch(
        structures, energy.cutoff, angle_cutoff=energy.angle_cutoff, buckets=1
    )
    f = jax.jit(jax.vmap(jsci.atoms.properties(energy), (None, 0, 0)))
    found = f(params, batch.atoms, batch.graph)
    assert len(names) == 20
    for place, index in enumerate(np.asarray(batch.index)):
        name = names[index]
        n = len(theirs[f"{name}/numbers"])
        forces = found.forces[place][:n] / HARTREE
        np.testing.assert_allclose(
            found.energy[place] / HARTREE, theirs[f"{name}/energy"], rtol=0, atol=1e-9
        )
        np.testing.assert_allclose(forces, theirs[f"{name}/forces"], rtol=0, atol=1e-8)
    sulphur = jsci.atoms.Atoms([[0.0, 0, 0], [1.3, 0, 0]], ["S", "H"])
    graph = jsci.atoms.neighbours(sulphur, 5.2, angle_cutoff=3.5)
    with pytest.raises(ValueError, match="the weights of the potential know no S"):
        energy(params, sulphur, graph)


def test_the_formula_of_a_tiny_potential(tmp_path):
    """One pair, so no angles: written out."""
    energy, params = jsci.atoms.ani(tiny(tmp_path / "tiny"))
    r = 1.1
    atoms = jsci.atoms.Atoms([[0.0, 0, 0], [r, 0, 0]], ["H", "H"])
    graph = jsci.atoms.neighbours(atoms, 5.0, angle_cutoff=3.0)
    radial = 0.25 * np.exp(-16 * (r - 0.9) ** 2) * (0.5 + 0.5 * np.cos(np.pi * r / 5))
    x = np.array([radial, 0.0])
    first, last = [{k: np.asarray(v[0]) for k, v in one.items()} for one in params["networks"][0]]
    hidden = x @ first["weight"] + first["bias"]
    hidden = np.where(hidden > 0, hidden, 0.1 * np.expm1(hidden / 0.1))
    expected = 2 * ((hidden @ last["weight"] + last["bias"])[0] - 0.5) * HARTREE
    np.testing.assert_allclose(energy(params, atoms, graph), expected, rtol=1e-12)


def test_files_that_are_missing_empty_or_of_another_kind_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"it has no \.params file"):
        jsci.atoms.ani(tmp_path)
    with pytest.raises(ValueError, match="an activation other than CELU: 5"):
        jsci.atoms.ani(tiny(tmp_path / "gaussian", activation=5))
    with pytest.raises(ValueError, match="has 1 numbers rather than 2"):
        jsci.atoms.ani(tiny(tmp_path / "short", biases=1))
    folder = tiny(tmp_path / "empty")
    (folder / "train0" / "networks" / "ANN-H.nnf").write_bytes(b"")
    with pytest.raises(ValueError, match="ANN-H.nnf is empty"):
        jsci.atoms.ani(folder)
    (folder / "sae_linfit.dat").unlink()
    with pytest.raises(ValueError, match="lacks the file sae_linfit.dat"):
        jsci.atoms.ani(folder)
