"""Primitives that treat an axis in its order: along others they pass permutations on."""

from collections.abc import Callable
from typing import Any

from .labels import NOTHING, Label, Labels
from .rearrangements import opaque, without


def in_order(parameter: str) -> Callable[[Labels, Any, list[Label]], list[Label]]:
    """Sums along an axis, sorting, reversing: the parameter names the axes."""

    def rule(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
        chosen = equation.params[parameter]
        for label in inputs:
            labels.unify(inputs[0].axes, label.axes)
            labels.make(label)
        for k in (chosen,) if isinstance(chosen, int) else chosen:
            labels.axes.fix(inputs[0].axes[k], equation.primitive.name)
        varies = any(label.varies for label in inputs)
        return [label._replace(varies=varies, linear=False) for label in inputs]

    return rule


def argument(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """The index of an extremum keeps its axis in order."""
    gone = equation.params["axes"]
    for k in gone:
        labels.axes.fix(inputs[0].axes[k], equation.primitive.name)
    return [without(inputs[0], gone)]


def window(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """Pooling: an axis is passed on unless a window runs over it."""
    label, shape = inputs[0], equation.outvars[0].aval.shape
    axes = list(label.axes)
    for k, width in enumerate(equation.params["window_dimensions"]):
        if width != 1 or shape[k] != labels.axes.sizes[axes[k]]:
            axes[k] = opaque(labels, axes[k], shape[k], None)
    return [label._replace(axes=tuple(axes))]


def gather(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """Rows of a table: the axes that are taken whole are passed on."""
    (table, indices), numbers = inputs, equation.params["dimension_numbers"]
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    varies = table.varies or indices.varies
    new = labels.array(equation.outvars[0].aval.shape, varies=varies)
    axes, offsets = list(new.axes), iter(numbers.offset_dims)
    for k, axis in enumerate(table.axes):
        place = None if k in gone else next(offsets)
        if place is None:
            labels.axes.fix(axis, "gather")
        elif equation.params["slice_sizes"][k] == labels.axes.sizes[axis]:
            axes[place] = axis
        else:
            axes[place] = opaque(labels, axis, labels.axes.sizes[axes[place]], "gather")
    labels.fix(indices)
    for k in set(range(len(axes))) - set(numbers.offset_dims):
        labels.axes.fix(axes[k])
    labels.make(table)
    return [Label(tuple(axes), (NOTHING,) * len(axes), varies, False)]


def dynamic_slice(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """A slice at a place that is computed: the axes that are taken whole are passed on."""
    label, shape = inputs[0], equation.outvars[0].aval.shape
    axes = list(label.axes)
    for k, axis in enumerate(axes):
        if shape[k] != labels.axes.sizes[axis]:
            axes[k] = opaque(labels, axis, shape[k], "dynamic_slice")
    labels.make(label)
    return [label._replace(axes=tuple(axes), varies=any(i.varies for i in inputs), linear=False)]
