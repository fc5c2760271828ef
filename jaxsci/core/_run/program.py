"""A function as the program that JAX traces of it: equal programs are compiled once.

`jax.jit` knows a function by its identity, so a network of another seed, another coefficient, or a
residual that is written again, is compiled again. Traced they are one program, of which arrays and
coefficients are data.
"""

import functools
import types
import weakref
from collections.abc import Callable, Hashable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend import core
from jax.tree_util import Partial
from jaxtyping import Array, PyTree

from .compiling import announced_jit

# A number that is a factor or summand here may be data: nothing else is computed differently.
_ARITHMETIC = frozenset({"add", "sub", "mul", "div"})
# Multiples of 1/2 up to here belong to formulas, as the 2 in the derivative of x².
_LARGEST_ROUND = 64
# Constants of inner programs up to this size, in bytes, are compared by value.
_SMALL = 1024
# Neither changes what is computed.
_IGNORED = frozenset({"debug_info", "out_trees"})


class Program(eqx.Module):
    """A traced function, made by `program`; equal programs differ in their constants alone."""

    trace: "_Trace" = eqx.field(static=True)
    constants: list[Array]

    def __call__(self, *args: PyTree) -> PyTree:
        leaves, structure = jax.tree.flatten(args)
        shapes = tuple(map(_shape, leaves))
        if (structure, shapes) != (self.trace.structure, self.trace.shapes):
            raise TypeError(
                f"A program for arguments {self.trace.structure} of {self.trace.shapes} was given "
                f"{structure} of {shapes}."
            )
        out = core.jaxpr_as_fun(self.trace.jaxpr)(*self.constants, *leaves)
        return jax.tree.unflatten(self.trace.out_structure, out)


def program(f: Callable, *examples: PyTree) -> Callable:
    """The program of `f` for arguments like the examples, which computes what `f` computes.

    Its leaves are the arrays that `f` holds and the numbers that multiply something or are added
    to it, unless these are round. Everything else is compared by value.

    **Arguments:**

    - `f`: a pure function of pytrees of arrays.
    - `examples`: arguments, or their shapes.

    **Returns:** a `Program`, or `f` itself where its programs could not be told apart: it has side
    effects, cannot be traced, stands under `jax.set_mesh`, holds arrays that are traced already,
    or has a rule of differentiation that holds values of its own.

    ```python
    call = eqx.filter_jit(lambda f, x: f(x))
    call(program(lambda x: 0.1 * x, x), x)
    call(program(lambda x: 0.3 * x, x), x)    # compiles nothing
    ```
    """
    if isinstance(f, Program) or not jax.sharding.get_abstract_mesh().empty:
        return f  # under a mesh of explicit axes, shardings are part of the types
    shapes = jax.tree.map(_shape, examples)
    try:
        # JAX keeps the trace of a function as long as there is the function.
        traced = jax.jit(f if _is_function(f) else lambda *args: f(*args)).trace(*shapes)
    except Exception:  # the caller meets it again, where it can be explained
        return f
    leaves, structure = jax.tree.flatten(shapes)
    # Arrays that are traced already, which `f` holds, come as further inputs.
    lifted = _lifted(traced.jaxpr) if len(traced.jaxpr.in_avals) == len(leaves) else None
    if lifted is None:
        return f
    jaxpr, key, constants = lifted
    trace = _Trace(jaxpr, key, structure, tuple(leaves), jax.tree.structure(traced.out_info))
    return Program(_KNOWN.setdefault(trace, trace), constants)


def compiled_call(f: Callable, *args: PyTree) -> Any:
    """`f(*args)` as one compiled program, which serves all functions that are equal programs.

    Run from Python step by step, every operation of a new shape is compiled by itself: hundreds
    of programs, and seconds, for one gradient.

    **Arguments:**

    - `f`: a pure function of pytrees of arrays.
    - `args`: its arguments.

    **Returns:** `f(*args)`; inside `jit` and other transformations it is traced into them.

    ```python
    from jaxsci.core import compiled_call

    compiled_call(lambda x: jnp.sin(0.3 * x), jnp.ones(3))
    ```
    """
    if is_traced(args):
        return f(*args)
    traced = program(f, *args)
    return _call(traced, *args) if isinstance(traced, Program) else f(*args)


