"""The reader of model files of deepmd-kit (`.dp`): JSON in HDF5, whose arrays lie beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def read_deepmd(path: str | Path) -> dict[str, Any]:
    """The model of a file as a tree of dicts and lists, with NumPy arrays for leaves."""
    try:
        import h5py
    except ImportError:
        raise ImportError("jsci.atoms.dpa3 reads HDF5: pip install 'jaxsci[files]'") from None
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}.")
    try:
        with h5py.File(path, "r") as file:
            saved = json.loads(str(file.attrs["json"]))
            return _with_arrays(saved["model"], file, False)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as problem:
        raise ValueError(
            f"{path} is not a model of deepmd-kit in its format .dp ({problem}): make one by "
            "`dp convert-backend model.pth model.dp`."
        ) from None


def _with_arrays(node: Any, file: Any, inside: bool) -> Any:
    """Names below "@variables" stand for arrays of the file."""
    if isinstance(node, dict):
        return {k: _with_arrays(v, file, inside or k == "@variables") for k, v in node.items()}
    if isinstance(node, list):
        return [_with_arrays(v, file, inside) for v in node]
    return np.asarray(file[node][()]) if inside and isinstance(node, str) else node
