"""Files whose axes have names, as NetCDF and zarr follow the CF conventions."""

import warnings

import numpy as np

from .container import Container, Leaf
from .layout import GRID, Layout, Variable, components, sizes, unit_coordinates
from .packing import packing

_TRAJECTORY = ("trajectory", "sample", "ensemble", "realization", "member", "number", "batch")
_TIME = ("time", "t", "valid_time")
_COMPONENT = (
    "level",
    "channel",
    "component",
    "variable",
    "pressure_level",
    "isobaricinhpa",
    "plev",
)
_LETTERS = {"trajectory": "n", "time": "t", "component": "c"}  # what is left is the grid


def has_named_axes(container: Container) -> bool:
    """Whether some array of several axes has names for them, one of them a time."""
    return bool(_fields(container))


def named_layout(container: Container) -> Layout:
    """Trajectories of the arrays with a time axis; arrays of the grid alone are constants.

    Arrays of other axes, such as bounds, are left out.
    """
    time = _fields(container)
    main = max(time.values(), key=lambda leaf: len(leaf.array.shape))
    grid = [a for a in main.axes or () if _kind(a) == "grid"]
    if not 1 <= len(grid) <= len(GRID):
        raise ValueError(
            f"{container.path}: the axes {main.axes} leave {grid} as those of the grid, which has "
            f"one to three. Say which is which: read(path, fields=(...), axes='ntxy')."
        )
    still = {
        name: leaf
        for name, leaf in container.arrays.items()
        if leaf.axes and set(leaf.axes) == set(grid) and name not in grid
    }
    fields, constants = (
        [v for name, leaf in leaves.items() if (v := _variable(container, name, leaf, grid))]
        for leaves in (time, still)
    )
    extent = sizes(container.path, [*fields, *constants])
    of_time = next(a for a in main.axes or () if _kind(a) == "time")
    return Layout(
        container.path, tuple(fields), tuple(constants), {}, extent.get("n", 1),
        _times(container, of_time, extent["t"]),
        tuple(_coordinate(container, a, extent[g]) for a, g in zip(grid, GRID, strict=False)),
        tuple(_boundary(container, a) for a in grid),
    )  # fmt: skip


def _fields(container):
    """Arrays with a time and at least one axis more, that are not bounds of cells."""
    return {
        name: leaf
        for name, leaf in container.arrays.items()
        if leaf.axes and any(_kind(a) == "time" for a in leaf.axes)
        if any(_kind(a) == "grid" for a in leaf.axes)
        if not any(a.lower() in ("bnds", "bounds", "nv", "nbnd") for a in leaf.axes)
    }


def _kind(axis: str) -> str:
    name = axis.lower()
    kinds = {"trajectory": _TRAJECTORY, "time": _TIME, "component": _COMPONENT}
    return next((kind for kind, names in kinds.items() if name in names), "grid")


def _variable(container, name, leaf: Leaf, grid) -> Variable | None:
    """The array with letters for its axes; `None` if it has a grid axis of its own."""
    letters = ""
    for axis in leaf.axes or ():
        kind = _kind(axis)
        if kind == "grid" and axis not in grid:
            return None
        letters += GRID[grid.index(axis)] if kind == "grid" else _LETTERS[kind]
    return Variable(
        name,
        leaf.array,
        letters,
        _channels(container, name, leaf, letters),
        packing(leaf.attributes),
    )


def _channels(container, name, leaf, letters):
    if "c" not in letters:
        return (name,)
    size = leaf.array.shape[letters.index("c")]
    levels = _coordinate(container, leaf.axes[letters.index("c")], size)
    return components(name, size, [f"{v:g}" for v in levels])


def _times(container, axis, size):
    """The coordinates of the time, or 0, 1, 2 ... where the file has none."""
    if axis not in container.arrays:
        return np.arange(size, dtype=float)
    return _coordinate(container, axis, size).astype(float)


def _coordinate(container, axis, size):
    """The coordinates of an axis, or i/N where the file has none."""
    leaf = container.arrays.get(axis)
    if leaf is None or leaf.array.shape != (size,):
        return unit_coordinates(size)
    return packing(leaf.attributes).unpacked(np.asarray(leaf.array[:]))


def _boundary(container, axis):
    """Periodic for longitudes around the globe; a meridian that is there twice is warned of."""
    if axis.lower() not in ("lon", "longitude") or axis not in container.arrays:
        return "unknown"
    degrees = _coordinate(container, axis, *container.arrays[axis].array.shape).astype(float)
    if len(degrees) < 2:
        return "unknown"
    step = np.diff(degrees).mean()
    if np.isclose(abs(degrees[-1] - degrees[0]), 360, rtol=1e-5):
        warnings.warn(
            f"{container.path}: {axis!r} goes from {degrees[0]:g} to {degrees[-1]:g} degrees, the "
            "same meridian twice: it would count twice, and the length is off by one spacing. "
            "Leave the end out of the file.",
            stacklevel=6,
        )
        return "periodic"
    return "periodic" if np.isclose(len(degrees) * abs(step), 360, rtol=1e-3) else "unknown"
