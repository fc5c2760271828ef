"""Fingerprints of a training run, which other processes can reproduce and compare.

Programs are compared as traced: a learning rate inside a closure is a number in the program of a
step, and an array that a residual closes over is one of its constants. Custom derivative rules and
host callbacks are compared by name only. Arrays are compared by a hash, and by two numbers that
distinguish the rounding of another processor from different values.
"""

import functools
import hashlib
import importlib.metadata
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from .._gram.checks import example_of
from .._train.objective import Objective, objective
from .._train.weighted import samples_of

# Other versions of these packages may trace the same function to a different program.
_TRACED_BY = ("jax", "jaxsci", "equinox", "flax", "lineax", "optax", "optimistix")
_PROGRAM = "program "
_ABOUT = " about "
# Entries of an array that are weighted by one vector of random numbers.
_ROW = 4096
# Names of functions and where they were written: they change nothing that is computed.
_IGNORED = frozenset({"name", "debug_info"})
_ADDRESS = re.compile(r" at 0x[0-9a-f]+|\bid=\d+")


class Differences(NamedTuple):
    """Names of the parts that differ: certainly, by rounding only, or in how they were traced."""

    other: list[str]
    rounded: list[str]
    traced: list[str]


def fingerprint(
    loss: Objective | Callable,
    data: Any,
    optimizer: Any,
    step: Callable,
    carry: Any,
    key: jax.Array,
) -> dict[str, list[str]]:
    """Each part of the run by name: an array, or a program and its constants.

    `step(objective, optimizer, carry, batch)` is one step of the training. The optimiser's part of
    it is traced with another objective, which takes no time.
    """
    shapes = jax.eval_shape(lambda tree: tree, carry)
    if callable(data):
        batch = jax.eval_shape(data, key)
        parts = {"data, as a function of the key": _program(data, key)}
    else:
        batch = {k: data[k] for k in loss.names} if isinstance(loss, Objective) else data
        leaves = jax.tree_util.tree_leaves_with_path(batch)
        parts = {f"data{jax.tree_util.keystr(path)}": [_text(leaf)] for path, leaf in leaves}
    if isinstance(loss, Objective):
        for name, r, weight in zip(loss.names, loss.functions, loss.weights, strict=True):
            parts[f"the residual of {name!r}"] = _program(
                r, shapes.params, example_of(samples_of(batch[name]))
            )
            parts[f"the weight of {name!r}"] = [_text(jnp.asarray(weight, float))]
    else:
        parts["the loss"] = _program(loss, shapes.params, batch)
    parts["the optimiser"] = _program(_on_a_parabola(optimizer, step), shapes)
    return parts


def differences(old: dict[str, Any], new: dict[str, list[str]]) -> Differences:
    """Compare two fingerprints; the old one comes from a file."""
    found = Differences([], [], [])
    for name in sorted({*old, *new}):
        was, now = (_words(parts.get(name)) for parts in (old, new))
        if was == now:
            continue
        if was[0] != now[0] and all(words[0].startswith(_PROGRAM) for words in (was, now)):
            found.traced.append(name)
            continue
        pairs = [(a, b) for a, b in zip(was, now, strict=False) if a != b]
        if len(was) == len(now) and all(_is_rounding(a, b) for a, b in pairs):
            found.rounded.append(name)
            continue
        there, here = (text.partition(_ABOUT)[0] for text in (pairs or [(was[-1], now[-1])])[0])
        found.other.append(f"{name} ({there} there, {here} here)")
    return found


def versions() -> dict[str, str]:
    """The versions on which tracing depends."""
    found = {"backend": jax.default_backend()}
    for package in _TRACED_BY:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _on_a_parabola(optimizer, step):
    """The initial state and one step of the optimiser for the cheapest possible loss."""
    parabola = objective({"squares": lambda p, x: x * sum(map(_square, jax.tree.leaves(p)))})

    def program(carry):
        dtype = jnp.result_type(*jax.tree.leaves(carry.params))
        batch = {"squares": jnp.ones(1, jnp.finfo(dtype).dtype)}
        return optimizer.init(carry.params), step(parabola, optimizer, carry, batch)

    return program


def _square(leaf):
    return jnp.sum(jnp.abs(leaf) ** 2)


