"""Programs inside a program, with constants that nobody else can change."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from .jaxpr_description import SMALL


def with_own_constants(jaxpr: core.Jaxpr) -> core.Jaxpr:
    """The same computation, with a copy of each small NumPy array that its inner programs hold.

    JAX keeps the array of the user there. Copies are constant, so that they can be compared by
    value. Inner programs that are called several times stay one.
    """
    return _copied(jaxpr, {})


def _copied(x: Any, done: dict[int, Any]) -> Any:
    if not (isinstance(x, core.Jaxpr | core.ClosedJaxpr) or type(x) in (tuple, list)):
        return x
    if id(x) not in done:
        done[id(x)] = _copy(x, done)
    return done[id(x)]


def _copy(x, done):
    if type(x) in (tuple, list):
        entries = [_copied(entry, done) for entry in x]
        return x if _same(entries, x) else type(x)(entries)
    # Before JAX 0.11, a closed jaxpr is one without constants and their values.
    inner, consts = getattr(x, "jaxpr", x), getattr(x, "consts", ())
    copy = _with_own_equations(x, done) if inner is x else _copied(inner, done)
    copies = [_copy_of_constant(c) for c in consts]
    if copy is inner and _same(copies, consts):
        return x
    return core.ClosedJaxpr(copy, copies) if isinstance(x, core.ClosedJaxpr) else copy


def _with_own_equations(jaxpr, done):
    equations = [_with_copies(e, done) for e in jaxpr.eqns]
    return jaxpr if _same(equations, jaxpr.eqns) else jaxpr.replace(eqns=equations)


def _same(copies, originals):
    return all(a is b for a, b in zip(copies, originals, strict=True))


def _with_copies(equation, done):
    changed = {
        name: found
        for name, value in equation.params.items()
        if (found := _copied(value, done)) is not value
    }
    return equation.replace(params=equation.params | changed) if changed else equation


def _copy_of_constant(c):
    if not isinstance(c, np.ndarray) or c.nbytes > SMALL:
        return c
    with jax.ensure_compile_time_eval():
        return jnp.array(c, copy=True)
