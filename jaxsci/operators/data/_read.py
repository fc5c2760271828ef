"""Trajectories from files, in the layouts that data sets of the field have."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._files.container import open_container
from ._files.layout import Layout, check
from ._files.named_axes import has_named_axes, named_layout
from ._files.pdebench import is_pdebench, pdebench_layout
from ._files.stated import stated_layout
from ._files.the_well import is_well, well_layout
from ._trajectories import Trajectories

_SUFFIXES = {".h5", ".hdf5", ".hdf", ".nc", ".nc4", ".cdf", ".npz", ".npy", ".mat", ".zarr"}


def read(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    fields: str | Sequence[str] | None = None,
    constants: str | Sequence[str] = (),
    parameters: str | Sequence[str] = (),
    axes: str | None = None,
    lengths: float | Sequence[float] | None = None,
    time_step: float | None = None,
    boundary: str | Sequence[str] | None = None,
    mask: Any = None,
) -> Trajectories:
    """The trajectories in a file, or in several of one kind, read from the disk as they are needed.

    Nothing but coordinates is read at once, of HDF5, NetCDF, zarr and .npy; arrays of .npz and of
    older .mat files are loaded whole. The kind of file is told by its content. Known layouts:

    - The Well (HDF5): tensors and vectors as one channel per component, fields that do not vary in
      time as constants, scalars as parameters, boundary conditions.
    - PDEBench (HDF5): one `tensor`, one array per field, one group per seed, incompressible flow;
      of Darcy flow, `nu` is a constant and the `tensor` has one time.
    - axes with names (NetCDF, zarr): "time", "level", "sample" or "number", and one to three
      others, the grid; levels become channels, packed numbers are unpacked, and missing values of
      the first state are masked.

    **Arguments:**

    - `path`: a file, a folder of zarr, a folder of files, or several paths. Files hold different
        trajectories of the same fields on the same grid, at the same steps in time: one
        trajectory in several files is several, with the `times` of the first.
    - `fields`: name or names of the arrays to read as fields; by default all that vary in time.
    - `constants`: with `axes`, names of arrays that do not vary in time, such as coefficients.
    - `parameters`: with `axes`, names of arrays with one number for each trajectory, such as a
        viscosity, or one for all.
    - `axes`: for a file of another layout: a letter for each axis of the fields, in order, n for
        trajectories, t times, x y z the grid, c channels. Without n there is one trajectory,
        without t one time. MATLAB's axes are those that MATLAB shows.
    - `lengths`: of the domain along each axis, where the file has no coordinates; by default 1.
    - `time_step`: the time between states, where the file does not say; by default 1. With `axes`
        arrays of coordinates and times in the file are not read.
    - `boundary`: "periodic", "wall", "open" or another name, one or one per axis, where the file
        does not say.
    - `mask`: where the fields have values, `(*grid,)`, or the name of such an array in the file:
        zero, False or NaN on land. By default everywhere, but where NetCDF says otherwise.

    **Returns:** `Trajectories`.

    **Raises:** `ValueError` for a file that cannot be told, with what is in it and what to pass,
    for one that is cut short, names that are not in it, times that do not ascend, coordinates that
    are not those of the fields, and files that do not fit together; `ImportError` for a package
    that is missing; `FileNotFoundError`. Files of Python objects are refused, never unpickled.

    **Notes:** HDF5 needs h5py, older NetCDF and .mat need SciPy, zarr needs zarr. Coordinates and
    times are in the unit of the file.

    **Source:** the layouts are those of Takamoto et al., "PDEBench", NeurIPS 2022, and Ohana et
    al., "The Well", NeurIPS 2024.

    ```python
    np.savez("waves.npz", u=np.ones((5, 8, 16)))
    waves = jsci.operators.data.read("waves.npz", fields=["u"], axes="ntx", time_step=0.1)
    windows = waves.batch(key, 4, steps=2)  # windows.fields: (4, 3, 16, 1)
    ```
    """
    paths = _paths(path)
    fields = (fields,) if isinstance(fields, str) else fields
    constants = (constants,) if isinstance(constants, str) else constants
    parameters = (parameters,) if isinstance(parameters, str) else parameters
    if axes is not None and fields is None:
        raise ValueError("read(axes=) needs the names of the arrays that it describes: fields=.")
    for option, names in {"constants": constants, "parameters": parameters}.items():
        if names and axes is None:
            raise ValueError(
                f"read({option}=) goes with axes=, a letter for each axis of the fields."
            )
    layouts = []
    for file in paths:
        container = open_container(file)
        layout = _layout(container, fields, constants, parameters, axes)
        layouts.append(_stated(layout, lengths, time_step, boundary))
        check(layouts[-1])
    if isinstance(mask, str):
        if mask not in container.arrays:
            raise ValueError(f"{file} has no array {mask!r} for the mask. {container.list()}")
        mask = container.arrays[mask].array[()]
    return Trajectories(layouts, mask=mask)


def _paths(path):
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    paths = [Path(p) for p in paths]
    if len({p.resolve() for p in paths}) < max(len(paths), 1):
        raise ValueError(f"read() takes one path or several different ones; got {path!r}.")
    if missing := [p for p in paths if not p.exists()]:
        raise FileNotFoundError(f"There is no {missing[0]}.")
    if len(paths) == 1 and paths[0].is_dir() and not _is_zarr(paths[0]):
        folder = paths[0]
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES)
        if not paths:
            raise ValueError(f"The folder {folder} has no file of {', '.join(sorted(_SUFFIXES))}.")
    return paths


def _is_zarr(folder):
    return any((folder / name).exists() for name in (".zgroup", ".zarray", "zarr.json"))


def _layout(container, fields, constants, parameters, axes) -> Layout:
    if axes is not None:
        return stated_layout(container, fields, constants, parameters, axes)
    known = [
        (is_well, well_layout),
        (is_pdebench, pdebench_layout),
        (has_named_axes, named_layout),
    ]
    for fits, layout_of in known:
        if fits(container):
            return _chosen(layout_of(container), fields)
    raise ValueError(
        f"{container.path} has none of the known layouts (The Well, PDEBench, named axes). "
        f"{container.list()} Say which arrays are fields and what their axes are: "
        "read(path, fields=('u',), constants=('a',), axes='ntxy'), with n for trajectories, t "
        "times, x y z the grid, c channels."
    )


def _chosen(layout, fields):
    """The layout with the named fields alone."""
    if not layout.fields:
        raise ValueError(f"{layout.path} has coordinates, but no fields that vary in time.")
    if fields is None:
        return layout
    known = {v.name: v for v in layout.fields}
    if unknown := [name for name in fields if name not in known]:
        names = ", ".join(map(repr, known))
        raise ValueError(f"{layout.path} has no field {unknown[0]!r}; it has {names}.")
    return layout._replace(fields=tuple(known[name] for name in fields))


def _stated(layout, lengths, time_step, boundary):
    """The layout with what the caller says of times, lengths and the boundary."""
    dim = len(layout.grid)
    if time_step is not None:
        if not 0 < time_step < np.inf:
            raise ValueError(f"time_step must be positive, got {time_step}.")
        layout = layout._replace(times=time_step * np.arange(len(layout.times)))
    if lengths is not None:
        sizes = np.ravel(lengths).astype(float)
        if len(sizes) not in (1, dim) or not ((sizes > 0) & (sizes < np.inf)).all():
            raise ValueError(
                f"lengths must be positive, one or one for each of {dim} axes; got {lengths}."
            )
        sizes = np.broadcast_to(sizes, dim)
        points = (s * np.arange(n) / n for s, n in zip(sizes, layout.grid, strict=True))
        layout = layout._replace(coordinates=tuple(points))
    if boundary is not None:
        names = (boundary,) * dim if isinstance(boundary, str) else tuple(boundary)
        if len(names) != dim:
            raise ValueError(f"boundary is one name, or one for each of {dim} axes; got {names}.")
        layout = layout._replace(boundary=names)
    return layout
