"""Arrays whose meaning the caller states: names of fields, and a letter for each axis."""

import math
from collections.abc import Sequence

import numpy as np

from .container import Container, check_numeric
from .layout import GRID, Layout, Variable, components, sizes, unit_coordinates
from .packing import packing

_ALLOWED = ("ntxyzc", "n the trajectories, t the times, x y z the grid, c the channels")


def stated_layout(
    container: Container,
    fields: Sequence[str],
    constants: Sequence[str],
    parameters: Sequence[str],
    axes: str,
) -> Layout:
    """Trajectories of the named arrays, on points i/N and at times 0, 1, 2 ..."""
    grid = "".join(a for a in axes if a in GRID)
    if set(axes) - set(_ALLOWED[0]) or len(set(axes)) < len(axes) or grid not in ("x", "xy", "xyz"):
        raise ValueError(
            f"axes={axes!r} has a letter for each axis of the arrays, in their order, such as "
            f"'ntxy' or 'ntxc': {_ALLOWED[1]}."
        )
    without_time = axes.replace("t", "")
    found = [_variable(container, name, [axes]) for name in fields]
    extent = sizes(container.path, found)
    count = extent.get("n", 1)
    for name in constants:
        if _named(container, name).array.shape == (count,) != tuple(extent[a] for a in grid):
            raise ValueError(
                f"{container.path}: {name!r} has one number for each of the {count} trajectories: "
                "name it by parameters=, not by constants=."
            )
    still = [_variable(container, name, [without_time, grid]) for name in constants]
    extent = sizes(container.path, [*found, *still])
    numbers = {name: _numbers(container, name, count) for name in parameters}
    times = np.arange(extent.get("t", 1), dtype=float)
    return Layout(
        container.path, tuple(found), tuple(still), numbers, count, times,
        tuple(unit_coordinates(extent[a]) for a in grid), ("unknown",) * len(grid),
    )  # fmt: skip


def _numbers(container, name, count):
    """One number for each trajectory, `(count,)`."""
    array, _, attributes = _named(container, name)
    size = math.prod(array.shape)
    if size not in (1, count) or max(array.shape, default=1) != size:  # MATLAB's are (count, 1)
        raise ValueError(
            f"{container.path}: {name!r} has shape {array.shape}; parameters= names arrays with "
            f"one number for each of the {count} trajectories, or one for all."
        )
    values = packing(attributes).unpacked(np.asarray(array[()]))
    return np.broadcast_to(values.ravel(), (count,))


def _variable(container, name, choices):
    array, _, attributes = _named(container, name)
    ndim = len(array.shape)
    letters = next((c for c in choices if len(c) == ndim), None)
    if letters is None:
        raise ValueError(
            f"{container.path}: {name!r} has shape {array.shape}, {ndim} axes, but axes= says "
            f"{' or '.join(map(repr, choices))}."
        )
    count = array.shape[letters.index("c")] if "c" in letters else 1
    return Variable(name, array, letters, components(name, count), packing(attributes))


def _named(container, name):
    if name not in container.arrays:
        check_numeric(container, [name])
        raise ValueError(f"{container.path} has no array {name!r}. {container.list()}")
    return container.arrays[name]
