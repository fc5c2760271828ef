"""Products: the axes that are summed are one, and a parameter's among them consumes units."""

from collections.abc import Sequence
from typing import Any

from .labels import NOTHING, Label, Labels


def product(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """`dot_general`: its output has the batch axes, then those of the left, then of the right."""
    (left, right), (contracted, batch) = inputs, equation.params["dimension_numbers"]
    for i, j in zip(*contracted, strict=True):
        labels.axes.unify(left.axes[i], right.axes[j])
        _meet(labels, (left, i), (right, j))
    for i, j in zip(*batch, strict=True):
        labels.axes.unify(left.axes[i], right.axes[j])
    rest = [
        [k for k in range(len(label.axes)) if k not in (*contracted[side], *batch[side])]
        for side, label in enumerate(inputs)
    ]
    outer = [(left, k) for k in (*batch[0], *rest[0])] + [(right, k) for k in rest[1]]
    return [_outcome(labels, inputs, outer, ((left, batch[0]), (right, batch[1])))]


def convolution(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """Channels are contracted, in groups or all together; a window runs over space."""
    (image, kernel), p = inputs, equation.params
    if p["batch_group_count"] != 1:
        for label in inputs:
            labels.fix(label, "conv_general_dilated")
        new = labels.array(equation.outvars[0].aval.shape, varies=True)
        labels.fix(new, "conv_general_dilated")
        return [new]
    numbers, axes = p["dimension_numbers"], labels.axes
    (batch, channel, *space), (out, into, *window) = numbers.lhs_spec, numbers.rhs_spec
    groups = p["feature_group_count"]
    if groups == 1:
        axes.unify(image.axes[channel], kernel.axes[into])
        _meet(labels, (image, channel), (kernel, into))
    else:
        _grouped(labels, image.axes[channel], kernel.axes[out], kernel.axes[into], groups)
    for label, places in ((image, space), (kernel, window)):
        for k in places:
            axes.fix(label.axes[k])
    result = labels.array(equation.outvars[0].aval.shape, varies=True)
    found = list(result.axes)
    first, second, *places = numbers.out_spec
    found[first], found[second] = image.axes[batch], kernel.axes[out]
    for k in places:
        axes.fix(found[k])
    outcome = _outcome(labels, inputs, [(kernel, out)], ())
    return [outcome._replace(axes=tuple(found), origins=(NOTHING,) * len(found))]


def _grouped(labels: Labels, channel: int, out: int, into: int, groups: int) -> None:
    """Channels in groups: the groups of the input are those of the output."""
    axes = labels.axes
    labels.couple(channel, "conv_general_dilated")
    each = axes.sizes[channel] // groups, axes.sizes[out] // groups
    group, member = axes.split(channel, "factors", (groups, each[0]))
    same, _ = axes.split(out, "factors", (groups, each[1]))
    axes.unify(group, same)
    axes.unify(member, into)


def _meet(labels: Labels, a: tuple[Label, int], b: tuple[Label, int]) -> None:
    """The sum over an axis that two arrays share."""
    for operand, (activation, axis), (weight, k) in ((0, a, b), (1, b, a)):
        if activation.varies and not weight.varies:
            labels.consume((operand, activation, axis), weight, k)
            return
    labels.couple(a[0].axes[a[1]], "dot_general")


def _outcome(
    labels: Labels,
    inputs: Sequence[Label],
    outer: Sequence[tuple[Label, int]],
    shared: Sequence[tuple[Label, Sequence[int]]],
) -> Label:
    """A product with these axes; the parameters that they come from make it."""
    varies = any(label.varies for label in inputs)
    origins = [label.origins[k] for label, k in outer]
    if varies:
        for origin in (*origins, *(label.origins[k] for label, ks in shared for k in ks)):
            labels.use(origin, "made")
        origins = [NOTHING] * len(origins)
    return Label(tuple(label.axes[k] for label, k in outer), tuple(origins), varies, False)
