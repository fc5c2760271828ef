"""What a jaxpr computes, as a value: equal for those that compute the same by the same steps."""

import functools
import hashlib
import types
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend import core

# Constants of inner programs up to this size, in bytes, are compared by value.
SMALL = 1024
# Neither changes what is computed.
_IGNORED = frozenset({"debug_info", "out_trees"})
# Rules of differentiation from here are constant, unless they hold values.
_CONSTANT = ("jaxsci",)
_JAX = ("jax", "jaxlib")
# They wrap rules in functions, which are described by what they hold.
_WRAPPERS = (*_JAX, "equinox")


class Opaque(Exception):
    """What cannot be compared by value; `rule` is the function of a user that may be the reason."""

    def __init__(self, rule: Callable | None = None):
        self.rule = rule


class Reading(NamedTuple):
    """How a jaxpr is read.

    **Arguments:**

    - `rules`: those that are being described, which may use themselves.
    - `partly`: leave out what cannot be compared, instead of raising `Opaque`.
    """

    rules: tuple[Callable, ...] = ()
    partly: bool = False


WHOLE = Reading()


def describe(jaxpr: core.Jaxpr, reading: Reading = WHOLE) -> Hashable:
    """A value that is equal for jaxprs which compute the same, whatever their variables.

    A rule of differentiation that a user wrote may read anything: values that it holds, globals,
    attributes. It is described by the derivative that it gives at this moment.

    **Raises:** `Opaque` where two of them could not be told apart.
    """
    number: dict[core.Var, int] = {}

    def name(v):
        if isinstance(v, core.Literal):
            return (v.aval, value_of(v.val, reading))
        return (number.setdefault(v, len(number)), v.aval)

    def names(variables):
        return tuple(map(name, variables))

    equations = tuple(
        (e.primitive, names(e.invars), _parameters(e, jaxpr, reading), e.ctx, names(e.outvars))
        for e in jaxpr.eqns
    )
    return names(jaxpr.constvars), names(jaxpr.invars), equations, names(jaxpr.outvars)


def value_of(x: Any, reading: Reading = WHOLE) -> Hashable:
    """Anything that a jaxpr holds, as a value that can be compared."""
    if isinstance(x, core.Jaxpr | core.ClosedJaxpr):  # from JAX 0.11 on, one class
        consts = getattr(x, "consts", ())
        if any(isinstance(c, np.ndarray) for c in consts) and not reading.partly:
            raise Opaque  # memory that its user can change, whenever this is compiled again
        inner = x.jaxpr if isinstance(x, core.ClosedJaxpr) else x
        return describe(inner, reading), value_of(consts, reading)
    if isinstance(x, dict):
        items = sorted(x.items(), key=lambda item: str(item[0]))
        return tuple((k, _entry(v, reading)) for k, v in items if k not in _IGNORED)
    if isinstance(x, tuple | list):
        return (type(x), *(value_of(v, reading) for v in x))
    if isinstance(x, jax.Array | np.ndarray | np.generic):
        return _array(x, reading)
    if isinstance(x, float | complex):
        return type(x), repr(x)  # which tells -0.0 from 0.0
    if type(x).__name__ == "Unhashable" and _of(_JAX, type(x)):
        leaves, structure = jax.tree.flatten(x.val)  # an argument that is not differentiated
        return _hashable(structure), tuple(_leaf(leaf, reading) for leaf in leaves)
    if _holds_a_function(x) and not isinstance(x, type):
        return _function(x, reading)
    return _hashable(x)


def _leaf(x, reading):
    """A function of the library that is an argument is the same object."""
    ours = isinstance(x, types.FunctionType) and _of(_CONSTANT, x)
    return x if ours else value_of(x, reading)


def _hashable(x):
    try:
        hash(x)
    except TypeError:
        raise Opaque from None
    return type(x), x


def _entry(x, reading):
    try:
        return value_of(x, reading)
    except Opaque:
        if not reading.partly:
            raise
        return "opaque"


def _parameters(equation, jaxpr, reading):
    """The parameters of an equation, with the derivative that rules of a user give it."""
    try:
        return value_of(equation.params, reading)
    except Opaque as reason:
        if reason.rule is None:
            raise
        within = reading._replace(rules=(*reading.rules, reason.rule))
    return _derivative(equation, jaxpr, within), _parameters(equation, jaxpr, within)


def _derivative(equation, jaxpr, reading):
    if equation.params.get("symbolic_zeros"):
        raise Opaque  # the rule asks which inputs are perturbed, and may do otherwise for each
    inputs = [v for v in equation.invars if not isinstance(v, core.Literal)]
    outputs = [core.Var(v.aval) for v in equation.outvars]
    alone = jaxpr.replace(
        constvars=[],
        invars=inputs,
        outvars=outputs,
        eqns=[equation.replace(outvars=outputs)],
        debug_info=jaxpr.debug_info.with_unknown_names(),
    )
    f = core.jaxpr_as_fun(core.ClosedJaxpr(alone, []))

    def backwards(primals, cotangents):
        return jax.vjp(f, *primals)[1](cotangents)

    try:
        traced = jax.make_jaxpr(backwards)([*map(_like, inputs)], [*map(_tangent_of, outputs)])
    except Exception:  # the user meets it when the rule is used, where it can be explained
        raise Opaque from None
    return value_of(traced, reading)


def _like(v):
    return jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype)


def _tangent_of(v):
    return jax.ShapeDtypeStruct(v.aval.shape, v.aval.to_tangent_aval().dtype)


def _array(x, reading):
    if isinstance(x, Tracer) or x.dtype == object:
        raise Opaque
    if x.nbytes > SMALL and not reading.partly:
        raise Opaque
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        held = np.asarray(jax.random.key_data(x)).tobytes()
    else:
        held = np.asarray(x).tobytes()
    small = len(held) <= SMALL
    return str(x.dtype), x.shape, held if small else hashlib.sha256(held).digest()


def _function(f: Any, reading) -> Hashable:
    """A function of JAX or Equinox by what it holds, one of a user as a rule to be described.

    JAX wraps a rule of differentiation in functions that hold it, with what follows from the
    program. A constant rule is the same object.
    """
    if isinstance(f, functools.partial):
        return tuple(value_of(x, reading) for x in (f.func, f.args, f.keywords))
    if hasattr(f, "f_transformed"):
        transforms = tuple((value_of(g, reading), value_of(a, reading)) for g, a in f.transforms)
        return value_of(f.f, reading), transforms
    plain = isinstance(f, types.FunctionType)
    if _of(_WRAPPERS, f if plain else type(f)):
        if not plain:
            return _hashable(f)
        held = [cell.cell_contents for cell in f.__closure__ or ()]
        return f.__code__, tuple(value_of(x, reading) for x in held if not _is_bookkeeping(x))
    if f in reading.rules:
        return "rule", reading.rules.index(f)
    if plain and _of(_CONSTANT, f):
        if f.__closure__:
            raise Opaque
        return f
    raise Opaque(f)


def _of(packages, x):
    return str(x.__module__).partition(".")[0] in packages


def _is_bookkeeping(x):
    """What JAX notes while it traces; none of it changes what a rule computes."""
    if isinstance(x, core.Jaxpr | core.ClosedJaxpr | jax.Array):
        return False
    of_jax = _of(_JAX, type(x)) and not _holds_a_function(x)
    return isinstance(x, dict) or type(x) is object or of_jax


def _holds_a_function(x):
    return callable(x) or hasattr(x, "f_transformed")
