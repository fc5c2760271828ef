"""What holds named arrays: HDF5, NetCDF, zarr, .npz, .npy and .mat, told apart by their content."""

import contextlib
import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_HDF5, _NETCDF, _ZIP, _NPY = b"\x89HDF\r\n\x1a\n", b"CDF", b"PK", b"\x93NUMPY"
_MATLAB = b"MATLAB"
_USER_BLOCK = 512  # before the HDF5 content of MATLAB's files


class Leaf(NamedTuple):
    """An array that is read by slices, the names of its axes if the file has them, attributes."""

    array: Any
    axes: tuple[str, ...] | None
    attributes: dict[str, Any]


class Container(NamedTuple):
    """The numeric arrays of a file by name, such as "group/array", and its groups' attributes.

    `others` are the names of what is not numeric: texts, cells and structures.
    """

    path: Path
    arrays: dict[str, Leaf]
    groups: dict[str, dict[str, Any]]
    others: tuple[str, ...] = ()

    def list(self) -> str:
        """Names and shapes of what is in the file, for messages."""
        names = [f"{name} {leaf.array.shape}" for name, leaf in self.arrays.items()]
        more = f" and {len(names) - 20} more" if len(names) > 20 else ""
        groups = [name for name in self.groups if name]
        return (
            f"Arrays: {', '.join(names[:20]) or 'none'}{more}. "
            f"Groups: {', '.join(groups[:20]) or 'none'}."
        )


def open_container(path: Path) -> Container:
    """The arrays of a file, without reading them; `ValueError` for another kind of file."""
    if path.is_dir():
        return _open_zarr(path)
    with path.open("rb") as file:
        start = file.read(_USER_BLOCK + len(_HDF5))
    if start.startswith(_HDF5) or start[_USER_BLOCK:] == _HDF5:
        return _open_hdf5(path, reverse=start.startswith(_MATLAB))
    if start.startswith(_NETCDF):
        return _open_netcdf(path)
    if start.startswith(_NPY):
        with _complete(path):  # never a pickle: an array of objects raises
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        return _of_arrays(path, {path.stem: array})
    if start.startswith(_ZIP):
        return _open_zarr(path) if path.suffix == ".zip" else _open_npz(path)
    if start.startswith(_MATLAB):
        return _open_mat(path)
    raise ValueError(
        f"{path} is no file of HDF5, NetCDF, zarr, .npz, .npy or .mat: it begins with "
        f"{start[:8]!r}. Convert it, or save arrays with numpy.savez."
    )


def check_numeric(container: Container, names: Iterable[str]) -> None:
    """`ValueError` if one of the names is that of something other than real numbers."""
    for name in names:
        if name in container.others:
            raise ValueError(
                f"{container.path}: {name!r} is not an array of real numbers. Save complex ones as "
                f"two real arrays. {container.list()}"
            )


def needed(package: str, path: Path) -> Any:
    """An optional package; `ImportError` that says how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        root = package.partition(".")[0]
        raise ImportError(f"Reading {path} needs {root}: pip install 'jaxsci[files]'") from error


class _Reversed:
    """An array of MATLAB in a HDF5 file, which has its axes in the opposite order."""

    def __init__(self, array: Any):
        self._array = array
        self.shape, self.dtype = array.shape[::-1], array.dtype

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        return self._array[index[::-1]].T


def _open_hdf5(path, reverse):
    h5py = needed("h5py", path)
    with _complete(path):
        file = h5py.File(path, "r")
    arrays, groups, others = {}, {"": _plain(file.attrs)}, []

    def visit(name, node):  # follows no link, neither within the file nor out of it
        if not isinstance(node, h5py.Dataset):
            groups[name] = _plain(node.attrs)
        elif _is_numeric(node.dtype) and node.shape is not None:
            array = _Reversed(node) if reverse else node
            arrays[name] = Leaf(array, _scales(node), _plain(node.attrs))
        else:
            others.append(name)

    file.visititems(visit)
    return Container(path, arrays, groups, tuple(others))


def _scales(dataset):
    """The names of the axes, which NetCDF writes as HDF5's dimension scales."""
    if "DIMENSION_LIST" not in dataset.attrs:
        own = dataset.attrs.get("CLASS") == b"DIMENSION_SCALE" and dataset.ndim == 1
        return (dataset.name.rpartition("/")[2],) if own else None
    names = [d[0].name.rpartition("/")[2] if len(d) else "" for d in dataset.dims]
    return tuple(names)


def _open_netcdf(path):
    io = needed("scipy.io", path)
    with _complete(path), path.open("rb") as stream:  # the map of its memory stays
        file = io.netcdf_file(stream, "r", mmap=True)
    arrays = {
        name: Leaf(v.data, tuple(v.dimensions), _plain(v._attributes))
        for name, v in file.variables.items()
        if _is_numeric(v.data.dtype)
    }
    return Container(path, arrays, {"": _plain(file._attributes)})


def _open_zarr(path):
    zarr = needed("zarr", path)
    group = zarr.open_group(str(path), mode="r")
    arrays = {}
    for name, array in group.arrays():
        attributes = dict(array.attrs)
        axes = getattr(array.metadata, "dimension_names", None)
        axes = axes or attributes.get("_ARRAY_DIMENSIONS")
        if _is_numeric(array.dtype):
            arrays[name] = Leaf(array, tuple(axes) if axes else None, attributes)
    return Container(path, arrays, {"": dict(group.attrs)})


def _open_npz(path):
    with _complete(path), path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        try:
            arrays = {name: file[name] for name in file.files}
        except ValueError as error:
            raise ValueError(
                f"{path} holds Python objects, which are not read, as they may run code: save "
                "arrays of numbers."
            ) from error
    return _of_arrays(path, arrays)


def _open_mat(path):
    io = needed("scipy.io", path)
    with _complete(path):
        values = io.loadmat(path)
    return _of_arrays(path, {k: v for k, v in values.items() if not k.startswith("__")})


def _of_arrays(path, values):
    """Arrays without names of their axes."""
    numeric = {k: Leaf(v, None, {}) for k, v in values.items() if _is_numeric(v.dtype)}
    return Container(path, numeric, {}, tuple(k for k in values if k not in numeric))


@contextlib.contextmanager
def _complete(path: Path) -> Iterator[None]:
    """Says which file it is that cannot be opened: each package has other errors for a cut one."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{path} cannot be opened ({error}). It may be cut short: compare its size."
        ) from error


def _is_numeric(dtype):
    return np.dtype(dtype).kind in "fiub"


def _plain(attributes):
    """Attributes with texts as `str`, and lists of them as lists."""

    def plain(value):
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
            return [plain(v) for v in value.ravel().tolist()]
        return value

    return {name: plain(value) for name, value in attributes.items() if name != "DIMENSION_LIST"}
