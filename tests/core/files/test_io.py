"""save and load: exact round trips, readable headers, refusals."""

import datetime
import errno
import hashlib
import io
import json
import os
import subprocess
import sys
import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.core._files.atomic_write import _THIS_PROCESS, remove_partial
from jaxsci.core._files.io import read_metadata


def tree():
    return {
        "w": jnp.arange(6, dtype=jnp.float32).reshape(2, 3),
        "n": jnp.array(3),
        "key": jax.random.key(7),
        "model": eqx.nn.Linear(2, 2, key=jax.random.key(1)),
    }


def test_round_trip_is_exact(tmp_path):
    path = tmp_path / "tree.jsci"
    jsci.save(path, tree())
    blank = jax.tree.map(lambda x: jnp.zeros_like(x) if eqx.is_inexact_array(x) else x, tree())
    loaded = jsci.load(path, blank)
    assert eqx.tree_equal(loaded, tree())


def test_header_is_readable(tmp_path):
    path = tmp_path / "tree.jsci"
    jsci.save(path, tree(), metadata={"steps": 5})
    header = json.loads(path.read_bytes().split(b"\n")[0])
    assert header["metadata"] == {"steps": 5}
    assert {"path": "['w']", "shape": [2, 3], "dtype": "float32"} in header["leaves"]


