"""The rule of each primitive."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from . import indexing, loops, rearrangements
from .contractions import convolution, product
from .labels import NOTHING, Label, Labels

_ELEMENTWISE = (
    "abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp complex conj "
    "convert_element_type copy copy_p cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1 "
    "floor ge gt imag integer_pow is_finite le lgamma log log1p logistic lt max min mul name ne "
    "neg nextafter not or pow real reduce_precision rem round rsqrt select_n sign sin sinh sqrt "
    "square stop_gradient sub tan tanh xor"
)
# A number times the parameter among their inputs, if there is one.
_LINEAR = frozenset({"convert_element_type", "copy", "copy_p", "mul", "name", "neg"})


def label_equation(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    """What is known of the outputs of an equation."""
    return _RULES.get(equation.primitive.name, _unknown)(labels, equation, inputs)


def _unknown(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    varies = any(label.varies for label in inputs)
    outputs = [labels.array(v.aval.shape, varies=varies) for v in equation.outvars]
    for label in (*inputs, *outputs):
        labels.fix(label, equation.primitive.name)
        labels.make(label)
    return outputs


def _elementwise(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    shape = equation.outvars[0].aval.shape
    rank = len(shape)
    arrays = [label for label in inputs if len(label.axes) == rank]
    axes = tuple(_one_axis(labels, [a.axes[k] for a in arrays], shape[k]) for k in range(rank))
    if any(label.varies for label in inputs):
        for label in arrays:
            labels.make(label)
        return [Label(axes, (NOTHING,) * rank, True)]
    origins = tuple(NOTHING.union(*(a.origins[k] for a in arrays)) for k in range(rank))
    bearing = [i for i, label in enumerate(inputs) if any(label.origins)]
    name = equation.primitive.name
    scaled = len(bearing) == 1 and (name in _LINEAR or (name == "div" and bearing == [0]))
    linear = all(label.linear for label in inputs) and (scaled or not bearing)
    if name == "convert_element_type":  # to integers it rounds
        linear = linear and jnp.issubdtype(equation.params["new_dtype"], jnp.inexact)
    return [Label(axes, origins, False, linear)]


def _one_axis(labels: Labels, axes: list[int], size: int) -> int:
    """Of axes that are one, or of one entry that is repeated along them."""
    first, *others = (axis for axis in axes if labels.axes.sizes[axis] == size)
    for axis in others:
        labels.axes.unify(first, axis)
    return first


def _reduce(labels: Labels, equation: Any, inputs: list[Label]) -> list[Label]:
    gone = equation.params["axes"]
    for k in gone:
        labels.couple(inputs[0].axes[k], equation.primitive.name)
    linear = inputs[0].linear and equation.primitive.name == "reduce_sum"
    return [rearrangements.without(inputs[0], gone)._replace(linear=linear)]


def _iota(labels: Labels, equation: Any, _: list[Label]) -> list[Label]:
    label = labels.array(equation.outvars[0].aval.shape, varies=False)
    labels.axes.fix(label.axes[equation.params["dimension"]])
    return [label]


def _barrier(_labels: Labels, _equation: Any, inputs: list[Label]) -> list[Label]:
    return list(inputs)


_RULES: dict[str, Callable[[Labels, Any, list[Label]], list[Label]]] = {
    "argmax": indexing.argument,
    "argmin": indexing.argument,
    "broadcast_in_dim": rearrangements.broadcast,
    "concatenate": rearrangements.concatenate,
    "cond": loops.branches,
    "conv_general_dilated": convolution,
    "dot_general": product,
    "dynamic_slice": indexing.dynamic_slice,
    "expand_dims": rearrangements.reshape,
    "gather": indexing.gather,
    "iota": _iota,
    "optimization_barrier": _barrier,
    "pad": rearrangements.pad,
    "reshape": rearrangements.reshape,
    "rev": indexing.in_order("dimensions"),
    "scan": loops.scan,
    "slice": rearrangements.slices,
    "sort": indexing.in_order("dimension"),
    "split": rearrangements.split,
    "squeeze": rearrangements.squeeze,
    "transpose": rearrangements.transpose,
    "while": loops.while_loop,
}
_RULES |= dict.fromkeys(_ELEMENTWISE.split(), _elementwise)
_RULES |= {f"reduce_{name}": _reduce for name in ("sum", "max", "min", "prod", "and", "or", "xor")}
_RULES |= {f"cum{name}": indexing.in_order("axis") for name in ("sum", "prod", "max", "min")}
_RULES |= {f"reduce_window{name}": indexing.window for name in ("", "_max", "_min", "_sum")}
_RULES["cumlogsumexp"] = indexing.in_order("axis")
