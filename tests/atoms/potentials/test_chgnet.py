"""CHGNet against the numbers of chgnet itself, and the reader of its files."""

import importlib.util
import io
import pathlib
import pickle
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.atoms._potentials.published.torch_file import read_torch

EV_PER_CUBIC_ANGSTROM = 160.21766208  # GPa, as chgnet has it
DATA = pathlib.Path(__file__).parents[1] / "data" / "chgnet.npz"


def structures():
    """The eight of chgnet.npz, by name."""
    with np.load(DATA) as z:
        names = sorted({key.partition("/")[0] for key in z.files})
        parts = ("positions", "numbers", "cell")
        return {n: jsci.atoms.Atoms(*(z[f"{n}/{part}"] for part in parts)) for n in names}


def weights(version):
    try:
        return jsci.atoms.chgnet(version)
    except ImportError as problem:
        pytest.skip(str(problem))


@pytest.mark.parametrize("version", ["0.3.0", "r2scan", "0.2.0"])
def test_energies_forces_stresses_and_moments_are_those_of_chgnet(version):
    """Its own numbers, with its program switched to float64; ours padded, vmapped and jitted."""
    energy, params = weights(version)
    ours = structures()
    (batch,) = jsci.atoms.batch(
        list(ours.values()), energy.cutoff, angle_cutoff=energy.angle_cutoff, buckets=1
    )
    f = jax.jit(jax.vmap(jsci.atoms.properties(energy), (None, 0, 0)))
    result = f(params, batch.atoms, batch.graph)
    with np.load(DATA) as z:
        for place, index in enumerate(np.asarray(batch.index)):
            name = list(ours)[index]
            n = len(ours[name].numbers)
            theirs = {k: z[f"{name}/{version}/{k}"] for k in result._fields}
            stress = result.stress[place] * EV_PER_CUBIC_ANGSTROM
            np.testing.assert_allclose(result.energy[place] / n, theirs["energy"] / n, atol=1e-7)
            np.testing.assert_allclose(result.forces[place][:n], theirs["forces"], atol=1e-7)
            np.testing.assert_allclose(stress, theirs["stress"], atol=1e-6)
            np.testing.assert_allclose(result.magmoms[place][:n], theirs["magmoms"], atol=1e-7)
            assert not result.magmoms[place][n:].any()


def test_a_graph_with_more_neighbours_gives_the_same_energy():
    energy, params = jsci.atoms.chgnet()
    atoms = structures()["LiF-primitive"]
    f = jax.jit(energy)
    exact = f(params, atoms, jsci.atoms.neighbours(atoms, 6.0, angle_cutoff=3.0))
    wider = f(params, atoms, jsci.atoms.neighbours(atoms, 6.5, angle_cutoff=3.5))
    np.testing.assert_allclose(wider[0], exact[0], rtol=1e-12)
    np.testing.assert_allclose(wider[1], exact[1], rtol=1e-10)


def test_weights_in_single_precision_take_positions_in_double():
    energy, params = jsci.atoms.chgnet(dtype=jnp.float32)
    atoms = structures()["MgO"]
    graph = jsci.atoms.neighbours(atoms, 6.0, angle_cutoff=3.0)
    assert jax.eval_shape(energy, params, atoms, graph)[0].dtype == jnp.float64


def test_an_unknown_element_is_refused_and_nan_under_jit():
    energy, params = jsci.atoms.chgnet()
    atoms = jsci.atoms.Atoms([[0.0, 0, 0], [2.5, 0, 0]], ["Am", "O"], 6 * np.eye(3))
    graph = jsci.atoms.neighbours(atoms, 6.0, angle_cutoff=3.0)
    with pytest.raises(ValueError, match="the weights of the potential know no Am"):
        energy(params, atoms, graph)
    assert np.isnan(jax.jit(energy)(params, atoms, graph)[0])


def test_weights_that_are_nowhere_are_named(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"no weights '0.4.0': neither '0.3.0', 'r2scan', '0.2.0'"):
        jsci.atoms.chgnet("0.4.0")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="come with the package chgnet, which is not installed"):
        jsci.atoms.chgnet("r2scan")
    text = tmp_path / "weights.pth.tar"
    text.write_text("not an archive")
    with pytest.raises(ValueError, match="is not a file of torch.save"):
        jsci.atoms.chgnet(text)


def archive(path, content):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", content)
    return path


class Malicious:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("executed"),)


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = archive(tmp_path / "bad.pth", pickle.dumps(Malicious()))
    with pytest.raises(ValueError, match="which is not part of a tensor: it is refused"):
        read_torch(path)
    assert not (tmp_path / "executed").exists()
    with pytest.raises(ValueError, match="is damaged"):
        read_torch(archive(tmp_path / "cut.pth", pickle.dumps([1, 2])[:-3]))
    saved = pickle.dumps({"model": {"state_dict": {}, "model_args": {"read_out": "attn"}}})
    with pytest.raises(ValueError, match="has read_out='attn'; only 'ave' can be read"):
        jsci.atoms.chgnet(archive(tmp_path / "other.pth", saved))
    saved = pickle.dumps({"model": {"state_dict": {}, "model_args": {}}})
    with pytest.raises(ValueError, match="of another architecture: they have no"):
        jsci.atoms.chgnet(archive(tmp_path / "empty.pth", saved))
    with pytest.raises(ValueError, match="no model in it"):
        jsci.atoms.chgnet(archive(tmp_path / "none.pth", pickle.dumps({})))


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed")
def test_tensors_are_those_that_torch_saved(tmp_path):
    import torch

    whole = torch.arange(24, dtype=torch.float64).reshape(2, 3, 4)
    saved = {"turned": whole.permute(2, 0, 1), "part": whole[1:, ::2], "count": 3}
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    (tmp_path / "saved.pth").write_bytes(buffer.getvalue())
    ours = read_torch(tmp_path / "saved.pth")
    assert ours["count"] == 3
    for name in ("turned", "part"):
        np.testing.assert_array_equal(ours[name], saved[name].numpy())


def test_the_notice_lies_beside_the_weights():
    folder = pathlib.Path(jsci.atoms.__file__).parent / "data"
    assert "Regents" in (folder / "LICENSE-chgnet").read_text()
    assert (folder / "chgnet-0.3.0.npz").stat().st_size < 2_000_000
    assert sum(p.size for p in jax.tree.leaves(jsci.atoms.chgnet(dtype=jnp.float32)[1])) == 412_525
