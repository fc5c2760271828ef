"""Which axes are the same axis: a union-find whose members can be factored and cut.

An axis that is reshaped from 64 to (8, 8) is the product of two axes, and one from which slices are
taken is a row of parts. Whatever is equal to it is then factored or cut in the same way.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

Kind = Literal["factors", "parts"]
_SIZE = {"factors": math.prod, "parts": sum}


class Known(NamedTuple):
    """Why an axis stays in order: `primitive` names what was not understood; None if it must."""

    primitive: str | None


class Axes:
    """Axes by number. An axis is free, fixed in its order, or made of other axes."""

    def __init__(self):
        self.sizes: list[int] = []
        self._same: list[int] = []
        self._made: dict[int, tuple[Kind, tuple[int, ...]]] = {}
        self._fixed: dict[int, Known] = {}

    def new(self, size: int) -> int:
        """An axis of which nothing is known."""
        self.sizes.append(size)
        self._same.append(len(self._same))
        return self._same[-1]

    def find(self, axis: int) -> int:
        """The number that all axes equal to this one share."""
        while self._same[axis] != axis:
            axis = self._same[axis]
        return axis

    def fixed(self, axis: int) -> Known | None:
        """Why a free axis is not free, if it is not."""
        return self._fixed.get(self.find(axis))

    def fix(self, axis: int, primitive: str | None = None) -> None:
        """Keep the order of an axis; that it must be kept outweighs what is not understood."""
        axis = self.find(axis)
        if axis in self._made:
            for member in self._made[axis][1]:
                self.fix(member, primitive)
        elif primitive is None or axis not in self._fixed:
            self._fixed[axis] = Known(primitive)

    def join(self, kind: Kind, members: Sequence[int]) -> int:
        """The axis made of others: their product, the last running fastest, or their row."""
        trivial = 1 if kind == "factors" else 0
        members = tuple(m for m in members if self.sizes[m] != trivial)
        if len(members) == 1:
            return members[0]
        whole = self.new(_SIZE[kind](self.sizes[m] for m in members))
        if members:
            self._made[whole] = (kind, members)
        return whole

    def split(self, axis: int, kind: Kind, sizes: Sequence[int]) -> list[int]:
        """The members of these sizes that an axis is made of."""
        members = [self.new(size) for size in sizes]
        self.unify(axis, self.join(kind, members))
        return members

    def unify(self, a: int, b: int) -> None:
        """Two axes are one: what permutes the one permutes the other."""
        a, b = self.find(a), self.find(b)
        if a == b:
            return
        if a in self._made and b in self._made:
            self._align(a, b)
            return
        free, kept = (b, a) if a in self._made else (a, b)
        self._same[free] = kept
        if free in self._fixed:
            self.fix(kept, self._fixed.pop(free).primitive)

    def _align(self, a: int, b: int) -> None:
        """Make both of the same members."""
        kinds = self._made[a][0], self._made[b][0]
        if kinds[0] != kinds[1]:
            product, row = (a, b) if kinds[0] == "factors" else (b, a)
            self._align_mixed(product, row)
            return
        kind = kinds[0]
        left, right = self._members(a, kind)[::-1], self._members(b, kind)[::-1]
        while left and right:
            x, y = left.pop(), right.pop()
            if self.sizes[x] < self.sizes[y]:
                y, rest = self._shorter(kind, y, self.sizes[x])
                right += rest
            elif self.sizes[y] < self.sizes[x]:
                x, rest = self._shorter(kind, x, self.sizes[y])
                left += rest
            if self.sizes[x] != self.sizes[y]:
                for axis in (a, b):
                    self.fix(axis, "reshape")
                return
            self.unify(x, y)

    def _shorter(self, kind: Kind, axis: int, size: int) -> tuple[int, list[int]]:
        """The first member of this size, and the rest; the axis itself where there is none."""
        rest, remainder = self.sizes[axis] - size, 0
        if kind == "factors":
            rest, remainder = divmod(self.sizes[axis], size)
        if remainder:
            return axis, []
        first, last = self.split(axis, kind, (size, rest))
        return first, [last]

    def _align_mixed(self, product: int, row: int) -> None:
        """A product is a row if its first factor can be cut where the parts end."""
        lead, *others = self._members(product, "factors")
        parts = self._members(row, "parts")
        inner = math.prod(self.sizes[m] for m in others)
        if any(self.sizes[part] % inner for part in parts):
            for axis in (product, row):
                self.fix(axis, "slice")
            return
        leads = self.split(lead, "parts", [self.sizes[part] // inner for part in parts])
        for part, first in zip(parts, leads, strict=True):
            self.unify(part, self.join("factors", [first, *others]))

    def _members(self, axis: int, kind: Kind) -> list[int]:
        axis = self.find(axis)
        if self._made.get(axis, ("", ()))[0] != kind:
            return [axis]
        return [n for m in self._made[axis][1] for n in self._members(m, kind)]

    def positions(self, axis: int) -> dict[int, Int[np.ndarray, "units places"]]:
        """The free axes that an axis is made of: where along it each of their entries lies."""
        axis = self.find(axis)
        if axis not in self._made:
            return {axis: np.arange(self.sizes[axis])[:, None]}
        kind, members = self._made[axis]
        found: dict[int, list[np.ndarray]] = {}
        before = 0 if kind == "parts" else 1
        for member in members:
            size = self.sizes[member]
            for free, inner in self.positions(member).items():
                if kind == "factors":
                    after = self.sizes[axis] // (before * size)
                    outer = (np.arange(before) * size)[:, None, None] + inner[:, None, :, None]
                    inner = (outer * after + np.arange(after)).reshape(len(inner), -1)
                else:
                    inner = inner + before
                found.setdefault(free, []).append(inner)
            before = before * size if kind == "factors" else before + size
        return {free: np.concatenate(columns, 1) for free, columns in found.items()}
