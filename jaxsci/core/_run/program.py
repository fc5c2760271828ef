"""A function as the program that JAX traces of it: equal programs are compiled once.

`jax.jit` knows a function by its identity, so a network of another seed, another coefficient, or a
residual that is written again, is compiled again. Traced they are one program, of which arrays and
coefficients are data.
"""

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
from .garbage_collection import uncollected
from .jaxpr_description import Opaque, Reading, describe, value_of
from .own_constants import with_own_constants

# A number that is a factor or summand here may be data: nothing else is computed differently.
_ARITHMETIC = frozenset({"add", "sub", "mul", "div"})
# Multiples of 1/2 up to here belong to formulas, as the 2 in the derivative of x².
_LARGEST_ROUND = 64


class Program(eqx.Module):
    """A traced function, made by `program`; equal programs differ in their constants alone."""

    trace: "_Trace" = eqx.field(static=True)
    constants: list[Array]

    def __call__(self, *args: PyTree) -> PyTree:
        leaves, structure = jax.tree.flatten(args)
        kinds = tuple(map(_kind, leaves))
        if (structure, kinds) != (self.trace.structure, self.trace.kinds):
            raise TypeError(
                f"A program for arguments {self.trace.structure} of {self.trace.kinds} was given "
                f"{structure} of {kinds}."
            )
        out = core.jaxpr_as_fun(self.trace.jaxpr)(*self.constants, *leaves)
        return jax.tree.unflatten(self.trace.out_structure, out)


@uncollected()
def program(f: Callable, *examples: PyTree) -> Callable:
    """The program of `f` for arguments like the examples, which computes what `f` computes.

    Its leaves are the arrays that `f` holds and the numbers that multiply something or are added
    to it, unless these are round. Everything else is compared by value.

    **Arguments:**

    - `f`: a pure function of pytrees of arrays.
    - `examples`: arguments, or their shapes.

    **Returns:** a `Program`. Where programs could not be told apart, as those with side effects,
    or with rules of Equinox that a user wrote, a function that is equal for the same `f` as long as
    what it reads has not changed, which leaves out what only such rules read. `f` itself
    if it cannot be traced, holds arrays that are traced already, or stands under `jax.set_mesh` or
    `jax.disable_jit`.

    ```python
    from jaxsci.core import program

    call, x = eqx.filter_jit(lambda f, x: f(x)), jnp.ones(3)
    call(program(lambda x: 0.1 * x, x), x)
    call(program(lambda x: 0.3 * x, x), x)    # compiles nothing
    ```
    """
    under_mesh = not jax.sharding.get_abstract_mesh().empty  # shardings are part of the types there
    step_by_step = jax.config.jax_disable_jit  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(f, Program) or under_mesh or step_by_step:
        return f
    shapes = jax.tree.map(shape_of, examples)
    try:
        # A new function, or JAX would not look again at what `f` reads.
        traced = jax.jit(lambda *args: f(*args)).trace(*shapes)
    except Exception:  # the caller meets it again, where it can be explained
        return f
    leaves, structure = jax.tree.flatten(shapes)
    if len(traced.jaxpr.in_avals) != len(leaves):
        return f  # arrays that are traced already, which `f` holds, come as further inputs
    out_structure = jax.tree.structure(traced.out_info)
    try:
        jaxpr, constants = _lifted(traced.jaxpr)
        key = _Key(describe(jaxpr.jaxpr), value_of(structure), value_of(out_structure))
    except Opaque:
        return _Alone(as_pytree(f), _partial_key(f, traced.jaxpr))
    kinds = tuple(map(_kind, leaves))
    return Program(_Trace(jaxpr, key, kinds, structure, out_structure), constants)


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


class _Alone(eqx.Module):
    """A function that is compiled for itself, and again when what it reads has changed."""

    f: Callable
    key: Hashable = eqx.field(static=True)

    def __call__(self, *args):
        return self.f(*args)


def _partial_key(f, closed):
    """What can be compared of a jaxpr, and its constants but for those that are leaves of `f`."""
    leaves = {id(leaf) for leaf in jax.tree.leaves(f)}
    held = [c for c in closed.consts if id(c) not in leaves]
    reading = Reading(partly=True)
    return describe(closed.jaxpr, reading), value_of(dict(enumerate(held)), reading)


class _Key:
    """What a jaxpr without constants computes, with the structures of arguments and results."""

    def __init__(self, *parts: Hashable):
        self.parts, self._hash = parts, hash(parts)

    def __hash__(self):
        return self._hash

    def __eq__(self, other):
        same_hash = isinstance(other, _Key) and self._hash == other._hash
        return self is other or (same_hash and self.parts == other.parts)


class _Trace:
    """A jaxpr without constants, with what `Program` needs to call it; equal by its key.

    Each has its own jaxpr: one of an earlier trace can hold memory that its user has changed since.
    """

    def __init__(self, jaxpr, key, kinds, structure, out_structure):
        # One object for equal keys, which are then found equal without a look inside.
        self.key = _KNOWN.setdefault(key, weakref.ref(key))() or key
        self.jaxpr, self.kinds = jaxpr, kinds
        self.structure, self.out_structure = structure, out_structure

    def __hash__(self):
        return hash(self.key)

    def __eq__(self, other):
        return isinstance(other, _Trace) and self.key == other.key


