"""Save and load pytrees of arrays: a readable line of JSON, then the arrays."""

import glob
import hashlib
import io
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

_FORMAT = "jaxsci-1"
_ENTRIES = {"leaves", "metadata", "bytes", "sha256"}


def save(
    path: str | os.PathLike, tree: PyTree, *, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a pytree of arrays to one file, atomically.

    The first line is JSON: every leaf's path, shape and dtype, your metadata, and a checksum of
    the arrays that follow, so `head -n 1 file` tells what a file holds. Nothing is pickled.

    **Arguments:**

    - `path`: the file; an existing one is replaced only once the new one is complete.
    - `tree`: any pytree whose array leaves are to be kept; PRNG keys too.
    - `metadata`: anything JSON can hold.

    **Raises:** `TypeError` if the metadata is not JSON.

    ```python
    jsci.save("model.jsci", params, metadata={"steps": 500})
    params = jsci.load("model.jsci", like=params)
    ```
    """
    path = pathlib.Path(path)
    tree = _unwrap_keys(tree)
    payload = io.BytesIO()
    eqx.tree_serialise_leaves(payload, tree)
    data = payload.getvalue()
    header = {
        "format": _FORMAT,
        "leaves": _describe(tree),
        "metadata": dict(metadata or {}),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    line = json.dumps(header).encode() + b"\n"
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    with open(partial, "wb") as file:
        file.write(line + data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def load(path: str | os.PathLike, like: PyTree) -> PyTree:
    """Read a pytree written by `save`.

    **Arguments:**

    - `path`: the file.
    - `like`: a pytree of the same structure, shapes and dtypes, such as `equinox.filter_eval_shape`
        gives without computing anything; its non-array leaves are kept.

    **Returns:** `like` with its arrays replaced by the file's.

    **Raises:** `ValueError` if the file is not one of `save`'s, is damaged, or holds another
    pytree: the first leaf that differs is named. `FileNotFoundError` if there is none.

    ```python
    params = jsci.load("model.jsci", like=params)
    ```
    """
    header, data = _read(path)
    unwrapped = _unwrap_keys(like)
    _check_same(path, header["leaves"], _describe(unwrapped))
    try:
        arrays = eqx.tree_deserialise_leaves(io.BytesIO(data), unwrapped)
    except (RuntimeError, ValueError, EOFError) as error:
        raise ValueError(
            f"{path} is damaged: its arrays are not those that its header describes."
        ) from error
    return _rewrap_keys(arrays, like)


def read_metadata(path: str | os.PathLike) -> dict[str, Any]:
    """The metadata given to `save`, after checking that the file is whole."""
    return _read(path)[0]["metadata"]


def remove_partial(path: pathlib.Path) -> None:
    """Remove what a killed `save` left behind."""
    for partial in path.parent.glob(f"{glob.escape(path.name)}.partial-*"):
        partial.unlink(missing_ok=True)


def _read(path):
    content = pathlib.Path(path).read_bytes()
    line, _, data = content.partition(b"\n")
    try:
        header = json.loads(line)
        known = header["format"] == _FORMAT and header.keys() >= _ENTRIES
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise ValueError(f"{path} was not written by jaxsci.save (no {_FORMAT} header).")
    if len(data) != header["bytes"] or hashlib.sha256(data).hexdigest() != header["sha256"]:
        raise ValueError(
            f"{path} is damaged: {len(data)} of {header['bytes']} bytes, or its checksum differs. "
            "Use an earlier file."
        )
    return header, data


def _describe(tree):
    return [
        {
            "path": jax.tree_util.keystr(path),
            "shape": list(leaf.shape if _is_shape(leaf) else np.shape(leaf)),
            "dtype": str(leaf.dtype if _is_shape(leaf) else jnp.result_type(leaf)),
        }
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if _is_shape(leaf) or eqx.is_array_like(leaf)
    ]


def _is_shape(leaf):
    return isinstance(leaf, jax.ShapeDtypeStruct)


def _check_same(path, saved, wanted):
    for old, new in zip(saved, wanted, strict=False):
        if old != new:
            raise ValueError(
                f"{path} holds another pytree: its leaf {old['path']} has shape {old['shape']} and "
                f"dtype {old['dtype']}, where {new['path']} with shape {new['shape']} and dtype "
                f"{new['dtype']} is expected."
            )
    if len(saved) != len(wanted):
        raise ValueError(
            f"{path} holds another pytree: {len(saved)} leaves, where {len(wanted)} are expected."
        )


def _is_key(leaf):
    return eqx.is_array(leaf) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _unwrap_keys(tree):
    return jax.tree.map(lambda x: jax.random.key_data(x) if _is_key(x) else x, tree)


def _rewrap_keys(tree, like):
    return jax.tree.map(
        lambda x, old: (
            jax.random.wrap_key_data(x, impl=jax.random.key_impl(old)) if _is_key(old) else x
        ),
        tree,
        like,
    )
