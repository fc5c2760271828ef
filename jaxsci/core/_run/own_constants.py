"""Programs inside a program, with constants that nobody else can change."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from .description import SMALL


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
    if isinstance(x, core.ClosedJaxpr):
        inner, consts = _copied(x.jaxpr, done), [_copy_of_constant(c) for c in x.consts]
        same = inner is x.jaxpr and all(a is b for a, b in zip(consts, x.consts, strict=True))
        return x if same else core.ClosedJaxpr(inner, consts)
    if isinstance(x, core.Jaxpr):
        equations = [_with_copies(e, done) for e in x.eqns]
        same = all(a is b for a, b in zip(equations, x.eqns, strict=True))
        return x if same else x.replace(eqns=equations)
    entries = [_copied(entry, done) for entry in x]
    same = all(a is b for a, b in zip(entries, x, strict=True))
    return x if same else type(x)(entries)


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
