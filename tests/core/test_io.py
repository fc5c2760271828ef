"""save and load: exact round trips, readable headers, refusals."""

import hashlib
import io
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci


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
    header |= {"bytes": len(payload.getvalue())}
    header |= {"sha256": hashlib.sha256(payload.getvalue()).hexdigest()}
    path.write_bytes(json.dumps(header).encode() + b"\n" + payload.getvalue())
    with pytest.raises(ValueError, match="arrays are not those"):
        jsci.load(path, jnp.zeros(1))
