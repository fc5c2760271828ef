"""Leaves of a pytree in a file: what the header says of each, and its bytes."""

from typing import Any, BinaryIO

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

# Booleans, integers, floating and complex numbers that both NumPy and JAX have.
_CHARACTERS = "?bhilqBHILQefdFD"


def describe(tree: PyTree) -> list[dict[str, Any]]:
    """Path, shape and dtype of each leaf that a file holds, and the kind of each PRNG key."""
    entries = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not _is_kept(leaf):
            continue
        data = _without_key(leaf)
        entry = {
            "path": jax.tree_util.keystr(path),
            "shape": list(data.shape if _is_shape(data) else np.shape(data)),
            "dtype": str(data.dtype if _is_shape(data) else jnp.result_type(data)),
        }
        entries.append(entry | ({"key": str(_kind(leaf))} if _is_key(leaf) else {}))
    return entries


def is_entry(entry: Any) -> bool:
    """Whether `describe` could have returned this."""
    return (
        isinstance(entry, dict)
        and entry.keys() - {"key"} == {"path", "shape", "dtype"}
        and isinstance(entry["shape"], list)
        and all(isinstance(entry[name], str) for name in entry.keys() - {"shape"})
    )


def check_savable(tree: PyTree) -> None:
    """Raise for a leaf that could be written but never read."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if _is_kept(leaf) and not _is_key(leaf) and (problem := _problem(leaf)):
            name = f"The leaf {jax.tree_util.keystr(path)}" if path else "The tree"
            raise TypeError(f"{name} cannot be saved: it {problem}.")


def _problem(leaf) -> str:
    if _is_shape(leaf):
        return "is a shape without an array"
    if isinstance(leaf, np.ma.MaskedArray):
        return "is a masked array: give its data and its mask as two leaves"
    dtype = np.asarray(leaf).dtype
    if (dtype.char in _CHARACTERS and dtype.isnative) or _is_narrow(dtype):
        return ""
    if isinstance(leaf, int):
        return f"is an integer of {leaf.bit_length()} bits, more than 64: keep it in the metadata"
    return f"has dtype {dtype}, which JAX does not know: convert it, or keep it in the metadata"


def without_keys(tree: PyTree) -> PyTree:
    """Replace PRNG keys by their integers."""
    return jax.tree.map(_without_key, tree)


def with_keys(tree: PyTree, like: PyTree) -> PyTree:
    """Turn the integers back into PRNG keys where `like` has keys."""
    return jax.tree.map(
        lambda x, old: jax.random.wrap_key_data(x, impl=_kind(old)) if _is_key(old) else x,
        tree,
        like,
    )


def write_leaf(file: BinaryIO, leaf: Any) -> None:
    """Append the leaf; dtypes that NumPy's format lacks become integers of the same size."""
    if _is_kept(leaf):
        array = np.asarray(leaf)
        if _is_narrow(array.dtype):
            array = array.view(f"u{array.dtype.itemsize}")
        np.lib.format.write_array(file, array, allow_pickle=False)


def read_leaf(file: BinaryIO, like: Any) -> Any:
    """The next leaf, of the type of `like`, or `like` itself where files store nothing for it."""
    if not _is_kept(like):
        return like
    array = np.lib.format.read_array(file, allow_pickle=False)
    if hasattr(like, "dtype") and _is_narrow(np.dtype(like.dtype)):
        array = array.view(like.dtype)
    if isinstance(like, jax.Array | jax.ShapeDtypeStruct):
        return jnp.asarray(array)
    if isinstance(like, np.ndarray):
        return array.view(type(like))
    return array[()] if isinstance(like, np.generic) else type(like)(array.item())


def _is_kept(leaf):
    return _is_shape(leaf) or eqx.is_array_like(leaf)


def _is_shape(leaf):
    return isinstance(leaf, jax.ShapeDtypeStruct)


def _is_narrow(dtype):
    """bfloat16, float8, int4 and similar types, which NumPy gets from a separate package."""
    return dtype.isbuiltin == 2 and dtype.kind != "T"


def _is_key(leaf):
    typed = _is_shape(leaf) or eqx.is_array(leaf)
    return typed and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _without_key(leaf):
    if not _is_key(leaf):
        return leaf
    data = jax.random.key_data
    return jax.eval_shape(data, leaf) if _is_shape(leaf) else data(leaf)


def _kind(key):
    """The PRNG implementation of a key or of its shape; `key_impl` accepts no shapes."""
    kinds = []
    jax.eval_shape(lambda k: kinds.append(jax.random.key_impl(k)), key)
    return kinds[0]
