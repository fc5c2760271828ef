"""Checks of an objective: named terms, real residuals of one sample, and batches."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, PyTree

from .weighted import Weighted


def check_name(name: Any) -> None:
    """Raise for a name that is not a string, or that the history of `fit` reserves."""
    if not isinstance(name, str):
        raise TypeError(f"The name of a term must be a string, got {name!r}: write {str(name)!r}.")
    if name == "loss" or name.startswith("validation_"):
        raise ValueError(
            f"A term cannot be called {name!r}: in the history and the metrics of fit, 'loss' is "
            "the weighted sum of all terms, and 'validation_...' is measured on other samples."
        )


def check_weight(name: str, w: Any) -> None:
    """Raise for a weight that is negative or not one number, unless it is traced."""
    if not (hasattr(w, "dtype") or isinstance(w, int | float)):
        raise TypeError(f"The weight of {name!r} must be a real number, got {w!r:.60}.")
    if jnp.shape(w) != () or jnp.iscomplexobj(w):
        raise ValueError(
            f"The weight of {name!r} must be one real number, got shape {jnp.shape(w)} of "
            f"{jnp.result_type(w)}. Weights of single samples go with these: "
            "batch[name] = jsci.Weighted(samples, weights)."
        )
    if not isinstance(w, Tracer) and not w >= 0:
        raise ValueError(f"The weight of {name!r} is {w}; weights must not be negative.")


class Checked(eqx.Module):
    """`r(params, x)`, which raises unless it returns one real array that is not empty.

    For a weighted sample it returns √v r(params, x). Equal by value, so a new one does not
    recompile. Of a term whose weight is zero it has no slope, whatever that of r.
    """

    name: str
    r: Callable
    weight: Any = 1.0

    def __call__(self, params: PyTree, x: PyTree) -> Array:
        if not (isinstance(self.weight, int | float) and self.weight):
            # A factor of zero would leave NaN where r has NaN slopes.
            left_out = jnp.asarray(self.weight) == 0
            params = jax.tree.map(
                lambda p: (
                    jnp.where(left_out, jax.lax.stop_gradient(p), p)
                    if eqx.is_inexact_array(p)
                    else p
                ),
                params,
            )
        if isinstance(x, Weighted):
            y = self._real(self.r(params, x.samples))
            return jnp.sqrt(x.weights) * y
        return self._real(self.r(params, x))

    def _real(self, y):
        leaves = jax.tree.leaves(y)
        if len(leaves) != 1 or leaves[0] is not y:
            raise TypeError(
                f"Term {self.name!r} must return an array for one sample, got {type(y).__name__}: "
                "stack its parts, or make each a term of its own."
            )
        if jnp.iscomplexobj(y):
            raise TypeError(
                f"Term {self.name!r} is complex, of {jnp.result_type(y)}, and the squares of "
                "complex numbers are no measure of their size: stack real and imaginary parts, "
                "jnp.stack([r.real, r.imag])."
            )
        if jnp.size(y) == 0:
            raise ValueError(
                f"Term {self.name!r} is empty: it has shape {jnp.shape(y)} for one sample. Return "
                "at least one number, or leave the term out."
            )
        return jnp.asarray(y)


def sizes_of(names: tuple[str, ...], batch: Any) -> dict[str, int]:
    """The number of samples of each term; raise for a batch that does not fit the terms."""
    if not isinstance(batch, Mapping):
        raise TypeError(
            f"A batch is a dict from each term to its samples, {{{names[0]!r}: ...}}, got "
            f"{_described(batch)}. The objective's terms are {sorted(names)}."
        )
    missing = [name for name in names if name not in batch]
    if missing:
        raise ValueError(
            f"The batch has no entry for {', '.join(map(repr, missing))}: it has "
            f"{sorted(batch, key=str)}, and the objective's terms are {sorted(names)}."
        )
    return {name: _leading_size(name, batch[name]) for name in names}


def _described(batch):
    if hasattr(batch, "shape"):
        return f"an array of shape {batch.shape}"
    return f"a {type(batch).__name__}"


def _leading_size(name: str, points: PyTree) -> int:
    leaves = jax.tree_util.tree_leaves_with_path(points)
    for path, leaf in leaves:
        _check_leaf(f"batch[{name!r}]{jax.tree_util.keystr(path)}", leaf)
    shapes = {jax.tree_util.keystr(path): jnp.shape(leaf) for path, leaf in leaves}
    sizes = {shape[0] if shape else None for shape in shapes.values()}
    size = sizes.pop() if len(sizes) == 1 else None
    if size is None:
        # One leaf of each size: a molecule has dozens.
        shown = {shape[:1]: (path, shape) for path, shape in shapes.items()}
        raise ValueError(
            f"batch[{name!r}] must have one leading axis of samples shared by all its leaves, "
            f"got shapes {dict(shown.values())}.{_from_list(points)}"
        )
    if size == 0:
        raise ValueError(f"batch[{name!r}] is empty: it needs at least one sample.")
    if isinstance(points, Weighted):
        _check_sample_weights(name, points)
    return size


def _from_list(points: PyTree) -> str:
    """How to make a batch of a list, if it is one of numbers or of samples."""
    if not isinstance(points, list):
        return ""
    if all(isinstance(x, int | float) for x in jax.tree.leaves(points)):
        return " Make an array of the list: jnp.asarray(...)."
    return " Stack the samples of the list: jax.tree.map(lambda *x: jnp.stack(x), *samples)."


def _check_sample_weights(name: str, points: Weighted) -> None:
    v = points.weights
    if jnp.ndim(v) != 1 or not jnp.issubdtype(jnp.result_type(v), jnp.floating):
        raise ValueError(
            f"The weights of batch[{name!r}] must be one real number for each sample, of shape "
            f"(n,), got shape {jnp.shape(v)} of {jnp.result_type(v)}."
        )
    if isinstance(v, Tracer | jax.ShapeDtypeStruct):
        return
    least = np.asarray(v).min()  # by NumPy: under jit, JAX would make a tracer of a constant too
    if least < 0:
        raise ValueError(
            f"The weights of batch[{name!r}] must not be negative, got {least:.3g}: a sum of "
            "squares has no negative part."
        )


def _check_leaf(where: str, leaf: Any) -> None:
    if callable(leaf):
        raise TypeError(
            f"{where} is a {type(leaf).__name__}, not samples: draw from it, points = sample(key), "
            "or give fit one function of a key for all terms, data=jsci.pde.joint({name: sampler})."
        )
    if not (hasattr(leaf, "dtype") or isinstance(leaf, int | float | complex)):
        raise TypeError(
            f"{where} is a {type(leaf).__name__}, not an array of samples: "
            "give the samples themselves, as arrays, or draw them in a function of a key."
        )
