"""Positions at another value of one internal coordinate."""

from collections.abc import Sequence

import numpy as np

from .coordinates import Coordinate, across, bonded, fragments
from .primitives import Primitives

_NEWTON_STEPS, _NEWTON_STEP, _NEWTON_TOLERANCE = 200, 0.2, 1e-10


def as_primitive(coordinate: Coordinate) -> Primitives:
    """The coordinate alone."""
    index = np.array([coordinate], int)
    kind = {2: "distances", 3: "angles", 4: "dihedrals"}[len(coordinate)]
    return Primitives(**{kind: index})


def displaced(
    x: np.ndarray,
    elements: np.ndarray,
    coordinate: Coordinate,
    value: float,
    *,
    fixed: Sequence[int] = (),
    rigid: bool,
) -> np.ndarray:
    """x with one coordinate at a value (Bohr or radians): all that is bonded to one end moves.

    In a ring neither end can move as a whole. There the positions change as little as they can,
    unless the motion has to be rigid.
    """
    sides = [(c, _side(x, elements, c)) for c in (tuple(coordinate), tuple(coordinate)[::-1])]
    sides = [(c, moving) for c, moving in sides if moving.any()]
    for order, moving in sides:
        if not moving[list(fixed)].any():
            return _moved(x, order, moving, value)
    if rigid or sides or len(fixed):
        why = "fixed atoms are on both sides of it" if sides else "it is part of a ring"
        raise ValueError(
            f"coordinate {tuple(coordinate)} cannot be changed by moving one side of the molecule: "
            f"{why}. Leave out fixed, and use relaxed=True in a ring."
        )
    return _least_motion(x, coordinate, value)


def _side(x: np.ndarray, elements: np.ndarray, coordinate: Coordinate) -> np.ndarray:
    """The atoms on the side of the last one, or none if the others are bonded to them."""
    *others, last = coordinate
    cut = {others[-1], last} if len(coordinate) < 4 else {others[1], others[2]}
    bonds = [bond for bond in bonded(x, elements) if set(bond) != cut]
    fragment = fragments(len(x), bonds)
    ends = [last] if len(coordinate) < 4 else [others.pop(), last]
    moving = np.isin(fragment, fragment[ends])
    return moving & ~np.any(moving[others])


def _moved(x: np.ndarray, coordinate: Coordinate, moving: np.ndarray, value: float) -> np.ndarray:
    q = as_primitive(coordinate)
    change = float(q.difference(np.array([value]), q.values(x))[0])
    if len(coordinate) == 2:
        i, j = coordinate
        along = (x[j] - x[i]) / np.linalg.norm(x[j] - x[i])
        return x + np.where(moving[:, None], change * along, 0)
    if len(coordinate) == 3:
        i, j, k = coordinate
        axis = np.cross(x[i] - x[j], x[k] - x[j])
        if np.linalg.norm(axis) < 1e-6:
            axis = across(x[k] - x[j])[0]
    else:
        _, i, j, _ = coordinate
        axis = x[j] - x[i]
    return np.where(moving[:, None], x[j] + (x - x[j]) @ _rotation(axis, change).T, x)


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rodrigues' formula."""
    u = axis / np.linalg.norm(axis)
    cross = np.cross(np.eye(3), u)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _least_motion(x: np.ndarray, coordinate: Coordinate, value: float) -> np.ndarray:
    q = as_primitive(coordinate)
    for _ in range(_NEWTON_STEPS):
        missing = float(q.difference(np.array([value]), q.values(x))[0])
        if abs(missing) < _NEWTON_TOLERANCE:
            return x
        slope = q.slopes(x)[0]
        step = np.clip(missing, -_NEWTON_STEP, _NEWTON_STEP)
        x = x + (step * slope / (slope @ slope)).reshape(x.shape)
    raise ValueError(f"no geometry near this one has coordinate {tuple(coordinate)} at {value:g}.")
