"""Trajectories on the disk: what they are of, and batches of windows of them."""

import copy
import dataclasses
import math
import operator
import warnings
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._fields.periodicity import warn_unless_periodic
from .._forecast.rollout import Window
from ._files.layout import Layout, check_alike
from ._normaliser import Normaliser, moments

_CHUNK = 2**22  # numbers that the normaliser holds at once
_UNEVEN = 0.02  # relative difference of spacings; those of Gauss's latitudes differ by one per cent
_UNLIKE = 30.0  # ratio of the sizes of two channels, above which one of them hardly counts


class Trajectories:
    """Fields `(times, *grid, channels)` of many trajectories, in files that are read by slices.

    `read` makes it; `len(data)` is the number of trajectories, and `data[i]` the fields of one as a
    NumPy array.

    **Arguments:**

    - `layouts`: what the files hold, from `read`.
    - `mask`: where the fields have values, `(*grid,)`; `None` for everywhere, or where the first
        state has missing values that the file declares.

    **Attributes:** `channels`, `constants` and `parameters`, names; `grid`, numbers of points;
    `coordinates`, one array per axis; `lengths`, n times the mean spacing of each axis; `boundary`,
    one name per axis; `times` and `time_step`; `mask`; `dtype`.

    ```python
    np.savez("waves.npz", u=np.ones((5, 8, 16)))
    waves = jsci.operators.data.read("waves.npz", fields=["u"], axes="ntx")
    training, validation, test = waves.split(0.6, 0.2)
    training.channels, len(training)
    ```
    """

    def __init__(self, layouts: Sequence[Layout], *, mask: Any = None):
        first = layouts[0]
        check_alike(layouts)
        self._layouts = tuple(layouts)
        self._index = [(layout, i) for layout in layouts for i in range(layout.count)]
        self._numbers = np.arange(len(self._index))  # of those that are in this part
        self.channels = tuple(c for v in first.fields for c in v.channels)
        self.constants = tuple(c for v in first.constants for c in v.channels)
        self.parameters = tuple(first.parameters)
        self.grid, self.boundary = first.grid, first.boundary
        self.coordinates, self.times = first.coordinates, first.times
        arrays = [v.array.dtype for own in layouts for v in (*own.fields, *own.constants)]
        self.dtype = np.result_type(np.float32, *arrays)
        self._first = 0
        self._warned = self._ends_checked = self._uneven_warned = self._points_checked = False
        self.mask = self._missing_at_first() if mask is None else _as_mask(mask, self.grid)
        held = None if self.mask is None else self.mask.tobytes()
        self._source = (*(layout.source() for layout in layouts), self.dtype, held)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, i: int) -> Float[np.ndarray, "times *grid channels"]:
        return self._read(
            self._numbers[operator.index(i)], self._first, self._first + len(self.times)
        )

    def __repr__(self) -> str:
        return (
            f"Trajectories({len(self)} of {len(self.times)} times on a grid of {self.grid}, "
            f"channels {self.channels}, constants {self.constants}, parameters {self.parameters}, "
            f"lengths {tuple(round(v, 6) for v in self.lengths)}, boundary {self.boundary}, "
            f"time_step {self.time_step and round(self.time_step, 9)})"
        )

    @property
    def lengths(self) -> tuple[float, ...]:
        """The extent of the cells along each axis: n (x_n - x_1)/(n - 1)."""
        spans = ((len(x), abs(float(x[-1]) - float(x[0]))) for x in self.coordinates)
        return tuple(n * span / (n - 1) if n > 1 else 1.0 for n, span in spans)

    @property
    def time_step(self) -> float | None:
        """The time between states; `None` for one time, or where it varies."""
        steps = np.diff(self.times)
        even = len(steps) and np.allclose(steps, steps[0], rtol=1e-3, atol=0)
        return float(steps.mean()) if even else None

    def during(self, start: int, stop: int) -> "Trajectories":
        """The same trajectories, but only the states from number `start` up to, not with, `stop`.

        **Arguments:**

        - `start`, `stop`: as in a slice of the times. So is one long trajectory split.

        **Returns:** `Trajectories`.

        **Raises:** `ValueError` if no state is left.
        """
        first, last, _ = slice(start, stop).indices(len(self.times))
        if last <= first:
            raise ValueError(
                f"during({start}, {stop}) leaves none of the {len(self.times)} states."
            )
        part = copy.copy(self)
        part._first, part.times = self._first + first, self.times[first:last]
        return part

    def split(
        self, training: float, validation: float = 0.0, *, key: PRNGKeyArray | None = None
    ) -> tuple["Trajectories", "Trajectories", "Trajectories"]:
        """Training, validation and test data, by whole trajectories: none is in two of them.

        **Arguments:**

        - `training`, `validation`: shares of the trajectories; the rest is for the test.
        - `key`: PRNG key of the order; by default that of the file.

        **Returns:** three `Trajectories`; the last ones may be empty.

        **Raises:** `ValueError` for shares that are negative or more than 1 in all, or if the
        training has no trajectory or a positive share has none.
        """
        n = len(self)
        if not (training > 0 and validation >= 0 and training + validation <= 1 + 1e-9):
            raise ValueError(
                "split() needs shares training > 0 and validation >= 0 of at most 1 in all; got "
                f"{training} and {validation}."
            )
        order = np.arange(n) if key is None else np.asarray(jax.random.permutation(key, n))
        ends = round(training * n), round((training + validation) * n)
        parts = order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :]
        if not len(parts[0]) or (validation > 0 and not len(parts[1])):
            raise ValueError(
                f"split({training}, {validation}) of {n} trajectories leaves a part empty. Split "
                "one long trajectory by its times: data.during(0, 800), data.during(800, 1000)."
            )
        return self._subset(parts[0]), self._subset(parts[1]), self._subset(parts[2])

    def normaliser(self) -> Normaliser:
        """Mean and deviation of each channel, in one pass over the files with bounded memory.

        Over all trajectories, times and points that are not masked; of a channel that does not vary
        the deviation counts as 1. Take that of the training data.

        **Returns:** a `Normaliser`.

        **Raises:** `ValueError` for a value that is not finite: its channel, trajectory, time and
        point are named.
        """
        self._check_filled()
        mean, deviation = moments(self._chunks()).arrays()
        inputs = {}
        if self.constants:
            chunks = (self._points(self._constants(i)) for i in self._numbers)
            inputs["constants"] = moments(chunks).arrays()
        if self.parameters:
            rows = np.stack([self._parameters(i) for i in self._numbers])
            inputs["parameters"] = moments([rows]).arrays()
        return Normaliser(mean, deviation, inputs)

    def batch(
        self,
        key: PRNGKeyArray,
        size: int,
        *,
        steps: int = 1,
        normaliser: Normaliser | None = None,
    ) -> Window:
        """Windows of random trajectories, from random times on: a pure function of the key.

        Under `jit`, and so in `fit`, the compiled program asks for the slices as it needs them.

        **Arguments:**

        - `key`: PRNG key.
        - `size`: number of windows.
        - `steps`: time steps of a window, which has steps + 1 states.
        - `normaliser`: applied to the windows.

        **Returns:** a `Window` with `fields` `(size, steps + 1, *grid, channels)`, zero where
        masked; `inputs`, `None` or a dictionary with `"constants"` `(size, *grid, k)` and
        `"parameters"` `(size, p)`, as far as there are some; and one `key` per window.

        **Raises:** `ValueError` for more steps than the data have; for a value that is not finite
        outside the mask, JAX's error of a callback, which ends with the one that names the point.
        It warns of channels of unlike size without a normaliser, of steps of unequal length, of
        points that are not evenly spaced along an axis, and of fields that are not periodic along
        one whose boundary says so, such as those with both ends in the file.

        ```python
        np.savez("waves.npz", u=np.ones((5, 8, 16)))
        waves = jsci.operators.data.read("waves.npz", fields=["u"], axes="ntx")
        fields = waves.batch(key, 4, steps=3).fields  # (4, 4, 16, 1)
        ```
        """
        self._check_filled()
        self._check_steps(size, steps)
        if normaliser is None:
            self._warn_of_unlike_channels()
        self._warn_of_repeated_ends()
        self._warn_of_uneven_points()
        if steps:
            self._warn_of_uneven_times()
        of_trajectory, of_time, of_noise = jax.random.split(key, 3)
        # The part and its times are constants of the program, by which `fit` knows it again.
        row = jax.random.randint(of_trajectory, (size,), 0, len(self))
        trajectory = jnp.asarray(self._numbers)[row]
        last = len(self.times) - steps
        start = jax.random.randint(of_time, (size,), self._first, self._first + last)
        fields, inputs = self._slices(trajectory, start, steps)
        window = Window(fields, inputs or None, jax.random.split(of_noise, size))
        window = window if normaliser is None else normaliser(window)
        if self.mask is None:
            return window
        mask = jnp.asarray(self.mask)[None, None, ..., None]
        return window._replace(fields=jnp.where(mask, window.fields, 0))

    def _slices(self, trajectory: Int[Array, " n"], start: Int[Array, " n"], steps: int):
        """Fields and inputs of windows, read on the host when the program runs."""
        dtype, size = jax.dtypes.canonicalize_dtype(self.dtype), len(trajectory)
        shapes: dict[str, tuple[int, ...]] = {"fields": (steps + 1, *self.grid, len(self.channels))}
        if self.constants:
            shapes["constants"] = (*self.grid, len(self.constants))
        if self.parameters:
            shapes["parameters"] = (len(self.parameters),)

        expected = {k: jax.ShapeDtypeStruct((size, *s), dtype) for k, s in shapes.items()}
        types = tuple((k, s.shape, s.dtype) for k, s in expected.items())
        host = _OnTheHost(self._source, types, self)
        out = jax.pure_callback(host, expected, trajectory, start, vmap_method="sequential")
        return out.pop("fields"), out

    def _windows(self, trajectory, start, out):
        """Read windows into the arrays of `out`."""
        for row, (i, t) in enumerate(zip(trajectory.tolist(), start.tolist(), strict=True)):
            fields = out["fields"][row]
            self._read(i, t, t + len(fields), fields)
            if self.constants:
                out["constants"][row] = self._constants(i)
            if self.parameters:
                out["parameters"][row] = self._parameters(i)
        return out

    def _read(self, i, start, stop, out=None):
        """States of a trajectory, into `out` if given; `ValueError` if not finite."""
        if out is None:
            out = np.empty((stop - start, *self.grid, len(self.channels)), self.dtype)
        layout, row = self._index[i]
        _join(layout.fields, row, slice(start, stop), out)
        self._fill(out, self.channels, i, start)
        return out

    def _constants(self, i):
        layout, row = self._index[i]
        out = np.empty((1, *self.grid, len(self.constants)), self.dtype)
        _join(layout.constants, row, slice(None), out)
        self._fill(out, self.constants, i, 0)
        return out[0]

    def _parameters(self, i):
        layout, row = self._index[i]
        found = np.array([values[row] for values in layout.parameters.values()], self.dtype)
        if not np.isfinite(found).all():
            known = dict(zip(self.parameters, found.tolist(), strict=True))
            raise ValueError(f"{layout.path}: the parameters of trajectory {row} are {known}.")
        return found

    def _fill(self, values, names, i, start):
        """Zero where masked; `ValueError` if a value elsewhere is not finite."""
        if self.mask is not None:
            values[:, ~self.mask] = 0
        # A sum takes a fraction of the time, and is not finite if a term is not.
        with np.errstate(all="ignore"):
            if np.isfinite(values.sum()) or np.isfinite(values).all():
                return
        time, *point, channel = (int(k[0]) for k in np.nonzero(~np.isfinite(values)))
        raise ValueError(
            f"{self._index[i][0].path}: {names[channel]!r} is "
            f"{values[(time, *point, channel)]} in trajectory {self._index[i][1]}, state "
            f"{start + time}, at the point {tuple(point)}. If there are no values at "
            "such points at any time, as on land, give read(..., mask=); where few are missing, "
            "fill them before, by operators.fill(state, finite, modes=...)."
        )

    def _chunks(self) -> Iterator[np.ndarray]:
        """All states as points `(n, channels)`, a bounded number of them at a time."""
        length = max(1, _CHUNK // (math.prod(self.grid) * len(self.channels)))
        last = self._first + len(self.times)
        for i in self._numbers:
            for start in range(self._first, last, length):
                yield self._points(self._read(i, start, min(start + length, last)))

    def _points(self, values):
        """Values at the points that are not masked, as rows of channels."""
        if self.mask is not None:
            values = values[..., self.mask, :]
        return values.reshape(-1, values.shape[-1])

    def _missing_at_first(self) -> Bool[np.ndarray, "*grid"] | None:
        """The mask of what is missing in the first state, if the file declares such values."""
        layout = self._layouts[0]
        declared = [v for v in layout.fields if v.packing.fills]
        if not declared:
            return None
        first = [v.read(0, slice(0, 1), self.grid)[0] for v in declared]
        mask = np.asarray(np.isfinite(np.concatenate(first, -1)).all(-1))
        if not mask.any():
            raise ValueError(
                f"{layout.path} has no values in its first state, which is to say where there are "
                "some: give read(..., mask=)."
            )
        return None if mask.all() else mask

    def _subset(self, rows):
        part = copy.copy(self)
        part._numbers = self._numbers[rows]
        return part

    def _check_filled(self):
        if not len(self):
            raise ValueError("These data have no trajectory: split() left none for this part.")

    def _check_steps(self, size, steps):
        if size < 1 or steps < 0:
            raise ValueError(f"batch() needs size >= 1 and steps >= 0; got {size} and {steps}.")
        if steps >= len(self.times):
            raise ValueError(
                f"A lead time of steps={steps} is beyond the data, which have {len(self.times)} "
                f"states and so at most {len(self.times) - 1} steps. Data of one state, such as "
                "Darcy flow, are read with steps=0: the constants are the input."
            )

    def _first_state(self):
        return self._read(self._numbers[0], self._first, self._first + 1)

    def _warn_of_repeated_ends(self):
        if self._ends_checked:
            return
        self._ends_checked = True
        advice = (
            "If its last point repeats the first, it counts twice, and the length is off by one "
            "spacing: leave it out of the file, or give networks points='ends'. If it is not "
            "periodic, state another boundary=."
        )
        periodic = [axis for axis, kind in enumerate(self.boundary) if kind == "periodic"]
        name = "read(), by the boundary that is stated,"
        warn_unless_periodic(self._first_state()[0], periodic, name, advice, stacklevel=4)

    def _warn_of_unlike_channels(self):
        if self._warned or len(self.channels) < 2:
            return
        self._warned = True
        points = self._points(self._first_state()).astype(np.float64)
        size = np.sqrt(np.mean(points**2, 0))
        low, high = int(np.argmin(size)), int(np.argmax(size))
        if size[high] > _UNLIKE * size[low]:
            warnings.warn(
                f"The channels are of unlike size: {self.channels[high]!r} {size[high]:.2g}, "
                f"{self.channels[low]!r} {size[low]:.2g}, which hardly counts in a common error. "
                "Give batch(normaliser=training.normaliser()).",
                stacklevel=3,
            )

    def _warn_of_uneven_points(self):
        """Most networks take the points of an axis for evenly spaced."""
        if self._points_checked:
            return
        self._points_checked = True
        for axis, x in zip("xyz", self.coordinates, strict=False):
            gaps = np.abs(np.diff(x))
            if len(gaps) and gaps.max() > (1 + _UNEVEN) * gaps.min():
                warnings.warn(
                    f"The points along the axis {axis!r} are not evenly spaced: spacings are "
                    f"between {gaps.min():.4g} and {gaps.max():.4g}. Networks on a grid take them "
                    "for equal, but for basis='chebyshev' or 'sphere' on the points of these "
                    "bases. Interpolate to even points, or take a network for scattered points.",
                    stacklevel=3,
                )

    def _warn_of_uneven_times(self):
        """A model of one step would learn a mixture of steps."""
        steps = np.diff(self.times)
        if self.time_step is not None or not len(steps) or self._uneven_warned:
            return
        self._uneven_warned = True
        warnings.warn(
            f"The times are not evenly spaced: steps are between {steps.min():.4g} and "
            f"{steps.max():.4g} long, and a window takes them for equal. Take an even part by "
            "during(), or give read(time_step=) if they are.",
            stacklevel=3,
        )


@dataclasses.dataclass(frozen=True)
class _OnTheHost:
    """What a compiled program calls for its windows.

    Equal for equal sources, whatever object reads them, so that `fit` knows a program again.
    """

    source: Hashable = dataclasses.field(repr=False)
    types: tuple[tuple[str, tuple[int, ...], np.dtype], ...]
    data: Trajectories = dataclasses.field(compare=False, repr=False)

    def __call__(self, trajectory: Any, start: Any) -> dict[str, np.ndarray]:
        out = {name: np.empty(shape, dtype) for name, shape, dtype in self.types}
        return self.data._windows(trajectory, start, out)


def _join(variables, row, times, out):
    """Read variables side by side into the channels of `out`."""
    place = 0
    for variable in variables:
        after = place + len(variable.channels)
        out[..., place:after] = variable.read(row, times, out.shape[1:-1])
        place = after


def _as_mask(mask, grid):
    values = np.asarray(mask)
    if values.shape != tuple(grid):
        raise ValueError(
            f"mask says of each point whether it has values, shape {tuple(grid)}; got shape "
            f"{values.shape}."
        )
    valid = np.nan_to_num(values.astype(float)) != 0
    if not valid.any():
        raise ValueError("mask leaves no point: it is True, or not zero, where there are values.")
    return valid
