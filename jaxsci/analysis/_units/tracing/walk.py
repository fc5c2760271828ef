"""A traced program, followed equation by equation into the functions that it calls."""

from collections.abc import Callable, Sequence
from typing import Any

from jax.extend import core

# The calls whose body is as good as its equations, and the parameter that holds it.
_BODY = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "composite": "jaxpr",
}
Rule = Callable[[Any, list[Any]], Sequence[Any]]


def walk(
    closed: Any, inputs: Sequence[Any], rule: Rule, constant: Callable[[Any], Any]
) -> list[Any]:
    """The outputs of a program whose equations are computed by `rule(equation, inputs)`.

    `constant` makes of an array that the program holds what `rule` computes with.
    """
    jaxpr = getattr(closed, "jaxpr", closed)
    held = zip(jaxpr.constvars, map(constant, getattr(closed, "consts", ())), strict=True)
    values: dict[Any, Any] = dict(held) | dict(zip(jaxpr.invars, inputs, strict=True))

    def read(v):
        return constant(v.val) if isinstance(v, core.Literal) else values[v]

    for equation in jaxpr.eqns:
        arguments = [read(v) for v in equation.invars]
        name = equation.primitive.name
        if name in _BODY:
            outputs = walk(equation.params[_BODY[name]], arguments, rule, constant)
        else:
            outputs = rule(equation, arguments)
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def bind(equation: Any, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of an equation, as a rule of `walk`."""
    outputs = equation.primitive.bind(*inputs, **equation.params)
    return list(outputs) if equation.primitive.multiple_results else [outputs]