def _words(value: Any) -> list[str]:
    typed = isinstance(value, list) and all(isinstance(word, str) for word in value)
    return value if typed and value else ["absent"]


def _program(function: Callable, *args: Any) -> list[str]:
    """A hash of the program, and its constants."""
    # A plain function keeps the arrays of a callable pytree inside, as constants.
    closed, _, _ = eqx.filter_make_jaxpr(lambda *args: function(*args))(*args)
    constants: list[str] = []
    return [_PROGRAM + _Text({}, constants).of(closed), *constants]


def _text(value: Any) -> str:
    return _Text({}, []).of(value)


class _Text(NamedTuple):
    """Texts that are equal for equal values, in every process.

    `known` holds the programs seen so far, by identity; `constants` collects their constants.
    """

    known: dict[int, str]
    constants: list[str]

    def of(self, value: Any) -> str:
        if isinstance(value, core.Jaxpr | core.ClosedJaxpr):
            if id(value) not in self.known:
                self.constants.extend(map(self.of, getattr(value, "consts", ())))
                self.known[id(value)] = _hash("\n".join(self._lines(value)).encode())
            return self.known[id(value)]
        if isinstance(value, jax.Array | np.ndarray | np.generic):
            return _array(value)
        if isinstance(value, dict):
            items = sorted(value.items(), key=lambda item: str(item[0]))
            return str([(str(k), self.of(v)) for k, v in items if k not in _IGNORED])
        if isinstance(value, tuple | list):
            return str([self.of(v) for v in value])
        if isinstance(value, set | frozenset):
            return str(sorted(self.of(v) for v in value))
        if isinstance(value, functools.partial):
            return self.of((value.func, value.args, value.keywords))
        if hasattr(value, "__qualname__"):
            return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
        return _ADDRESS.sub("", repr(value))

    def _lines(self, program: Any) -> Iterable[str]:
        """The equations of a jaxpr, its variables numbered in order."""
        jaxpr = getattr(program, "jaxpr", program)
        number: dict[Any, int] = {}

        def name(v):
            if isinstance(v, core.Literal):
                return f"{v.aval.str_short()} {self.of(v.val)}"
            return f"{number.setdefault(v, len(number))}:{v.aval.str_short()}"

        yield " ".join(map(name, (*jaxpr.constvars, *jaxpr.invars)))
        for e in jaxpr.eqns:
            inputs, outputs = (" ".join(map(name, vs)) for vs in (e.invars, e.outvars))
            yield f"{outputs} = {e.primitive} {self.of(e.params)} {inputs}"
        yield " ".join(map(name, jaxpr.outvars))


def _array(array: Any) -> str:
    shape = f"{array.dtype}{list(array.shape)}"
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        return shape  # no process holds all of it
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    flat = np.ascontiguousarray(array).reshape(-1)
    exact = repr(flat[0].item()) if flat.size == 1 else _hash(flat.view(np.uint8))
    about = _about(flat) if jnp.issubdtype(flat.dtype, jnp.floating) and flat.size else ""
    return f"{shape} {exact}{about}"


def _about(flat: np.ndarray) -> str:
    """A random combination of all entries, and how far rounding may move it."""
    tolerance = float(jnp.finfo(flat.dtype).eps) ** 0.75
    if flat.dtype.itemsize < 4:
        flat = flat.astype(np.float32)
    draw, rows = np.random.default_rng(0).standard_normal, len(flat) // _ROW
    across = draw(_ROW).astype(flat.dtype)
    body, rest = flat[: rows * _ROW].reshape(rows, _ROW), flat[rows * _ROW :]
    with np.errstate(all="ignore"):  # what is not finite is not rounding
        combination = float((body @ across) @ draw(rows)) + float(rest @ across[: len(rest)])
        norm = float(np.linalg.norm(flat))
    return f"{_ABOUT}{combination!r} {tolerance * norm!r}"


def _is_rounding(old: str, new: str) -> bool:
    (kind, _, a), (other, _, b) = (text.partition(_ABOUT) for text in (old, new))
    if not (a and b) or kind.rpartition(" ")[0] != other.rpartition(" ")[0]:
        return False
    (a, _), (b, margin) = (map(float, numbers.split()) for numbers in (a, b))
    return abs(a - b) <= margin < float("inf")


def _hash(content: Any) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
