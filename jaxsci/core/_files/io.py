"""Save and load pytrees of arrays: a readable line of JSON, then the arrays."""

import hashlib
import io
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import PyTree

from .atomic_write import write_file
from .leaves import (
    check_savable,
    describe,
    is_entry,
    read_leaf,
    with_keys,
    without_keys,
    write_leaf,
)

_FORMAT = "jaxsci-1"
_ENTRIES = {"format": str, "leaves": list, "metadata": dict, "bytes": int, "sha256": str}
# Last entry of the header: the checksum of the rest of it. Older files have none.
_SEAL = b', "header_sha256": "'


def save(
    path: str | os.PathLike[str], tree: PyTree, *, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a pytree of arrays to one file, atomically.

    The first line is JSON: every leaf's path, shape and dtype, your metadata, and checksums of
    itself and of the arrays that follow, so `head -n 1 file` shows what a file holds. Nothing is
    pickled.

    **Arguments:**

    - `path`: the file; an existing one is replaced only once the new one is complete and on the
        disk, and keeps its permissions. Through a symbolic link, the file that it points to is
        replaced. With several writers, the last one wins.
    - `tree`: any pytree whose array leaves are to be kept: numbers of any dtype, booleans, PRNG
        keys. Leaves that are not arrays, such as functions, are left out.
    - `metadata`: any mapping that JSON can represent.

    **Raises:** `TypeError` if the metadata is not JSON, or for a leaf that `load` could not read,
    such as an array of strings; `ValueError` if `path` is a folder or a device; `OSError` if the
    disk is full or read-only. An existing file is then left intact.

    ```python
    jsci.save("model.jsci", params, metadata={"steps": 500})
    params = jsci.load("model.jsci", like=params)
    ```
    """
    save_keeping(path, tree, metadata or {}, None)


def save_keeping(
    path: str | os.PathLike[str],
    tree: PyTree,
    metadata: Mapping[str, Any],
    previous: pathlib.Path | None,
) -> None:
    """`save`, keeping the existing file as `previous`."""
    check_savable(tree)
    payload = io.BytesIO()
    eqx.tree_serialise_leaves(payload, without_keys(tree), filter_spec=write_leaf)
    data = payload.getvalue()
    header = {
        "format": _FORMAT,
        "leaves": describe(tree),
        "metadata": dict(metadata),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    write_file(pathlib.Path(path), (_sealed(header), b"\n", data), previous)


def load(path: str | os.PathLike[str], like: PyTree) -> PyTree:
    """Read a pytree written by `save`.

    **Arguments:**

    - `path`: the file.
    - `like`: a pytree of the same structure, shapes and dtypes; `equinox.filter_eval_shape` makes
        one without computing anything. Its non-array leaves are kept.

    **Returns:** `like` with its arrays replaced by the file's.

    **Raises:** `ValueError` if the file was not written by `save`, is damaged, or holds another
    pytree: the first leaf that differs is named. `FileNotFoundError` if there is no file.

    ```python
    jsci.save("model.jsci", params)
    params = jsci.load("model.jsci", like=params)
    ```
    """
    header, data = _read(path)
    _check_same(path, header["leaves"], describe(like))
    try:
        arrays = eqx.tree_deserialise_leaves(io.BytesIO(data), without_keys(like), read_leaf)
    except (RuntimeError, ValueError, EOFError) as error:
        raise ValueError(
            f"{path} is damaged: its arrays are not those that its header describes."
        ) from error
    return with_keys(arrays, like)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata given to `save`, after checking that the file is complete.

    **Arguments:**

    - `path`: a file that `save` has written.

    **Returns:** a dict of what JSON can represent.

    **Raises:** `ValueError` if the file was not written by `save` or is damaged;
    `FileNotFoundError` if there is none.

    ```python
    from jaxsci.core import read_metadata

    jsci.save("model.jsci", params, metadata={"steps": 500})
    read_metadata("model.jsci")["steps"]  # 500
    ```
    """
    return _read(path)[0]["metadata"]


def _read(path):
    content = pathlib.Path(path).read_bytes()
    line, _, data = content.partition(b"\n")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not _is_whole(line, header):
        raise ValueError(
            f"{path} was not written by jaxsci.save, or its first line is damaged (no whole "
            f"{_FORMAT} header)."
        )
    if len(data) != header["bytes"] or hashlib.sha256(data).hexdigest() != header["sha256"]:
        raise ValueError(
            f"{path} is damaged: {len(data)} of {header['bytes']} bytes, or its checksum differs. "
            "Use an earlier file."
        )
    return header, data


def _sealed(header) -> bytes:
    line = json.dumps(header).encode()
    return line[:-1] + _SEAL + hashlib.sha256(line).hexdigest().encode() + b'"}'


def _is_whole(line: bytes, header: dict[str, Any]) -> bool:
    """Whether the header is complete, well typed, and matches its checksum."""
    body, seal, checksum = line.rpartition(_SEAL)
    if seal and checksum != hashlib.sha256(body + b"}").hexdigest().encode() + b'"}':
        return False
    if header.keys() - ({"header_sha256"} if seal else ()) != _ENTRIES.keys():
        return False
    if not all(isinstance(header[name], kind) for name, kind in _ENTRIES.items()):
        return False
    return header["format"] == _FORMAT and all(map(is_entry, header["leaves"]))


def _check_same(path, saved, wanted):
    for old, new in zip(saved, wanted, strict=False):
        # Older files store only the integers of PRNG keys, and may be read as either.
        known = old.keys() & new.keys()
        if {name: old[name] for name in known} != {name: new[name] for name in known}:
            raise ValueError(
                f"{path} holds another pytree: its leaf {_shown(old)}, where {_shown(new)} is "
                "expected."
            )
    if len(saved) != len(wanted):
        raise ValueError(
            f"{path} holds another pytree: {len(saved)} leaves, where {len(wanted)} are expected."
        )


def _shown(entry):
    kind = f" of {entry['key']} keys" if "key" in entry else ""
    return f"{entry['path']} has shape {entry['shape']} and dtype {entry['dtype']}{kind}"
