"""The three layouts of PDEBench: one tensor, one array for each field, one group for each seed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .container import Container, Leaf, check_numeric
from .layout import GRID, Layout, Variable, components, sizes, unit_coordinates

_FIELDS = ("density", "pressure", "Vx", "Vy", "Vz", "velocity", "particles")
_CONSTANTS = ("nu", "force")


def is_pdebench(container: Container) -> bool:
    """Whether the file has the names that PDEBench uses."""
    arrays = container.arrays
    return "x-coordinate" in arrays or _is_incompressible(arrays) or bool(_seeds(container))


def pdebench_layout(container: Container) -> Layout:
    """Trajectories of one of the layouts of PDEBench."""
    if seeds := _seeds(container):
        return _by_seed(container, seeds)
    check_numeric(container, ("tensor", *_FIELDS, *_CONSTANTS))
    arrays = container.arrays
    if _is_incompressible(arrays):
        fields = [_variable(n, arrays[n], "nt", 2) for n in _FIELDS if n in arrays]
        times = np.asarray(arrays["t"].array[0])
        coordinates = [unit_coordinates(s) for s in arrays["velocity"].array.shape[2:-1]]
    else:
        coordinates = [
            np.asarray(arrays[f"{a}-coordinate"].array[()])
            for a in GRID
            if f"{a}-coordinate" in arrays
        ]
        dim = len(coordinates)
        names = [n for n in ("tensor", *_FIELDS) if n in arrays]
        if not names:
            raise ValueError(
                f"{container.path} has coordinates as PDEBench, but none of the fields 'tensor', "
                f"{', '.join(map(repr, _FIELDS))}. {container.list()} Say which arrays are fields "
                "and what their axes are: read(path, fields=('u',), axes='ntx')."
            )
        fields = [_variable(n, arrays[n], "nt", dim) for n in names]
        times = np.asarray(arrays["t-coordinate"].array[()]) if "t-coordinate" in arrays else [0.0]
    constants = [_variable(n, arrays[n], "n", len(coordinates)) for n in _CONSTANTS if n in arrays]
    return _layout(container, fields, constants, times, coordinates)


class PerTrajectory:
    """Arrays of the same shape, one for each trajectory, as one array."""

    def __init__(self, arrays: Sequence[Any]):
        self._arrays = arrays
        self.shape, self.dtype = (len(arrays), *arrays[0].shape), arrays[0].dtype

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        return self._arrays[index[0]][index[1:]]


def _by_seed(container, seeds):
    arrays = [container.arrays[f"{seed}/data"].array for seed in seeds]
    if len({array.shape for array in arrays}) > 1:
        raise ValueError(f"{container.path}: the seeds have data of different shapes.")
    dim = arrays[0].ndim - 2
    grid = {a: container.arrays.get(f"{seeds[0]}/grid/{a}") for a in "t" + GRID[:dim]}
    shape = dict(zip("t" + GRID[:dim], arrays[0].shape, strict=False))
    axes = {
        a: unit_coordinates(shape[a]) if g is None else np.asarray(g.array[()])
        for a, g in grid.items()
    }
    field = _variable("data", Leaf(PerTrajectory(arrays), None, {}), "nt", dim)
    return _layout(container, [field], [], axes["t"], [axes[a] for a in GRID[:dim]])


def _seeds(container):
    """Names of the groups with the arrays of one seed, in order."""
    names = [n.removesuffix("/data") for n in container.arrays if n.endswith("/data")]
    return sorted(n for n in names if n.isdigit())


def _is_incompressible(arrays):
    """Whether the times are those of each trajectory, beside a field of velocities."""
    return "velocity" in arrays and "t" in arrays and len(arrays["t"].array.shape) == 2


def _variable(name, leaf, before, dim):
    shape = leaf.array.shape
    letters = before + GRID[:dim] + "c" * (len(shape) - len(before) - dim)
    count = shape[-1] if "c" in letters else 1
    return Variable(name, leaf.array, letters, components(name, count))


def _layout(container, fields, constants, times, coordinates):
    extent = sizes(container.path, [*fields, *constants])
    times = np.asarray(times, float)
    if len(times) == extent["t"] + 1:  # the ends of the time steps
        times = times[:-1]
    return Layout(
        container.path, tuple(fields), tuple(constants), {}, extent["n"], times,
        tuple(coordinates), ("unknown",) * len(coordinates),
    )  # fmt: skip
