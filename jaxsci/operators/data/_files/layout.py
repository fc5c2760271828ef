"""What the arrays of a file mean: fields, coefficients and parameters of trajectories on a grid."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

GRID = "xyz"


class Variable(NamedTuple):
    """An array whose axes have letters: n trajectories, t times, x y z the grid, c d components.

    Axes that it lacks are those along which it does not vary. Packed numbers are v scale + offset,
    and `fills` stand for missing ones.
    """

    name: str
    array: Any
    axes: str
    channels: tuple[str, ...]
    scale: float = 1.0
    offset: float = 0.0
    fills: tuple[float, ...] = ()

    def read(self, trajectory: int, times: slice, grid: Sequence[int]) -> np.ndarray:
        """Its values `(times, *grid, components)`; one time if it does not vary in time."""
        where = {"n": trajectory, "t": times}
        values = np.asarray(self.array[tuple(where.get(a, slice(None)) for a in self.axes)])
        axes = self.axes.replace("n", "")
        order = "t" + GRID[: len(grid)] + "cd"
        values = values.transpose(sorted(range(len(axes)), key=lambda k: order.index(axes[k])))
        shape = iter(values.shape)
        values = values.reshape([next(shape) if a in axes else 1 for a in order])
        missing = np.isin(values, self.fills) if self.fills else None
        if (self.scale, self.offset) != (1.0, 0.0):
            values = values * self.scale + self.offset
        if missing is not None:
            values = np.where(missing, np.nan, values)
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
