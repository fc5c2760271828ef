"""Operation counts: is a leaf cheaper as activations and cotangents, or as a Jacobian?"""

import math
from collections.abc import Sequence
from typing import NamedTuple

# An elementwise operation moves memory; it costs as much as this many operations of a product.
_ELEMENTWISE = 24


class Shape(NamedTuple):
    """One function's uses of one array (batch, left, right) of a leaf's entries."""

    rows: int
    columns: int
    outputs: tuple[int, int, int]
    batch: int
    positions: int
    left: int
    right: int


def prefers_factors(shapes: Sequence[Shape]) -> bool:
    """Whether Σₜₛ (aₜ · a'ₛ)(∂ₜ · ∂'ₛ) costs less than forming and contracting Jacobians."""
    factors = jacobians = 0
    for i, u in enumerate(shapes):
        jacobians += (u.rows if u.rows == u.columns else u.rows + u.columns) * _forming(u)
        for v in shapes[: i + 1]:
            factors += u.rows * v.columns * _pair_of_factors(u, v)
            jacobians += u.rows * v.columns * _pair_of_jacobians(u, v)
    return factors <= jacobians


def _outputs(u: Shape, v: Shape) -> int:
    _, diagonal, full = u.outputs
    return diagonal * full * v.outputs[2]


def _pair_of_factors(u, v):
    pairs = u.batch * u.positions * v.positions
    outputs = _outputs(u, v)
    products = 2 * u.left + 2 * u.right * u.outputs[0] * outputs
    # A single position multiplies two kernels once; more are summed over positions as well.
    return pairs * (products + _ELEMENTWISE * outputs)


def _pair_of_jacobians(u, v):
    return 2 * _outputs(u, v) * u.outputs[0] * u.batch * u.left * u.right


def _forming(u):
    entries = math.prod(u.outputs) * u.batch * u.left * u.right
    return entries * (2 * u.positions + _ELEMENTWISE)
