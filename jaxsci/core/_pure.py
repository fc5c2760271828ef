"""Any model becomes a pure function f(params, *x)."""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import PyTree


def pure(
    model: Any, *init: Any, dtype: DTypeLike | None = None
) -> tuple[Callable[..., Any], PyTree]:
    """Split a model into a pure function and its parameters.

        f(params, *x) == model(*x),   params: a pytree of inexact arrays

    **Arguments:**

    - `model`: an Equinox module, a Flax NNX module, a Flax Linen module, or a plain function
        that already has the form `f(params, *x)`.
    - `init`: for Linen, the key and one example input (`model.init(*init)`), or the variables that
        it has already; for a plain function, its parameters. Nothing for Equinox and NNX.
    - `dtype`: cast every parameter to this dtype. Flax makes float32 parameters even when
        float64 is on, so give `dtype=jnp.float64` where precision matters.

    **Returns:** `(f, params)`. Models that differ in their parameters alone have equal functions,
    for which `jax.jit` compiles once. State that is not trained (Linen's `batch_stats`, NNX's
    non-`Param` variables) is held fixed inside `f`.

    **Raises:** `TypeError` if the model is none of these kinds, a parameter is not a real or
    complex array, or `dtype` would drop the imaginary part of one; `ValueError` if `init` does not
    fit the kind of model.

    **Notes:** a function of complex parameters can be evaluated and differentiated, but `fit`,
    the second-order optimisers and `gram` refuse them: `jax.grad` gives the conjugate of the
    direction of ascent, which optimisers that subtract it climb. Keep real and imaginary parts as
    real arrays and join them in the model, `jax.lax.complex(w[0], w[1])`.

    ```python
    f, params = jsci.pure(eqx.nn.MLP(2, "scalar", 32, 2, jnp.tanh, key=key))
    y = f(params, jnp.zeros(2))
    batch = jsci.vmap(f, in_axes=(None, 0))(params, jnp.zeros((8, 2)))
    ```
    """
    f, params = _split(model, init)
    _check_leaves(params)
    if dtype is not None:
        if not jnp.issubdtype(dtype, jnp.inexact):
            raise TypeError(f"dtype must be a floating or complex type, got {dtype!r}.")
        _check_imaginary(params, dtype)
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    return f, params


def _split(model, init) -> tuple[Callable, PyTree]:
    if isinstance(model, eqx.Module):
        _require_init(init, 0, "an Equinox module", "pure(model)")
        return _split_equinox(model)
    # Only a program that has imported flax can hold a flax model: jaxsci itself never loads it.
    if "flax" in sys.modules:
        from flax import linen, nnx

        if isinstance(model, linen.Module):
            if not init:
                raise ValueError(
                    "A Flax Linen module holds no parameters: pass the key and one example "
                    "input, pure(model, jax.random.key(0), x), or its variables, "
                    "pure(model, variables)."
                )
            return _split_linen(model, init)
        if isinstance(model, nnx.Module):
            _require_init(init, 0, "a Flax NNX module", "pure(model)")
            return _split_nnx(model, nnx)
    if callable(model) and not isinstance(model, type):
        _require_init(init, 1, "a plain function", "pure(f, params)")
        return model, init[0]
    raise TypeError(
        f"pure() got {type(model).__name__}: {model!r:.80}. It takes an Equinox module, a Flax NNX "
        "module, a Flax Linen module (with a key and an example), or a function f(params, *x) "
        "with its parameters."
    )


def _require_init(init, count, kind, call):
    if len(init) != count:
        raise ValueError(
            f"{kind} takes {count} further argument{'' if count == 1 else 's'} to pure(), "
            f"got {len(init)}: use {call}."
        )


def _split_equinox(model):
    params, static = eqx.partition(model, eqx.is_inexact_array)
    return _Equinox(_ByValue(static)), params


def _split_linen(model, init):
    given = len(init) == 1 and isinstance(init[0], Mapping) and "params" in init[0]
    variables = dict(init[0] if given else model.init(*init))
    params = variables.pop("params", {})
    return _Linen(_ByValue(model), _ByValue(variables)), params


def _split_nnx(model, nnx):
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    return _NNX(nnx.merge, _ByValue(graph), _ByValue(rest)), params


class _ByValue:
    """A pytree that is equal to another of equal leaves; one that holds arrays, only to itself."""

    def __init__(self, tree: PyTree):
        self.tree = tree
        leaves, structure = jax.tree.flatten(tree)
        self._key = (structure, *((type(leaf), leaf) for leaf in leaves))
        try:
            self._hash = hash(self._key)
        except TypeError:
            self._key, self._hash = (object(),), id(self)

    def __hash__(self):
        return self._hash

    def __eq__(self, other):
        return isinstance(other, _ByValue) and self._key == other._key


# The functions that `pure` returns are equal for models of one kind: `jax.jit` compiles once for
# all their seeds.


@dataclasses.dataclass(frozen=True)
class _Equinox:
    static: _ByValue

    def __call__(self, params, *x):
        return eqx.combine(params, self.static.tree)(*x)


@dataclasses.dataclass(frozen=True)
class _Linen:
    model: _ByValue
    variables: _ByValue

    def __call__(self, params, *x):
        return self.model.tree.apply({"params": params, **self.variables.tree}, *x)


@dataclasses.dataclass(frozen=True)
class _NNX:
    merge: Callable
    graph: _ByValue
    rest: _ByValue

    def __call__(self, params, *x):
        return self.merge(self.graph.tree, params, self.rest.tree)(*x)


def _check_leaves(params):
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        is_array = isinstance(leaf, float | complex) or hasattr(leaf, "dtype")
        if not is_array or not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            raise TypeError(
                f"Parameter {jax.tree_util.keystr(path) or 'params'} is {leaf!r:.60}, which has no "
                "gradient: parameters must be floating or complex arrays. Keep integers and "
                "settings out of params, e.g. by closing over them."
            )


def _check_imaginary(params, dtype):
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if jnp.iscomplexobj(leaf):
            raise TypeError(
                f"Parameter {jax.tree_util.keystr(path) or 'params'} is {jnp.result_type(leaf)}, "
                f"whose imaginary part dtype={jnp.dtype(dtype).name} would drop: give a complex "
                "dtype."
            )
