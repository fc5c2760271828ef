"""Detect a mean over an axis of size one that is subtracted: batch normalisation of one example."""

import warnings
from typing import Any

from .program import Literal, Program

_SAME_ENTRIES = frozenset(
    {"reshape", "squeeze", "expand_dims", "broadcast_in_dim", "copy", "copy_p"}
)


def warn_of_lone_means(program: Program) -> None:
    """Warn if the program subtracts from an array its own mean over axes of size 1."""
    if _subtracts_itself(program):
        warnings.warn(
            "f subtracts from an array its own mean over an axis of size 1, which leaves zeros: "
            "does it apply batch normalisation in training mode to one example, as in "
            "f(params, x[None])? Its kernel then says nothing about the model; use the running "
            "averages (inference mode).",
            stacklevel=2,
        )


def _subtracts_itself(program):
    copied: dict[Any, Any] = {}  # a sum over size 1, to the array it repeats
    for equation in program.equations:
        if not equation.inputs or isinstance(equation.inputs[0], Literal):
            continue
        name, output = equation.primitive.name, equation.outputs[0]
        first, *rest = equation.inputs
        shape = program.avals[first].shape
        if name == "reduce_sum" and {shape[i] for i in equation.params["axes"]} == {1}:
            copied[output] = copied.get(first, first)
        elif first in copied and (name in _SAME_ENTRIES or _by_one(name, rest)):
            if program.avals[output].size == program.avals[first].size:
                copied[output] = copied[first]
        elif name == "sub" and not isinstance(rest[0], Literal) and copied.get(rest[0]) == first:
            return True
    return False


def _by_one(name, rest):
    return name in ("div", "mul") and isinstance(rest[0], Literal) and rest[0].value == 1