_KNOWN: weakref.WeakKeyDictionary[_Key, weakref.ref[_Key]] = weakref.WeakKeyDictionary()


def _lifted(closed):
    """The jaxpr with its constants and coefficients as inputs, and their values."""
    if closed.effects:
        raise Opaque
    jaxpr, constants = _constants_as_inputs(closed)
    jaxpr = core.ClosedJaxpr(with_own_constants(jaxpr.jaxpr), [])
    arrays = jax.Array | np.ndarray | np.generic | float
    if not all(isinstance(c, arrays) and not isinstance(c, Tracer) for c in constants):
        raise Opaque
    return jaxpr, [*map(_as_array, constants)]


def _as_array(c):
    """An array that nobody else can change, where `jnp.asarray` would compile for each shape."""
    if isinstance(c, jax.Array):
        return c
    with jax.ensure_compile_time_eval():  # a value also where this is traced into a program
        return jax.device_put(c if isinstance(c, float) else np.array(c))


def _constants_as_inputs(closed):
    """A closed jaxpr without constants, which takes them first, and these."""
    values, variables, equations = [*closed.consts], [*closed.jaxpr.constvars], []

    def as_input(value, aval):
        values.append(value)
        variables.append(core.Var(aval))
        return variables[-1]

    def lifted(inner):
        """What a jaxpr inside becomes, and its further inputs here."""
        inner, held = _constants_as_inputs(inner)
        return inner, [as_input(v, a) for v, a in zip(held, inner.in_avals, strict=False)]

    for e in closed.jaxpr.eqns:
        if e.primitive.name == "jit" and e.params["jaxpr"].consts:
            inner, inputs = lifted(e.params["jaxpr"])
            e = e.replace(invars=[*inputs, *e.invars], params=_with_inputs(e.params, inner, inputs))
        elif e.primitive.name in _LOOPS:
            e = _LOOPS[e.primitive.name](e, lifted)
        elif coefficient := _coefficient(e):
            inputs = [as_input(v.val, v.aval) if v is coefficient else v for v in e.invars]
            e = e.replace(invars=inputs)
        equations.append(e)
    inputs = [*variables, *closed.jaxpr.invars]
    names = closed.jaxpr.debug_info.with_unknown_names()
    names = names._replace(arg_names=("",) * len(inputs))  # a derivative of `while` adds to them
    jaxpr = closed.jaxpr.replace(constvars=[], invars=inputs, eqns=equations, debug_info=names)
    return core.ClosedJaxpr(jaxpr, []), values


def _with_inputs(params, inner, inputs):
    """The parameters of a jitted call with more inputs in front."""
    more = {
        name: (value,) * len(inputs) + params[name]
        for name, value in (
            ("in_shardings", params["in_shardings"][0] if params["in_shardings"] else None),
            ("in_layouts", None),
            ("donated_invars", False),
        )
    }
    return params | more | {"jaxpr": inner}


def _scan(e, lifted):
    """A scan with more inputs in front, the same at each of its steps."""
    inner, inputs = lifted(e.params["jaxpr"])
    more = {"jaxpr": inner, "num_consts": e.params["num_consts"] + len(inputs)}
    return e.replace(invars=[*inputs, *e.invars], params=e.params | more)


def _while(e, lifted):
    """A loop until a condition, with more inputs in front of those of each."""
    count = e.params["cond_nconsts"]
    condition, tested = lifted(e.params["cond_jaxpr"])
    body, used = lifted(e.params["body_jaxpr"])
    more = {
        "cond_jaxpr": condition,
        "cond_nconsts": count + len(tested),
        "body_jaxpr": body,
        "body_nconsts": e.params["body_nconsts"] + len(used),
    }
    inputs = [*tested, *e.invars[:count], *used, *e.invars[count:]]
    return e.replace(invars=inputs, params=e.params | more)


_LOOPS = {"scan": _scan, "while": _while}


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


def shape_of(a: Any, mapped: bool = False) -> jax.ShapeDtypeStruct:
    """The type of an array, or of one example of a batch: where it is weak, others decide."""
    weak = jax.typeof(a).weak_type
    return jax.ShapeDtypeStruct(jnp.shape(a)[mapped:], jnp.result_type(a), weak_type=weak)


def strongly_typed(leaf: Any) -> Any:
    """An array of a dtype that no other decides; what is no array as it is."""
    return jnp.asarray(leaf, jnp.result_type(leaf)) if eqx.is_array_like(leaf) else leaf


def as_data(value: Any, like: Any = float) -> Array:
    """A number as an array, of which another value is no other program, not even a round one.

    **Arguments:**

    - `value`: a number, or an array.
    - `like`: an array or dtype. A Python number takes the dtype that it has in a product with it.

    **Returns:** the array.

    **Raises:** `TypeError` for what is no number.

    ```python
    jsci.core.as_data(2.0).dtype
    ```
    """
    return jnp.asarray(value, jnp.result_type(value, like))


def _kind(a):
    return jnp.shape(a), jnp.result_type(a)
