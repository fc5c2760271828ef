"""A pure function as a flat list of equations: calls inlined, short scans unrolled, no duplicates.

Derivatives nest: the second derivative of a network repeats its first derivative and its value.
Equal computations get the same number, so each use of a weight is seen once.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

# Calls whose body can be inlined. A custom derivative cannot: it stays one equation.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}
# Longer loops stay loops: unrolling them would only move the cost to the compiler.
_LONGEST_UNROLLED = 64
# Largest constant, in entries, that is computed while tracing.
_LARGEST_FOLDED = 4096
_FOLDED = (np.number, np.bool_)


class Literal(NamedTuple):
    """A scalar written into an equation."""

    value: Any


class Equation(NamedTuple):
    """outputs = primitive(*inputs); inputs are variable numbers or literals."""

    primitive: Any
    params: dict[str, Any]
    inputs: tuple[int | Literal, ...]
    outputs: tuple[int, ...]


class Program(NamedTuple):
    """A flat function. Variables are numbers; `avals[v]` has the shape and dtype of v."""

    inputs: tuple[int, ...]
    constants: dict[int, Any]
    equations: tuple[Equation, ...]
    outputs: tuple[int | Literal, ...]
    avals: dict[int, Any]


def trace(function: Callable, *args: Any, unroll: int = 0) -> Program:
    """The flat program of `function(*args)`, without computations that no output needs.

    Scans are unrolled where one of the first `unroll` flat inputs, or a value computed from
    them alone, enters.
    """
    closed = jax.make_jaxpr(function)(*args)
    builder = _Builder()
    inputs = [builder.new(v.aval) for v in closed.jaxpr.invars]
    builder.watched.update(inputs[:unroll])
    outputs = builder.inline(closed.jaxpr, closed.consts, inputs)
    return _without_dead_code(
        Program(
            tuple(inputs),
            builder.constants,
            tuple(builder.equations),
            tuple(outputs),
            builder.avals,
        )
    )


def evaluate(program: Program, args: Sequence[Any], rewrite: Callable | None = None) -> list[Any]:
    """Run the program.

    `rewrite(index, equation, outputs, read)` may replace an equation's outputs; `read` gives the
    value of a variable.
    """
    values: dict[int, Any] = dict(program.constants)
    values.update(zip(program.inputs, args, strict=True))

    def read(v):
        return v.value if isinstance(v, Literal) else values[v]

    for index, equation in enumerate(program.equations):
        outputs = bind(equation, [read(v) for v in equation.inputs])
        if rewrite is not None:
            outputs = rewrite(index, equation, outputs, read)
        values.update(zip(equation.outputs, outputs, strict=True))
    return [read(v) for v in program.outputs]


def bind(equation: Equation, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of one equation."""
    primitive = equation.primitive
    bound = primitive.get_bind_params(equation.params)
    # Up to jax 0.10.0, functions among the parameters are returned separately.
    functions, params = bound if isinstance(bound, tuple) else ((), bound)
    out = primitive.bind(*functions, *inputs, **params)
    return list(out) if primitive.multiple_results else [out]


