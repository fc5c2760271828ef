"""What the arrays of a file mean: fields, coefficients and parameters of trajectories on a grid."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .packing import Packing

GRID = "xyz"


class Variable(NamedTuple):
    """An array whose axes have letters: n trajectories, t times, x y z the grid, c d components.

    Axes that it lacks are those along which it does not vary.
    """

    name: str
    array: Any
    axes: str
    channels: tuple[str, ...]
    packing: Packing = Packing()

    def read(self, trajectory: int, times: slice, grid: Sequence[int]) -> np.ndarray:
        """Its values `(times, *grid, components)`; one time if it does not vary in time."""
        where = {"n": trajectory, "t": times}
        values = np.asarray(self.array[tuple(where.get(a, slice(None)) for a in self.axes)])
        axes = self.axes.replace("n", "")
        order = "t" + GRID[: len(grid)] + "cd"
        values = values.transpose(sorted(range(len(axes)), key=lambda k: order.index(axes[k])))
        shape = iter(values.shape)
        values = values.reshape([next(shape) if a in axes else 1 for a in order])
        values = self.packing.unpacked(values)
        values = values.reshape(*values.shape[: 1 + len(grid)], -1)
        return np.broadcast_to(values, (len(values), *grid, values.shape[-1]))


class Layout(NamedTuple):
    """The trajectories of one file.

    - `path`: of the file.
    - `fields`, `constants`: what varies in time, and what does not.
    - `parameters`: numbers of a trajectory, `(count,)` each.
    - `count`: the number of trajectories.
    - `times`: `(times,)`.
    - `coordinates`: of each grid axis.
    - `boundary`: what is known of the boundary, for each grid axis.
    """

    path: Path
    fields: tuple[Variable, ...]
    constants: tuple[Variable, ...]
    parameters: dict[str, np.ndarray]
    count: int
    times: np.ndarray
    coordinates: tuple[np.ndarray, ...]
    boundary: tuple[str, ...]

    @property
    def grid(self) -> tuple[int, ...]:
        return tuple(map(len, self.coordinates))

    def source(self) -> Hashable:
        """What is read, as a value: equal if the same arrays of the same file are read alike."""
        if not self.path.is_file():
            return id(self)  # a folder does not show whether something in it has changed
        state = self.path.stat()
        variables = tuple(
            (v.name, v.axes, v.channels, v.packing) for v in (*self.fields, *self.constants)
        )
        numbers = tuple((k, np.asarray(v).tobytes()) for k, v in self.parameters.items())
        return self.path.resolve(), state.st_mtime_ns, state.st_size, variables, numbers


def check(layout: Layout) -> None:
    """`ValueError` unless the coordinates are those of the fields, and the times ascend."""
    expected = {
        "n": layout.count,
        "t": len(layout.times),
        **dict(zip(GRID, layout.grid, strict=False)),
    }
    for variable in (*layout.fields, *layout.constants):
        for letter, size in zip(variable.axes, variable.array.shape, strict=True):
            if expected.get(letter, size) != size:
                raise ValueError(
                    f"{layout.path}: {variable.name!r} has {size} points along the axis "
                    f"{letter!r}, for which the file has {expected[letter]} coordinates. Read it "
                    "by fields= and axes=, which says what its axes are."
                )
    steps = np.diff(layout.times)
    if not (np.isfinite(layout.times).all() and (steps > 0).all()):
        where = int(np.argmin(np.nan_to_num(steps, nan=-np.inf))) if len(steps) else 0
        raise ValueError(
            f"{layout.path}: the times do not ascend: {layout.times[where : where + 2]} at number "
            f"{where}. Sort the file; if its states are in order, give time_step=."
        )


def check_alike(layouts: Sequence[Layout]) -> None:
    """`ValueError` unless all files have the same channels, grid and number of times."""

    def summary(layout):
        names = [v.channels for v in (*layout.fields, *layout.constants)]
        return {
            "channels": names,
            "parameters": list(layout.parameters),
            "grid": layout.grid,
            "number of times": len(layout.times),
        }

    first = summary(layouts[0])
    for layout in layouts[1:]:
        for what, value in summary(layout).items():
            if value != first[what]:
                raise ValueError(
                    f"{layout.path} and {layouts[0].path} differ in their {what}: {value} and "
                    f"{first[what]}. Read them apart."
                )
        _check_same_points(layout, layouts[0])


def _check_same_points(layout, first):
    """`ValueError` unless the times since the first one, and the coordinates, are the same."""
    since = (own.times - own.times[:1] for own in (layout, first))
    pairs = [("times", "time_step", *since)]
    for own, of_first in zip(layout.coordinates, first.coordinates, strict=True):
        pairs.append(("coordinates", "lengths", own, of_first))
    for what, option, own, of_first in pairs:
        spacing = np.abs(np.diff(of_first)).mean() if len(of_first) > 1 else np.inf
        if not (np.abs(own - of_first) <= 1e-3 * spacing).all():
            raise ValueError(
                f"{layout.path} and {first.path} differ in their {what}. Read them apart, or say "
                f"by {option}= what holds of both."
            )


def common(path: Path, name: str, values: Any) -> np.ndarray:
    """The one row that all rows of the coordinates of several trajectories are."""
    rows = np.atleast_2d(values)
    if not np.abs(rows - rows[0]).max(initial=0.0) <= 1e-5 * np.abs(rows[0]).max(initial=0.0):
        raise ValueError(
            f"{path}: {name!r} differs between the trajectories, which must have the same grid and "
            "times. Read it by fields= and axes=."
        )
    return rows[0]


def sizes(path: Path, variables: Sequence[Variable]) -> dict[str, int]:
    """The length of each axis by its letter; `ValueError` if two arrays disagree."""
    found: dict[str, tuple[int, str]] = {}
    for variable in variables:
        for letter, size in zip(variable.axes, variable.array.shape, strict=True):
            name = variable.name
            known, by = found.setdefault(letter, (size, name))
            if letter not in "cd" and known != size:
                raise ValueError(
                    f"{path}: {by!r} has {known} points along the axis {letter!r}, but {name!r} "
                    f"has {size}. Read fields on different grids one at a time, by fields=."
                )
    return {letter: size for letter, (size, _) in found.items()}


def components(name: str, count: int, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Names of the channels of an array: its own, or one for each component."""
    if count == 1:
        return (name,)
    names = names if names is not None and len(names) == count else [str(i) for i in range(count)]
    return tuple(f"{name}_{n}" for n in names)


def unit_coordinates(size: int) -> np.ndarray:
    """The points i/N of a unit interval, where a file does not say."""
    return np.arange(size) / size
