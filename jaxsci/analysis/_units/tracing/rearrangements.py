"""Primitives that put the entries of an array in another place."""

import itertools
from collections.abc import Sequence
from typing import Any

from .labels import NOTHING, Label, Labels


def kept(label: Label, order: Sequence[int]) -> Label:
    """Some axes of an array, in this order."""
    axes, origins = (tuple(x[k] for k in order) for x in (label.axes, label.origins))
    return label._replace(axes=axes, origins=origins)


def without(label: Label, gone: Sequence[int]) -> Label:
    """The other axes of an array."""
    return kept(label, [k for k in range(len(label.axes)) if k not in gone])


def transpose(_: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """Axes in another order."""
    return [kept(inputs[0], equation.params["permutation"])]


def squeeze(_: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """Without axes of one entry."""
    return [without(inputs[0], equation.params["dimensions"])]


def broadcast(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """New axes are free: along them the array is constant."""
    label, shape = inputs[0], equation.outvars[0].aval.shape
    new = labels.array(shape, varies=label.varies)
    axes, origins = list(new.axes), list(new.origins)
    for k, place in enumerate(equation.params["broadcast_dimensions"]):
        if labels.axes.sizes[label.axes[k]] == shape[place]:
            axes[place], origins[place] = label.axes[k], label.origins[k]
    return [label._replace(axes=tuple(axes), origins=tuple(origins))]


def reshape(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """The product of all axes is the same before and after."""
    label, axes = inputs[0], labels.axes
    new = labels.array(equation.outvars[0].aval.shape, varies=label.varies)
    axes.unify(axes.join("factors", label.axes), axes.join("factors", new.axes))
    known = {axes.find(a): o for a, o in zip(label.axes, label.origins, strict=True)}
    roots = [axes.find(a) for a in new.axes]
    merged = NOTHING.union(*(o for root, o in known.items() if root not in roots))
    origins = (known.get(r, merged) if axes.sizes[r] > 1 else NOTHING for r in roots)
    return [label._replace(axes=new.axes, origins=tuple(origins))]


def concatenate(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """An axis in parts; the others are one."""
    place = equation.params["dimension"]
    for label in inputs[1:]:
        labels.unify(without(inputs[0], [place]).axes, without(label, [place]).axes)
    axes = list(inputs[0].axes)
    axes[place] = labels.axes.join("parts", [label.axes[place] for label in inputs])
    varies = any(label.varies for label in inputs)
    if varies:
        for label in inputs:
            labels.make(label)
    columns = zip(*(label.origins for label in inputs), strict=True)
    origins = tuple(NOTHING if varies else NOTHING.union(*column) for column in columns)
    return [Label(tuple(axes), origins, varies, all(label.linear for label in inputs))]


def slices(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """A slice is a part of its axis; a stride leaves the axis in its order."""
    p, axes = equation.params, list(inputs[0].axes)
    strides = p["strides"] or (1,) * len(axes)
    bounds = zip(p["start_indices"], p["limit_indices"], strides, strict=True)
    for k, (start, end, stride) in enumerate(bounds):
        if stride != 1:
            axes[k] = opaque(labels, axes[k], len(range(start, end, stride)), "slice")
        else:
            axes[k] = _cut(labels, axes[k], (start, end))[1]
    return [inputs[0]._replace(axes=tuple(axes))]


def split(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """All the parts of an axis."""
    label, k = inputs[0], equation.params["axis"]
    ends = list(itertools.accumulate(equation.params["sizes"]))[:-1]
    parts = _cut(labels, label.axes[k], ends)
    return [label._replace(axes=(*label.axes[:k], part, *label.axes[k + 1 :])) for part in parts]


def _cut(labels: Labels, axis: int, ends: Sequence[int]) -> list[int]:
    """The parts of an axis that end at `ends`, and the last."""
    size = labels.axes.sizes[axis]
    sizes = [b - a for a, b in itertools.pairwise([0, *ends, size])]
    if size in sizes:
        return [axis if s else labels.axes.new(0) for s in sizes]
    return labels.axes.split(axis, "parts", sizes)


def pad(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """What is appended is constant, and so free."""
    axes = list(inputs[0].axes)
    for k, (low, high, interior) in enumerate(equation.params["padding_config"]):
        if interior or low < 0 or high < 0:
            axes[k] = opaque(labels, axes[k], equation.outvars[0].aval.shape[k], "pad")
        else:
            ends = labels.axes.new(low), labels.axes.new(high)
            axes[k] = labels.axes.join("parts", [ends[0], axes[k], ends[1]])
    return [inputs[0]._replace(axes=tuple(axes))]


def opaque(labels: Labels, axis: int, size: int, primitive: str | None) -> int:
    """An axis of which no permutation passes, as the output of a primitive."""
    new = labels.axes.new(size)
    for a in (axis, new):
        labels.axes.fix(a, primitive)
    return new
