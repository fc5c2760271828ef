"""A cheap test of periodicity, for functions that assume it."""

import warnings
from collections.abc import Iterable, Sequence

import jax.numpy as jnp
import numpy as np

from .axis_points import Points
from .fields import known

_FEWEST = 8  # points per axis: with fewer, any field may be periodic
_STANDS_OUT = 4.0


def warn_unless_periodic(
    a,
    axes: Iterable[int],
    name: str,
    advice: str,
    stacklevel: int = 3,
    points: Sequence[Points] = (),
):
    """Warn of a field that does not continue smoothly from its last point to its first.

    With both ends among the `points` of an axis, the last point has to repeat the first. By default
    the end is left out. Only if its values are known, that is outside jit, vmap and grad. Fields
    that are rough everywhere pass: the test is whether the seam differs from the rest.
    """
    values = known(a)
    if values is None:
        return
    noise = 100 * float(jnp.finfo(a.dtype).eps)
    for axis in axes:
        if values.shape[axis] < _FEWEST:
            continue
        lines = np.moveaxis(values, axis, 0)
        lines = lines.reshape(len(lines), -1, values.shape[-1])
        where, form = points[axis] if points else "left", "with points i/N and the end left out"
        with np.errstate(all="ignore"):  # fields may hold infinities
            if where == "ends":
                form = "with points i/(N - 1) and both ends among them"
                unlike = np.any(_differs_at_the_ends(lines, noise))
                lines = lines[:-1]
            if where == "ends" and unlike:
                what = "does not have its first value once more at its end"
            elif np.any(_bends_at_the_seam(lines, noise)):
                what = "does not continue smoothly from its last point to its first"
            elif np.any(_repeats_an_end(lines, noise)):
                what = "has its first point once more at its end, as linspace(0, 1, N) does"
            else:
                continue
        warnings.warn(
            f"{name} takes a field as periodic, {form}, but along axis {axis} this one {what}. "
            f"{advice}",
            stacklevel=stacklevel,
        )


def _bends_at_the_seam(lines, noise):
    """Whether second differences across the seam exceed all others, for each channel.

    A jump makes them N² times too large, a kink N times. A smooth field passes wherever it is
    steepest: even a Gaussian as narrow as the spacing, at the seam, stays below 2.3.
    """
    seam, inside = _at_the_seam_and_inside(_bends(lines), 1)
    return seam > _STANDS_OUT * inside + noise * np.max(np.abs(lines), (0, 1))


def _differs_at_the_ends(lines, noise):
    """Whether the last values are not the first, to a share of the steps or to rounding."""
    steps = np.max(np.abs(np.diff(lines, axis=0)), (0, 1))
    unlike = np.max(np.abs(lines[0] - lines[-1]), 0)
    return unlike > np.maximum(1e-3 * steps, noise * np.max(np.abs(lines), (0, 1)))


def _repeats_an_end(lines, noise):
    """Whether the last values equal the first, and a field without them is smooth instead.

    Either a slope goes through them, or, at a maximum, fourth differences fall when they are left
    out. Where steps are no larger than rounding, neighbours may be equal in any field.
    """
    steps = np.diff(lines, axis=0)
    largest = np.max(np.sqrt(np.mean(steps**2, 1)), 0)
    rounding = noise * np.max(np.abs(lines), (0, 1))
    equal = np.max(np.abs(lines[0] - lines[-1]), 0) < 1e-5 * largest
    through = np.sqrt(np.mean((steps[0] + steps[-1]) ** 2, 0))
    turns = np.sqrt(np.mean((steps[0] - steps[-1]) ** 2, 0))
    slope = (turns < 0.5 * through) & (through > np.maximum(0.2 * largest, rounding))
    seam, inside = _at_the_seam_and_inside(_bends(_bends(lines)), 2)
    without, _ = _at_the_seam_and_inside(_bends(_bends(lines[:-1])), 2)
    kink = seam > _STANDS_OUT * np.maximum(inside, without) + rounding
    return equal & (slope | kink)


def _bends(lines):
    return np.roll(lines, 1, 0) - 2 * lines + np.roll(lines, -1, 0)


def _at_the_seam_and_inside(differences, reach):
    """The largest, over all lines of a channel, of so many points at either end and of the rest."""
    size = np.sqrt(np.mean(differences**2, 1))
    ends = np.concatenate([size[:reach], size[-reach:]])
    return np.max(ends, 0), np.max(size[reach:-reach], 0)