def test_saving_twice_leaves_one_whole_file(tmp_path):
    path = tmp_path / "a.jsci"
    jsci.save(path, jnp.zeros(3))
    jsci.save(path, jnp.ones(3))
    np.testing.assert_array_equal(jsci.load(path, jnp.zeros(3)), np.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsci"]


def test_another_structure_is_refused(tmp_path):
    path = tmp_path / "a.jsci"
    jsci.save(path, {"w": jnp.zeros((2, 3))})
    with pytest.raises(ValueError, match=r"\['w'\] has shape \[2, 3\].*\[3, 3\]"):
        jsci.load(path, {"w": jnp.zeros((3, 3))})
    with pytest.raises(ValueError, match="1 leaves, where 2"):
        jsci.load(path, {"w": jnp.zeros((2, 3)), "z": jnp.zeros(1)})


@pytest.mark.parametrize("damage", ["truncate", "flip"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "a.jsci"
    jsci.save(path, jnp.arange(100.0))
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        content = content[:-8]
    else:
        content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        jsci.load(path, jnp.zeros(100))


@pytest.mark.parametrize(
    "content",
    [b"", b"hello\nworld", b'{"format": 3}\n', b'{"format": "jaxsci-1"}\n', b"\x80\x04]."]
    + [b"[" * 100_000],
)
def test_a_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "a.jsci"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not written by jaxsci.save"):
        jsci.load(path, jnp.zeros(1))


def test_no_pickle_is_loaded(tmp_path):
    """A file whose header and checksum are right, and whose array is a pickled object."""

    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was executed",))

    path, payload = tmp_path / "a.jsci", io.BytesIO()
    jsci.save(path, jnp.zeros(1))
    np.save(payload, np.array([Bomb()], object), allow_pickle=True)
    header = json.loads(path.read_bytes().split(b"\n")[0])
    del header["header_sha256"]  # as in files of earlier versions
    header |= {"bytes": len(payload.getvalue())}
    header |= {"sha256": hashlib.sha256(payload.getvalue()).hexdigest()}
    path.write_bytes(json.dumps(header).encode() + b"\n" + payload.getvalue())
    with pytest.raises(ValueError, match="arrays are not those"):
        jsci.load(path, jnp.zeros(1))


NARROW = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4")


@pytest.mark.parametrize("like", ["itself", "shapes"])
def test_narrow_dtypes_come_back_bit_for_bit(tmp_path, like):
    """NumPy's own format loses their names, and its reader gave other numbers or none."""
    tree = {name: jnp.arange(-3, 4).astype(name) for name in NARROW}
    tree |= {f"{name} in NumPy": np.asarray(tree[name]) for name in NARROW}
    tree |= {f"{name} alone": np.asarray(tree[name])[-1] for name in NARROW}
    jsci.save(tmp_path / "a", tree)
    other = tree if like == "itself" else eqx.filter_eval_shape(lambda: tree)
    loaded = jsci.load(tmp_path / "a", other)
    for name, leaf in tree.items():
        assert np.asarray(leaf).tobytes() == np.asarray(loaded[name]).tobytes()
        assert loaded[name].dtype == leaf.dtype
        assert like == "shapes" or type(loaded[name]) is type(leaf)


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (2**70, "integer of 71 bits"),
        (np.array(["text"]), "dtype <U4"),
        (np.array([None]), "dtype object"),
        (np.array([datetime.date(2020, 1, 1)], "datetime64[D]"), "dtype datetime64"),
        (np.ones(2, ">f8"), "dtype >f8"),
        (np.ma.array([1.0, 2.0], mask=[0, 1]), "masked array"),
        (jax.ShapeDtypeStruct((2,), float), "shape without an array"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tmp_path, leaf, message):
    with pytest.raises(TypeError, match=r"\['x'\].*" + message):
        jsci.save(tmp_path / "a", {"x": leaf})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_keys_are_restored_by_shapes_and_of_their_kind(tmp_path, impl):
    tree = {"key": jax.random.key(7, impl=impl), "w": jnp.ones(2)}
    jsci.save(tmp_path / "a", tree)
    loaded = jsci.load(tmp_path / "a", eqx.filter_eval_shape(lambda: tree))
    assert eqx.tree_equal(loaded, tree)
    other = "unsafe_rbg" if impl == "rbg" else "rbg"
    with pytest.raises(ValueError, match=f"of {impl} keys, where .* of {other} keys"):
        jsci.load(tmp_path / "a", tree | {"key": jax.random.key(0, impl=other)})


def test_files_of_earlier_versions_are_read(tmp_path):
    """Without a checksum of the header; keys as integers; bfloat16 as two bytes of no type."""
    tree = {"half": jnp.arange(3, dtype=jnp.bfloat16), "key": jax.random.key(3), "w": jnp.ones(2)}
    payload = io.BytesIO()
    eqx.tree_serialise_leaves(payload, tree | {"key": jax.random.key_data(tree["key"])})
    header = {
        "format": "jaxsci-1",
        "leaves": [
            {"path": "['half']", "shape": [3], "dtype": "bfloat16"},
            {"path": "['key']", "shape": [2], "dtype": "uint32"},
            {"path": "['w']", "shape": [2], "dtype": "float64"},
        ],
        "metadata": {"steps": 5},
        "bytes": len(payload.getvalue()),
        "sha256": hashlib.sha256(payload.getvalue()).hexdigest(),
    }
    (tmp_path / "a").write_bytes(json.dumps(header).encode() + b"\n" + payload.getvalue())
    assert eqx.tree_equal(jsci.load(tmp_path / "a", tree), tree)
    assert read_metadata(tmp_path / "a") == {"steps": 5}


def test_a_flipped_bit_anywhere_in_the_header_is_found(tmp_path):
    path = tmp_path / "a"
    jsci.save(path, {"w": jnp.zeros(2)}, metadata={"learning rate": 0.125, "steps": 5})
    whole = path.read_bytes()
    for place in range(whole.index(b"\n") + 1):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match="damaged"):
            read_metadata(path)


@pytest.mark.parametrize(
    "change",
    [
        {"leaves": [1, 2]},
        {"leaves": [{"path": "", "dtype": "float64"}]},
        {"leaves": [{"path": 1, "shape": [1], "dtype": None}]},
        {"leaves": {"path": "", "shape": [1], "dtype": "float64"}},
        {"metadata": 5},
        {"bytes": "136"},
        {"sha256": None},
        {"format": ["jaxsci-1"]},
        {"more": 1},
    ],
)
def test_a_crafted_header_is_refused_as_a_foreign_file_is(tmp_path, change):
    path = tmp_path / "a"
    jsci.save(path, jnp.zeros(1))
    line, _, data = path.read_bytes().partition(b"\n")
    header = json.loads(line)
    del header["header_sha256"]
    path.write_bytes(json.dumps(header | change).encode() + b"\n" + data)
    with pytest.raises(ValueError, match="not written by jaxsci.save"):
        jsci.load(path, jnp.zeros(1))


def test_several_writers_of_one_path_leave_a_whole_file(tmp_path):
    path, errors = tmp_path / "a", []

    def write(value):
        try:
            for _ in range(30):
                jsci.save(path, np.full(2000, value))
                read_metadata(path)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(float(i),)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(set(jsci.load(path, np.zeros(2000)))) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_links_and_permissions_are_kept(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    jsci.save(real, jnp.zeros(1))
    real.chmod(0o640)
    link.symlink_to(real)
    jsci.save(link, jnp.ones(1))
    assert link.is_symlink() and jsci.load(real, jnp.zeros(1)) == 1
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a"
    jsci.save(path, jnp.zeros(1))

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", full)
        jsci.save(path, jnp.ones(1))
    assert jsci.load(path, jnp.ones(1)) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="is not a file"):
        jsci.save(tmp_path / "a", jnp.zeros(1))
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_only_what_dead_processes_left_is_removed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    gone = [f"a.partial-{dead.pid}-1f2e", f"a.partial-{dead.pid}", f"a.partial-{os.getpid()}-1f"]
    gone += [f"a.partial-{dead.pid}-{_THIS_PROCESS}-2d"]  # a fork of this process, killed
    kept = [f"a.partial-{os.getppid()}-1f2e", "a.partial-mine", "ab.partial-1"]
    kept += [f"a.partial-{os.getpid()}-{_THIS_PROCESS}-2d"]
    for name in (*gone, *kept):
        (tmp_path / name).touch()
    remove_partial(tmp_path / "a")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(kept)
