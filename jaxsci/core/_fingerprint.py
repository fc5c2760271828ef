"""What a training run is made of, in a few words each that another process finds equal.

Programs are compared as traced: a learning rate inside a closure is a number in the program of a
step, and an array that a residual closes over is one of its constants. Rules of differentiation
and functions called back on the host count by their names alone.
"""

import functools
import hashlib
import importlib.metadata
import re
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jaxtyping import PyTree

from ._gram_checks import example_of
from ._objective import Objective, objective

# Another version of one of these may write the same function as another program.
_TRACED_BY = ("jax", "jaxsci", "equinox", "flax", "lineax", "optax", "optimistix")
_PROGRAM = "program "
# Names of functions and where they were written: they change nothing that is computed.
_IGNORED = frozenset({"name", "debug_info"})
_ADDRESS = re.compile(r" at 0x[0-9a-f]+|\bid=\d+")


def fingerprint(
    loss: Objective | Callable,
    data: Any,
    optimizer: Any,
    step: Callable,
    carry: Any,
    key: jax.Array,
) -> dict[str, str]:
    """Part of the run to its shapes and a hash.

    `step(objective, optimizer, carry, batch)` is one step of the training. The optimiser's part of
    it is traced with another objective, which takes no time.
    """
    shapes = jax.eval_shape(lambda tree: tree, carry)
    if callable(data):
        batch = jax.eval_shape(data, key)
        parts = {"data, as a function of the key": _program(data, key)}
    else:
        batch = {k: data[k] for k in loss.names} if isinstance(loss, Objective) else data
        parts = dict(_described("data", batch))
    if isinstance(loss, Objective):
        for name, r, weight in zip(loss.names, loss.functions, loss.weights, strict=True):
            parts[f"the residual of {name!r}"] = _program(r, shapes.params, example_of(batch[name]))
            parts |= _described(f"the weight of {name!r}", jnp.asarray(weight, float))
    else:
        parts["the loss"] = _program(loss, shapes.params, batch)
    parts["the optimiser"] = _program(_on_a_parabola(optimizer, step), shapes)
    return parts


def differences(old: dict[str, str], new: dict[str, str]) -> tuple[list[str], list[str]]:
    """What differs for certain, and what may do so only in the way that it was traced."""
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    traced = [name for name in changed if all(_is_program(p.get(name)) for p in (old, new))]
    sure = [
        f"{name} ({old.get(name, 'absent')} there, {new.get(name, 'absent')} here)"
        for name in changed
        if name not in traced
    ]
    return sure, traced


def versions() -> dict[str, str]:
    """What decides how a function is traced."""
    found = {"backend": jax.default_backend()}
    for package in _TRACED_BY:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _on_a_parabola(optimizer, step):
    """The start and one step of the optimiser for a loss that is as cheap as can be."""
    parabola = objective({"squares": lambda p, x: x * sum(map(_square, jax.tree.leaves(p)))})

    def program(carry):
        dtype = jnp.result_type(*jax.tree.leaves(carry.params))
        batch = {"squares": jnp.ones(1, jnp.finfo(dtype).dtype)}
        return optimizer.init(carry.params), step(parabola, optimizer, carry, batch)

    return program


def _square(leaf):
    return jnp.sum(jnp.abs(leaf) ** 2)


def _is_program(text):
    return isinstance(text, str) and text.startswith(_PROGRAM)


def _described(name: str, tree: PyTree) -> Iterable[tuple[str, str]]:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        yield name + jax.tree_util.keystr(path), _text(leaf, {})


def _program(function: Callable, *args: Any) -> str:
    # A plain function keeps the arrays of a callable pytree inside, as constants.
    closed, _, _ = eqx.filter_make_jaxpr(lambda *args: function(*args))(*args)
    return _PROGRAM + _text(closed, {})


def _text(value: Any, known: dict[int, str]) -> str:
    """Equal for equal values, in every process; `known` are the programs met before."""
    if isinstance(value, core.Jaxpr | core.ClosedJaxpr):
        if id(value) not in known:
            known[id(value)] = _hash("\n".join(_lines(value, known)).encode())
        return known[id(value)]
    if eqx.is_array(value) or isinstance(value, np.ndarray | np.generic):
        return _array(value)
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: str(item[0]))
        return str([(str(k), _text(v, known)) for k, v in items if k not in _IGNORED])
    if isinstance(value, tuple | list):
        return str([_text(v, known) for v in value])
    if isinstance(value, set | frozenset):
        return str(sorted(_text(v, known) for v in value))
    if isinstance(value, functools.partial):
        return _text((value.func, value.args, value.keywords), known)
    if hasattr(value, "__qualname__"):
        return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
    return _ADDRESS.sub("", repr(value))


def _lines(program: Any, known: dict[int, str]) -> Iterable[str]:
    """The equations of a jaxpr, its variables numbered in order."""
    yield from (_text(c, known) for c in getattr(program, "consts", ()))
    jaxpr = getattr(program, "jaxpr", program)
    number: dict[Any, int] = {}

    def name(v):
        if isinstance(v, core.Literal):
            return f"{v.aval.str_short()} {_text(v.val, known)}"
        return f"{number.setdefault(v, len(number))}:{v.aval.str_short()}"

    yield " ".join(map(name, (*jaxpr.constvars, *jaxpr.invars)))
    for equation in jaxpr.eqns:
        inputs, outputs = (" ".join(map(name, vs)) for vs in (equation.invars, equation.outvars))
        yield f"{outputs} = {equation.primitive} {_text(equation.params, known)} {inputs}"
    yield " ".join(map(name, jaxpr.outvars))


def _array(array: Any) -> str:
    shape = f"{array.dtype}{list(array.shape)}"
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        return shape  # no process has all of it
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.size == 1:
        return f"{shape} {flat[0].item()!r}"
    return f"{shape} {_hash(flat.view(np.uint8))}"


def _hash(content: Any) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
