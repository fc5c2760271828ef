"""The tensors of a file of torch.save, without torch, and without executing anything in it."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

_TYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8"}


def read_torch(path: Path) -> Any:
    """What was saved, with NumPy arrays for tensors.

    A pickle can name any function to call. Here a name is never imported: the three that a file of
    tensors needs stand for functions of this module, and any other is refused.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as problem:
        raise ValueError(f"{path} is not a file of torch.save: {problem}.") from None
    with archive:
        inside = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(inside) != 1:
            raise ValueError(f"{path} is not a file of torch.save: it has no data.pkl.")
        try:
            return _Tensors(archive, inside[0]).load()
        except (pickle.UnpicklingError, EOFError, KeyError, IndexError) as problem:
            raise ValueError(f"{path} is damaged: {problem}.") from None


class _Tensors(pickle.Unpickler):
    """Reads dicts, lists, numbers, texts and tensors, and nothing else."""

    def __init__(self, archive: zipfile.ZipFile, name: str):
        super().__init__(io.BytesIO(archive.read(name)))
        self._archive, self._folder = archive, name.removesuffix("data.pkl")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise ValueError(
            f"the file asks for {module}.{name}, which is not part of a tensor: it is refused, as "
            "a pickle may run anything."
        )

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, number, _, size = pid
        data = self._archive.read(f"{self._folder}data/{number}")
        return np.frombuffer(data, dtype, int(size))


def _tensor(storage: np.ndarray, offset: int, shape: tuple, strides: tuple, *_: Any) -> np.ndarray:
    """A copy of the part of a storage that a tensor shows."""
    index = np.full(shape, offset)
    for axis, stride in enumerate(strides):
        steps = stride * np.arange(shape[axis])
        index = index + steps.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return storage[index]
