"""What is known of every array in a program: which axes it has, and of which parameters.

A permutation of an axis passes through an equation if permuting the inputs permutes the outputs.
So every equation says which of its axes are one axis, and which have to keep their order.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from .axes import Axes
from .walk import walk

Use = Literal["made", "consumed", "bent"]
Origin = frozenset[tuple[int, int]]  # (leaf, axis) of parameters
NOTHING: Origin = frozenset()


class Label(NamedTuple):
    """An array: its axes, the axes of the parameters that they are, and what it depends on.

    - `varies`: it depends on x. Only what does not has origins.
    - `linear`: a parameter times a number, in another arrangement.
    """

    axes: tuple[int, ...]
    origins: tuple[Origin, ...]
    varies: bool
    linear: bool = True


class Tap(NamedTuple):
    """An activation that parameters multiply: an input of an equation, and its axis.

    - `axes`: all its axes.
    """

    equation: int
    operand: int
    axis: int
    axes: tuple[int, ...]


class Labels:
    """Everything that is read from a program; the rules write into it.

    - `uses`: how each axis of a parameter meets what depends on x: it makes a unit, or it consumes
        one, linearly or not ("bent").
    - `coupled`: axes along which units meet each other, and the primitive in which they do.
    - `taps`: the activations that parameters consume, in the order of the program.
    """

    def __init__(self, rule: Callable[["Labels", Any, list[Label]], list[Label]]):
        self.rule = rule
        self.axes = Axes()
        self.uses: dict[tuple[int, int], set[Use]] = {}
        self.coupled: list[tuple[int, str]] = []
        self.taps: list[Tap] = []
        self.equation = 0
        self.depth = 0

    def follow(self, closed: Any, inputs: Sequence[Label], *, inside: bool = True) -> list[Label]:
        """The labels of what a program returns; `inside` a loop, no activation can be tapped."""
        self.depth += inside
        outputs = walk(closed, inputs, self._equation, self.constant)
        self.depth -= inside
        return outputs

    def _equation(self, equation: Any, inputs: list[Label]) -> list[Label]:
        outputs = self.rule(self, equation, inputs)
        self.equation += not self.depth
        return outputs

    def array(self, shape: Sequence[int], *, varies: bool, leaf: int | None = None) -> Label:
        """An array of which nothing is known, or a leaf of the parameters."""
        origins = (NOTHING if leaf is None else frozenset({(leaf, k)}) for k in range(len(shape)))
        return Label(tuple(map(self.axes.new, shape)), tuple(origins), varies)

    def constant(self, value: Any) -> Label:
        """An array that the program holds: its axes are free where it is constant along them."""
        label = self.array(np.shape(value), varies=False)
        for k, axis in enumerate(label.axes):
            try:
                array = np.asarray(value)
                same = bool(np.all(array == np.take(array, [0], k)))
            except TypeError:  # a PRNG key
                same = False
            if not same:
                self.axes.fix(axis, "a constant")
        return label

    def fix(self, label: Label, primitive: str | None = None) -> None:
        """Keep the order of all axes of an array."""
        for axis in label.axes:
            self.axes.fix(axis, primitive)

    def unify(self, a: Sequence[int], b: Sequence[int]) -> None:
        """Axis by axis, those of one array are those of another."""
        for x, y in zip(a, b, strict=True):
            self.axes.unify(x, y)

    def use(self, origin: Origin, use: Use) -> None:
        """Note how axes of parameters are used."""
        for axis in origin:
            self.uses.setdefault(axis, set()).add(use)

    def make(self, label: Label) -> None:
        """Parameters become part of an activation."""
        for origin in label.origins:
            self.use(origin, "made")

    def couple(self, axis: int, primitive: str) -> None:
        """Note that units meet along an axis."""
        self.coupled.append((axis, primitive))

    def consume(self, activation: tuple[int, Label, int], weight: Label, k: int) -> None:
        """A parameter's axis k is summed with an axis of an activation."""
        operand, label, axis = activation
        if not weight.origins[k]:
            self.couple(weight.axes[k], "dot_general")
        self.use(weight.origins[k], "consumed" if weight.linear else "bent")
        if not self.depth:
            self.taps.append(Tap(self.equation, operand, axis, label.axes))
