"""Axes along which a variable of a program has equal entries, as after a mean over positions.

Where the cotangents of all positions are equal, Σₜ aₜ ⊗ ∂ = (Σₜ aₜ) ⊗ ∂ has a single position.
"""

import math

import numpy as np

from .program import Literal, Program

_ELEMENTWISE = frozenset(
    {"add", "add_any", "sub", "mul", "div", "neg", "convert_element_type", "copy", "copy_p"}
)
# These only move entries.
_MOVING = frozenset({"broadcast_in_dim", "reshape", "transpose", "squeeze", "slice", "copy"})


def constant_axes(program: Program) -> dict[int, frozenset[int]]:
    """Axes of each variable along which its entries are known to be equal."""
    constant = {v: _single(aval.shape) for v, aval in program.avals.items()}
    for v, value in program.constants.items():
        if isinstance(value, np.ndarray) and value.size:
            constant[v] = frozenset(
                i for i in range(value.ndim) if (value == value.take([0], axis=i)).all()
            )
    for equation in program.equations:
        rule = _RULES.get(equation.primitive.name)
        if rule is not None:
            (output,) = equation.outputs
            constant[output] |= rule(program, equation, constant)
    return constant


def is_zero(program: Program, v: int | Literal) -> bool:
    """Whether a variable is known to be zero in every entry."""
    if isinstance(v, Literal):
        return not np.any(v.value)
    if v in program.constants:
        value = program.constants[v]
        return isinstance(value, np.ndarray) and not value.any()
    source = next((e for e in program.equations if v in e.outputs), None)
    if source is None or source.primitive.name not in _MOVING:
        return False
    return is_zero(program, source.inputs[0])


def _single(shape):
    return frozenset(i for i, size in enumerate(shape) if size == 1)


def _of(v, constant):
    return frozenset() if isinstance(v, Literal) else constant[v]


def _elementwise(program, equation, constant):
    operands = [v for v in equation.inputs if not isinstance(v, Literal)]
    operands = [v for v in operands if program.avals[v].shape]
    return frozenset.intersection(*(constant[v] for v in operands)) if operands else frozenset()


def _broadcast(_, equation, constant):
    target, kept = equation.params["shape"], equation.params["broadcast_dimensions"]
    inside = _of(equation.inputs[0], constant)
    return frozenset(i for i in range(len(target)) if i not in kept or kept.index(i) in inside)


def _transpose(_, equation, constant):
    inside = _of(equation.inputs[0], constant)
    return frozenset(i for i, p in enumerate(equation.params["permutation"]) if p in inside)


def _reduce_sum(program, equation, constant):
    inside, gone = _of(equation.inputs[0], constant), equation.params["axes"]
    rest = [i for i in range(len(program.avals[equation.inputs[0]].shape)) if i not in gone]
    return frozenset(i for i, axis in enumerate(rest) if axis in inside)


def _dot_general(program, equation, constant):
    contracted, batch = equation.params["dimension_numbers"]
    shapes = [program.avals[v].shape for v in equation.inputs]
    inside = [_of(v, constant) for v in equation.inputs]
    axes = [left in inside[0] and right in inside[1] for left, right in zip(*batch, strict=True)]
    for side in (0, 1):
        gone = (*contracted[side], *batch[side])
        axes += [i in inside[side] for i in range(len(shapes[side])) if i not in gone]
    return frozenset(i for i, equal in enumerate(axes) if equal)


def _reshape(program, equation, constant):
    """Groups of axes of equal size correspond: constant along all of one, then of the other."""
    inside = _of(equation.inputs[0], constant)
    old, new = (program.avals[v].shape for v in (equation.inputs[0], equation.outputs[0]))
    result, i, j = set[int](), 0, 0
    if 0 in old:
        return frozenset()
    while i < len(old) and j < len(new):
        first, second = i, j
        i, j = i + 1, j + 1
        while math.prod(old[first:i]) != math.prod(new[second:j]):
            if math.prod(old[first:i]) < math.prod(new[second:j]):
                i += 1
            else:
                j += 1
        if inside.issuperset(range(first, i)):
            result.update(range(second, j))
    return frozenset(result)


_RULES = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    "broadcast_in_dim": _broadcast,
    "transpose": _transpose,
    "reduce_sum": _reduce_sum,
    "dot_general": _dot_general,
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
}
