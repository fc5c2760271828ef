"""Loops and branches: what goes round keeps its axes."""

from collections.abc import Sequence
from typing import Any

from .labels import NOTHING, Label, Labels


def scan(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """The steps stay in their order; what is carried has the same axes in every step."""
    p = equation.params
    ends = p["num_consts"], p["num_consts"] + p["num_carry"]
    constants, carry, stacked = inputs[: ends[0]], inputs[ends[0] : ends[1]], inputs[ends[1] :]
    rows = []
    for label in stacked:
        labels.axes.fix(label.axes[0])
        rows.append(label._replace(axes=label.axes[1:], origins=label.origins[1:]))
    carry = _changing(labels, carry, [*constants, *rows])
    outputs = labels.follow(p["jaxpr"], [*constants, *carry, *rows])
    _close(labels, carry, outputs[: p["num_carry"]])
    return [*carry, *(_stacked(labels, y, p["length"]) for y in outputs[p["num_carry"] :])]


def while_loop(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """The values that go round have the same axes in every round."""
    p = equation.params
    ends = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]
    test, body, carry = inputs[: ends[0]], inputs[ends[0] : ends[1]], inputs[ends[1] :]
    carry = _changing(labels, carry, [*test, *body])
    labels.follow(p["cond_jaxpr"], [*test, *carry])
    _close(labels, carry, labels.follow(p["body_jaxpr"], [*body, *carry]))
    return carry


def branches(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """What the branches return has the same axes in each."""
    choice, *arguments = inputs
    outputs = [labels.follow(b, arguments) for b in equation.params["branches"]]
    joined = []
    for column in zip(*outputs, strict=True):
        for label in column:
            labels.unify(column[0].axes, label.axes)
            labels.make(label)
        varies = choice.varies or any(label.varies for label in column)
        joined.append(_activation(column[0])._replace(varies=varies))
    return joined


def _activation(label: Label) -> Label:
    """It is followed no further which parameters it is."""
    return label._replace(origins=(NOTHING,) * len(label.axes))


def _changing(labels: Labels, carry: Sequence[Label], others: Sequence[Label]) -> list[Label]:
    """What is carried depends on all that enters the loop."""
    varies = any(label.varies for label in (*carry, *others))
    for label in carry:
        labels.make(label)
    return [_activation(label)._replace(varies=varies) for label in carry]


def _close(labels: Labels, carry: Sequence[Label], outputs: Sequence[Label]) -> None:
    for before, after in zip(carry, outputs, strict=True):
        labels.unify(before.axes, after.axes)
        labels.make(after)


def _stacked(labels: Labels, label: Label, length: int) -> Label:
    labels.make(label)
    time = labels.axes.new(length)
    labels.axes.fix(time)
    return _activation(label._replace(axes=(time, *label.axes)))