@announced_jit("compiling")
def _call(f, *args):
    return f(*args)


def is_traced(tree: PyTree) -> bool:
    """Whether a pytree holds a value that JAX is tracing."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def as_pytree(f: Callable) -> Any:
    """`f` with its arrays as leaves; one without is part of the structure, by its identity."""
    return f if isinstance(f, eqx.Module | Partial) else Partial(f)


def has_primitive(jaxpr: core.Jaxpr, name: str) -> bool:
    """Whether a primitive of that name is anywhere in a jaxpr."""
    return any(
        e.primitive.name == name
        or any(has_primitive(inner, name) for inner in core.jaxprs_in_params(e.params))
        for e in jaxpr.eqns
    )


class _Trace:
    """A jaxpr without constants, equal to those that compute the same by the same steps."""

    def __init__(self, jaxpr, key, structure, shapes, out_structure):
        self.jaxpr, self.shapes = jaxpr, shapes
        self.structure, self.out_structure = structure, out_structure
        self.key = (key, structure, out_structure)
        self._hash = hash(self.key)

    def __hash__(self):
        return self._hash

    def __eq__(self, other):
        if self is other:
            return True
        return isinstance(other, _Trace) and self._hash == other._hash and self.key == other.key


# One object for equal traces, which are then found equal without a look inside.
_KNOWN: weakref.WeakValueDictionary[_Trace, _Trace] = weakref.WeakValueDictionary()
_LIFTED: weakref.WeakKeyDictionary[core.ClosedJaxpr, Any] = weakref.WeakKeyDictionary()


class _Opaque(Exception):
    """What cannot be compared by value."""


def _lifted(closed):
    """The jaxpr with its constants and coefficients as inputs, its key, and their values."""
    if closed not in _LIFTED:
        try:
            _LIFTED[closed] = _lift(closed)
        except _Opaque:
            _LIFTED[closed] = None
    return _LIFTED[closed]


def _lift(closed):
    if closed.effects:
        raise _Opaque
    lifted, constants = _constants_as_inputs(closed)
    arrays = jax.Array | np.ndarray | np.generic | float
    if not all(isinstance(c, arrays) and not isinstance(c, Tracer) for c in constants):
        raise _Opaque
    return lifted, _key(lifted.jaxpr), [*map(jnp.asarray, constants)]


def _constants_as_inputs(closed):
    """A closed jaxpr without constants, which takes them first, and these."""
    values, variables, equations = [*closed.consts], [*closed.jaxpr.constvars], []

    def as_input(value, aval):
        values.append(value)
        variables.append(core.Var(aval))
        return variables[-1]

    for e in closed.jaxpr.eqns:
        if e.primitive.name == "jit" and e.params["jaxpr"].consts:
            inner, held = _constants_as_inputs(e.params["jaxpr"])
            inputs = [as_input(v, a) for v, a in zip(held, inner.in_avals, strict=False)]
            e = e.replace(invars=[*inputs, *e.invars], params=_with_inputs(e.params, inner, held))
        elif coefficient := _coefficient(e):
            inputs = [as_input(v.val, v.aval) if v is coefficient else v for v in e.invars]
            e = e.replace(invars=inputs)
        equations.append(e)
    inputs = [*variables, *closed.jaxpr.invars]
    names = closed.jaxpr.debug_info.with_unknown_names()
    jaxpr = closed.jaxpr.replace(constvars=[], invars=inputs, eqns=equations, debug_info=names)
    return core.ClosedJaxpr(jaxpr, []), values


def _with_inputs(params, inner, held):
    """The parameters of a jitted call with more inputs in front."""
    more = {
        name: (value,) * len(held) + params[name]
        for name, value in (
            ("in_shardings", params["in_shardings"][0] if params["in_shardings"] else None),
            ("in_layouts", None),
            ("donated_invars", False),
        )
    }
    return params | more | {"jaxpr": inner}


def _coefficient(equation):
    """The number in `0.3 * x` or `x + 0.3`, if it may be another."""
    if equation.primitive.name not in _ARITHMETIC:
        return None
    literals = [v for v in equation.invars if isinstance(v, core.Literal)]
    # Beside an array that decides the type of the result.
    if len(literals) != 1 or any(v.aval.weak_type for v in equation.outvars):
        return None
    value = np.asarray(literals[0].val)
    if value.ndim or not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value):
        return None
    round_ = abs(value) <= _LARGEST_ROUND and float(2 * value).is_integer()
    return None if round_ else literals[0]


def _key(jaxpr: core.Jaxpr) -> Hashable:
    """Equal for jaxprs that compute the same by the same steps, whatever their variables."""
    number: dict[core.Var, int] = {}

    def name(v):
        if isinstance(v, core.Literal):
            return (v.aval, _value(v.val))
        return (number.setdefault(v, len(number)), v.aval)

    def names(variables):
        return tuple(map(name, variables))

    equations = tuple(
        (e.primitive, names(e.invars), _value(e.params), e.ctx, names(e.outvars))
        for e in jaxpr.eqns
    )
    return names(jaxpr.constvars), names(jaxpr.invars), equations, names(jaxpr.outvars)


def _value(x: Any) -> Hashable:
    if isinstance(x, core.Jaxpr):
        return _key(x)
    if isinstance(x, core.ClosedJaxpr):
        return _key(x.jaxpr), _value(x.consts)
    if isinstance(x, dict):
        items = sorted(x.items(), key=lambda item: str(item[0]))
        return tuple((k, _value(v)) for k, v in items if k not in _IGNORED)
    if isinstance(x, tuple | list):
        return (type(x), *map(_value, x))
    if isinstance(x, jax.Array | np.ndarray | np.generic):
        return _array(x)
    if isinstance(x, types.FunctionType | functools.partial) or hasattr(x, "f_transformed"):
        return _rule(x)
    try:
        hash(x)
    except TypeError:
        raise _Opaque from None
    return type(x), x


def _array(x):
    if x.nbytes > _SMALL or isinstance(x, Tracer) or x.dtype == object:
        raise _Opaque
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return str(x.dtype), x.shape, np.asarray(jax.random.key_data(x)).tobytes()
    return str(x.dtype), x.shape, np.asarray(x).tobytes()


def _rule(f: Any) -> Hashable:
    """A function that is the same object, or one of JAX's own around such a function.

    JAX wraps a rule of differentiation in functions that hold it, with what follows from the
    program. A rule that itself holds values may compute something else where its code is equal.
    """
    if isinstance(f, functools.partial):
        return _rule(f.func), _value(f.args), _value(f.keywords)
    if hasattr(f, "f_transformed"):
        return _rule(f.f), tuple((_rule(g), _value(args)) for g, args in f.transforms)
    if not f.__module__.startswith("jax."):
        if f.__closure__:
            raise _Opaque
        return f
    held = [cell.cell_contents for cell in f.__closure__ or ()]
    return f.__code__, tuple(_value(x) for x in held if not _is_bookkeeping(x))


def _is_bookkeeping(x):
    """What JAX notes while it traces; none of it changes what a rule computes."""
    own = type(x).__module__.startswith(("jax.", "jaxlib."))
    holds_a_function = callable(x) or hasattr(x, "f_transformed")
    return isinstance(x, dict) or type(x) is object or (own and not holds_a_function)


def _is_function(f):
    """Whether JAX can know it by its identity or value: not so a module that holds arrays."""
    return isinstance(f, Hashable) and not isinstance(f, eqx.Module | Partial | types.MethodType)


def _shape(a):
    return jax.ShapeDtypeStruct(jnp.shape(a), jnp.result_type(a))
