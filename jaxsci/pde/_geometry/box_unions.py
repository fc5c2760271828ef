"""The largest boxes within a union of boxes, and the planes that bound them."""

from collections.abc import Sequence

import numpy as np

Corners = tuple[tuple[float, ...], tuple[float, ...]]
# Faces this close, relative to the boxes, are one: 0.1 + 0.2 is not 0.3.
_CLOSE = 1e-9


def largest_boxes(boxes: Sequence[Corners]) -> list[Corners]:
    """All maximal boxes contained in a union of boxes.

    A face that two of the boxes share lies inside one of the maximal boxes. Two boxes that meet
    along one axis and overlap along the others contain the box that spans both.
    """
    known = list(boxes)
    for a in known:  # grows during the loop
        for b in tuple(known):
            for axis in range(len(a[0])):
                bridge = _bridge(a, b, axis)
                if bridge and not any(_within(bridge, c) for c in known):
                    known.append(bridge)
    largest: list[Corners] = []
    for box in sorted(known, key=lambda box: -float(np.prod(np.subtract(box[1], box[0])))):
        if not any(_within(box, c) for c in largest):
            largest.append(box)
    return largest


def planes(boxes: Sequence[Corners]) -> tuple[np.ndarray, np.ndarray]:
    """The distinct planes of boxes, rows (axis, inward sign, position), and which box has which."""
    rows: list[tuple[int, float, float]] = []
    owners: list[set[int]] = []
    for number, (lower, upper) in enumerate(boxes):
        for axis, width in enumerate(np.subtract(upper, lower)):
            for sign, place in ((1.0, lower[axis]), (-1.0, upper[axis])):
                same = [
                    i
                    for i, row in enumerate(rows)
                    if row[:2] == (axis, sign) and abs(row[2] - place) <= _CLOSE * width
                ]
                if not same:
                    rows.append((axis, sign, place))
                    owners.append(set())
                owners[same[0] if same else -1].add(number)
    members = np.array([[i in owner for owner in owners] for i in range(len(boxes))])
    return np.array(rows), members


def _bridge(a: Corners, b: Corners, axis: int) -> Corners | None:
    lower, upper = np.maximum(a[0], b[0]), np.minimum(a[1], b[1])
    close = _CLOSE * np.max(np.subtract([a[1], b[1]], [a[0], b[0]]), axis=0)
    across = np.arange(len(lower)) != axis
    if np.any((upper - lower)[across] <= close[across]) or upper[axis] < lower[axis] - close[axis]:
        return None
    lower[axis] = min(a[0][axis], b[0][axis])
    upper[axis] = max(a[1][axis], b[1][axis])
    return tuple(lower.tolist()), tuple(upper.tolist())


def _within(inner: Corners, outer: Corners) -> bool:
    close = _CLOSE * np.subtract(outer[1], outer[0])
    above = np.add(inner[0], close) >= outer[0]
    return bool(np.all(above & (np.subtract(inner[1], close) <= outer[1])))