class _Builder:
    """Collects equations, giving equal ones the same variables."""

    def __init__(self):
        self.equations: list[Equation] = []
        self.constants: dict[int, Any] = {}
        self.avals: dict[int, Any] = {}
        self.watched: set[int] = set()
        self._known: dict[Hashable, tuple[int, ...]] = {}
        self._constant_of: dict[Hashable, int] = {}
        self._slices: dict[int, tuple[int, dict[str, Any]]] = {}

    def new(self, aval) -> int:
        self.avals[len(self.avals)] = aval
        return len(self.avals) - 1

    def constant(self, value) -> int:
        key = _frozen(value) if isinstance(value, np.ndarray) else id(value)
        if key not in self._constant_of:
            aval = jax.ShapeDtypeStruct(jnp.shape(value), jnp.result_type(value))
            variable = self.new(aval)
            self._constant_of[key] = variable
            self.constants[variable] = value
        return self._constant_of[key]

    def inline(self, jaxpr, consts, inputs) -> list[int | Literal]:
        env: dict[Any, Any] = dict(
            zip(jaxpr.constvars, (self.constant(c) for c in consts), strict=True)
        )
        env.update(zip(jaxpr.invars, inputs, strict=True))

        def read(v):
            return Literal(v.val) if isinstance(v, core.Literal) else env[v]

        for eqn in jaxpr.eqns:
            outputs = self.add(eqn, [read(v) for v in eqn.invars])
            env.update(zip(eqn.outvars, outputs, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def add(self, eqn, inputs):
        name = eqn.primitive.name
        if name in _CALLS:
            body = eqn.params[_CALLS[name]]
            jaxpr, consts = (body.jaxpr, body.consts) if hasattr(body, "consts") else (body, ())
            return self.inline(jaxpr, consts, inputs)
        if name == "scan" and self._worth_unrolling(eqn, inputs):
            return self._unroll(eqn, inputs)
        return self.equation(
            eqn.primitive, eqn.params, inputs, [v.aval for v in eqn.outvars], bool(eqn.effects)
        )

    def equation(self, primitive, params, inputs, avals, effects=False):
        if primitive.name == "concatenate":
            whole = self._whole(inputs, params["dimension"])
            if whole is not None:
                return (whole,)
        if not effects and (values := self._known_now(primitive, params, inputs, avals)):
            return tuple(map(self.constant, values))
        key = None if effects else _key(primitive, params, inputs)
        if key is not None and key in self._known:
            return self._known[key]
        outputs = tuple(self.new(aval) for aval in avals)
        self.equations.append(Equation(primitive, params, tuple(inputs), outputs))
        if primitive.name == "slice":
            self._slices[outputs[0]] = (inputs[0], params)
        if key is not None:
            self._known[key] = outputs
        if any(v in self.watched for v in inputs if not isinstance(v, Literal)):
            others = (v for v in inputs if not isinstance(v, Literal))
            if all(v in self.watched for v in others):
                self.watched.update(outputs)
        return outputs

    def _whole(self, inputs, axis: int) -> int | None:
        """The array of which the inputs are all consecutive slices along `axis`, if there is one.

        So `u(jnp.append(x[:1], x[1:]))`, which occurs when a field is differentiated in some of its
        coordinates, is recognised as u(x).
        """
        if not all(not isinstance(v, Literal) and v in self._slices for v in inputs):
            return None
        wholes, slices = zip(*(self._slices[v] for v in inputs), strict=True)
        shape = self.avals[wholes[0]].shape
        end = 0
        for whole, p in zip(wholes, slices, strict=True):
            start, limit = list(p["start_indices"]), list(p["limit_indices"])
            if whole != wholes[0] or start[axis] != end or set(p["strides"] or (1,)) != {1}:
                return None
            end = limit[axis]
            start[axis], limit[axis] = 0, shape[axis]
            if any(start) or tuple(limit) != shape:
                return None
        return wholes[0] if end == shape[axis] else None

    def _known_now(self, primitive, params, inputs, avals) -> list[np.ndarray] | None:
        """The small outputs of an equation without variables, so that equal ones share a constant.

        The unit vector of a directional derivative, for example, can be written in many ways.
        """
        if any(a.size > _LARGEST_FOLDED or not _has_numpy_form(a.dtype) for a in avals):
            return None
        values = [v.value if isinstance(v, Literal) else self.constants.get(v) for v in inputs]
        if any(v is None or isinstance(v, jax.Array) for v in values):
            return None
        with jax.ensure_compile_time_eval():
            return [np.asarray(a) for a in bind(Equation(primitive, params, (), ()), values)]

    def _worth_unrolling(self, eqn, inputs):
        touched = any(v in self.watched for v in inputs if not isinstance(v, Literal))
        return touched and eqn.params["length"] <= _LONGEST_UNROLLED

    def _unroll(self, eqn, inputs):
        body, length = eqn.params["jaxpr"], eqn.params["length"]
        fixed, carried = _scan_sizes(eqn)
        constants, rest = inputs[:fixed], inputs[fixed:]
        carry, stacked = rest[:carried], rest[carried:]
        steps: list[Any] = [None] * length
        for t in reversed(range(length)) if eqn.params["reverse"] else range(length):
            slices = [self._apply(lambda a, t=t: a[t], v) for v in stacked]
            outputs = self.inline(body.jaxpr, body.consts, [*constants, *carry, *slices])
            carry, steps[t] = outputs[:carried], outputs[carried:]
        ys = [self._apply(lambda *a: jnp.stack(a), *column) for column in zip(*steps, strict=True)]
        return [*carry, *ys]

    def _apply(self, function, *inputs):
        """Inline a small JAX function of variables."""
        avals = [jnp.asarray(v.value) if isinstance(v, Literal) else self.avals[v] for v in inputs]
        structs = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in avals]
        closed = jax.make_jaxpr(function)(*structs)
        (output,) = self.inline(closed.jaxpr, closed.consts, list(inputs))
        return output


def _has_numpy_form(dtype) -> bool:
    """False for PRNG keys; `issubdtype` accepts them, where `isdtype` and NumPy raise."""
    return any(jnp.issubdtype(dtype, kind) for kind in _FOLDED)


def _scan_sizes(eqn) -> tuple[int, int]:
    """The numbers of constants and of carried values among the inputs of a `scan`.

    Read from their ranks, since JAX has changed the parameters that hold them: sliced or stacked
    values have one axis fewer in the body.
    """
    body = eqn.params["jaxpr"].jaxpr
    pairs = [(eqn.invars, body.invars), (eqn.outvars, body.outvars)]
    sliced, stacked = (
        sum(a.aval.ndim > b.aval.ndim for a, b in zip(outer, inner, strict=True))
        for outer, inner in pairs
    )
    carried = len(eqn.outvars) - stacked
    return len(eqn.invars) - sliced - carried, carried


def _without_dead_code(program: Program) -> Program:
    needed = {v for v in program.outputs if not isinstance(v, Literal)}
    kept = []
    for equation in reversed(program.equations):
        if needed.intersection(equation.outputs):
            kept.append(equation)
            needed.update(v for v in equation.inputs if not isinstance(v, Literal))
    constants = {v: value for v, value in program.constants.items() if v in needed}
    return program._replace(equations=tuple(reversed(kept)), constants=constants)


def _key(primitive, params, inputs) -> Hashable | None:
    """Equal keys mean equal results; None if this is unknown."""
    key = (primitive, _frozen(params), tuple(map(_frozen, inputs)))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _frozen(value):
    """A hashable stand-in that is equal exactly for equal equation parameters."""
    if isinstance(value, Literal):
        array = np.asarray(value.value)
        return ("literal", str(array.dtype), array.shape, array.tobytes())
    if isinstance(value, dict):
        return tuple((k, _frozen(v)) for k, v in sorted(value.items()))
    if isinstance(value, (tuple, list)):
        return (type(value), *map(_frozen, value))
    if isinstance(value, np.ndarray):
        return ("array", str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, core.Jaxpr | core.ClosedJaxpr):  # from JAX 0.11 on, one class
        constants = tuple(map(id, getattr(value, "consts", ())))
        return (*_frozen_jaxpr(getattr(value, "jaxpr", value)), constants)
    return (type(value), value)


def _frozen_jaxpr(jaxpr):
    number: dict[Any, int] = {}

    def name(v):
        if isinstance(v, core.Literal):
            return _frozen(Literal(v.val))
        return number.setdefault(v, len(number)), v.aval.str_short()

    heads = [tuple(map(name, jaxpr.constvars)), tuple(map(name, jaxpr.invars))]
    body = [
        (e.primitive, _frozen(e.params), tuple(map(name, e.invars)), tuple(map(name, e.outvars)))
        for e in jaxpr.eqns
    ]
    return ("jaxpr", *heads, tuple(body), tuple(map(name, jaxpr.outvars)))
