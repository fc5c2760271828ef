"""Where each parameter leaf enters a program: as the weight of a product, or otherwise.

A variable is a view of a leaf if its entries are entries of the leaf, each at most once, times a
scalar: reshaped, transposed, sliced, cast, scaled. A view is kept as the array of the leaf's flat
indices, so two uses of one leaf are compared by comparing indices: equal, swapped (W and Wᵀ),
disjoint (one slice for each layer), or neither.
"""

import hashlib
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .patches import patches
from .program import Equation, Literal, Program


class View(NamedTuple):
    """Entries `index` of `leaf`, times the product of `scales` (operation, variable)."""

    leaf: int
    index: np.ndarray
    scales: tuple[tuple[str, int | Literal], ...] = ()


class Site(NamedTuple):
    """A product y = a · W of a view W, whose Jacobian is Σₜ aₜ ⊗ ∂/∂yₜ.

    `key` names the entries of the leaf as an array (batch, left, right); `swapped` says that the
    activation runs over right and the cotangent over left.
    """

    leaf: int
    key: str
    entries: np.ndarray
    swapped: bool
    equation: int
    operand: int | Literal
    scales: tuple[tuple[str, int | Literal], ...]
    activation: Callable[[Any], Any]
    cotangent: Callable[[Any], Any]


class Taps(NamedTuple):
    """The sites of all leaves, and the leaves with a use that is not recognised."""

    sites: tuple[Site, ...]
    other: frozenset[int]


def find_taps(program: Program, leaves: int) -> Taps:
    """Sites of the first `leaves` inputs of the program."""
    views: dict[int | Literal, View] = {
        v: View(i, np.arange(math.prod(program.avals[v].shape)).reshape(program.avals[v].shape))
        for i, v in enumerate(program.inputs[:leaves])
    }
    scalars = _broadcast_scalars(program)
    sites: list[Site] = []
    other: set[int] = set()
    for number, equation in enumerate(program.equations):
        positions = [i for i, v in enumerate(equation.inputs) if _is_view(v, views)]
        if not positions or equation.primitive.name == "stop_gradient":
            continue
        view = _view_of(equation, positions, views, scalars)
        if view is not None:
            views[equation.outputs[0]] = view
            continue
        for position in positions:
            weight = views[equation.inputs[position]]
            rule = _RULES.get(equation.primitive.name)
            site = rule(program, number, equation, position, weight) if rule else None
            if site is None:
                other.add(weight.leaf)
            else:
                sites.append(site)
    other.update(views[v].leaf for v in program.outputs if _is_view(v, views))
    return Taps(tuple(sites), frozenset(other))


def _is_view(v, views):
    return not isinstance(v, Literal) and v in views


def _broadcast_scalars(program):
    """Variables whose entries all equal one scalar, and that scalar."""
    scalars: dict[int, int | Literal] = {}
    for equation in program.equations:
        if equation.primitive.name == "broadcast_in_dim":
            (source, *_) = equation.inputs
            if isinstance(source, Literal) or program.avals[source].shape == ():
                scalars[equation.outputs[0]] = source
    scalars.update({v: v for v, aval in program.avals.items() if aval.shape == ()})
    return scalars


_REARRANGEMENTS = frozenset(
    {"reshape", "transpose", "squeeze", "expand_dims", "slice", "rev", "broadcast_in_dim"}
)


def _view_of(equation: Equation, positions, views, scalars) -> View | None:
    """The output as a view of a leaf, if it is one."""
    name = equation.primitive.name
    view = views[equation.inputs[positions[0]]]
    if len(positions) == 1:
        if name in ("copy", "copy_p", "reduce_precision"):
            return view
        if name == "convert_element_type":  # to integers it rounds, and has no slope
            return view if jnp.issubdtype(equation.params["new_dtype"], jnp.floating) else None
        if name == "neg":
            return view._replace(scales=(*view.scales, ("mul", Literal(-1.0))))
        if name in ("mul", "div") and (name == "mul" or positions == [0]):
            scale = equation.inputs[1 - positions[0]]
            if isinstance(scale, Literal) or scale in scalars:
                scale = scale if isinstance(scale, Literal) else scalars[scale]
                return view._replace(scales=(*view.scales, (name, scale)))
        if name in _REARRANGEMENTS and len(equation.inputs) == 1:
            return _rearranged(equation, view)
    return None


def _rearranged(equation, view):
    # On the host even under tracing: indices belong to the plan, not to the computation.
    with jax.ensure_compile_time_eval():
        index = np.asarray(
            equation.primitive.bind(jnp.asarray(view.index, jnp.int32), **equation.params)
        )
    # Broadcasting repeats entries: then the Jacobian is a sum, and the result not a view.
    return view._replace(index=index) if index.size <= view.index.size else None


def _site(equation_number, weight: View, operand, groups, activation, cotangent) -> Site:
    """`groups`: dimensions of the view that are batch, contracted and free."""
    batch, contracted, free = groups
    sizes = [math.prod(weight.index.shape[i] for i in g) for g in groups]
    entries = weight.index.transpose(*batch, *contracted, *free).reshape(sizes)
    swapped = _stride(entries, 1) < _stride(entries, 2)
    entries = np.ascontiguousarray(entries.transpose(0, 2, 1) if swapped else entries)
    digest = hashlib.blake2b(entries.astype(np.int64).tobytes(), digest_size=16).hexdigest()
    return Site(
        weight.leaf,
        f"leaf{weight.leaf}:{digest}{entries.shape}",
        entries,
        swapped,
        equation_number,
        operand,
        weight.scales,
        activation,
        cotangent,
    )


def _stride(entries, axis):
    if entries.shape[axis] < 2:
        return 0
    first, second = (entries.take(i, axis).flat[0] for i in (0, 1))
    return abs(int(second) - int(first))


def _by_stride(index, axes):
    """Axes in the order of the leaf's memory, so that a transposed view gives the same entries."""
    return tuple(sorted(axes, key=lambda i: -_stride(index, i)))


def _dot_general(program, number, equation, position, weight) -> Site:
    contract, batch = equation.params["dimension_numbers"]
    other = equation.inputs[1 - position]
    w_batch, a_batch = tuple(batch[position]), tuple(batch[1 - position])
    w_contract, a_contract = contract[position], contract[1 - position]
    w_free = tuple(i for i in range(weight.index.ndim) if i not in (*w_contract, *w_batch))
    shape = program.avals[other].shape
    a_free = tuple(i for i in range(len(shape)) if i not in (*a_contract, *a_batch))
    ordered = _by_stride(weight.index, w_contract)
    a_ordered = tuple(a_contract[tuple(w_contract).index(i)] for i in ordered)
    w_free_ordered = _by_stride(weight.index, w_free)
    b = math.prod(shape[i] for i in a_batch)
    t = math.prod(shape[i] for i in a_free)

    def activation(a):
        return a.transpose(*a_batch, *a_free, *a_ordered).reshape(b, t, -1)

    # The output's dimensions: batch, free of the left operand, free of the right operand.
    nb, na, nw = len(a_batch), len(a_free), len(w_free)
    first = nb + (nw if position == 0 else 0)
    a_axes = tuple(range(first, first + na))
    w_start = nb + (0 if position == 0 else na)
    w_axes = tuple(w_start + w_free.index(i) for i in w_free_ordered)

    def cotangent(y):
        return y.transpose(*range(nb), *a_axes, *w_axes).reshape(b, t, -1)

    groups = (w_batch, ordered, w_free_ordered)
    return _site(number, weight, other, groups, activation, cotangent)


def _convolution(program, number, equation, position, weight) -> Site | None:
    p = equation.params
    if position != 1 or p["batch_group_count"] != 1:
        return None
    numbers, groups = p["dimension_numbers"], p["feature_group_count"]
    out_axis, in_axis, *spatial = numbers.rhs_spec
    y_out = numbers.out_spec[1]
    # The output channels split into (groups, channels of one group).
    shape = list(weight.index.shape)
    shape[out_axis : out_axis + 1] = [groups, shape[out_axis] // groups]

    def after_split(i):
        return i + (i > out_axis)

    split = weight._replace(index=weight.index.reshape(shape))
    contracted = [after_split(i) for i in (*spatial, in_axis)]
    ordered = _by_stride(split.index, contracted)
    order = tuple(contracted.index(i) for i in ordered)
    kernel = tuple(weight.index.shape[i] for i in spatial)
    out_shape = program.avals[equation.outputs[0]].shape

    def activation(a):
        cut = patches(a, kernel, tuple(out_shape[i] for i in numbers.out_spec[2:]), p)
        g, t = cut.shape[:2]
        return cut.transpose(0, 1, *(2 + i for i in order)).reshape(g, t, -1)

    def cotangent(y):
        y = jnp.moveaxis(y, numbers.out_spec[0], 0)
        channel = y_out + (y_out < numbers.out_spec[0])
        rest = [numbers.out_spec[i] for i in range(2, y.ndim)]
        rest = [i + (i < numbers.out_spec[0]) for i in rest]
        y = y.transpose(channel, 0, *rest)
        return jnp.moveaxis(y.reshape(groups, shape[out_axis + 1], -1), 1, 2)

    site_groups = ((out_axis,), ordered, (out_axis + 1,))
    return _site(number, split, equation.inputs[0], site_groups, activation, cotangent)


def _embedding(program, number, equation, position, weight) -> Site | None:
    """Rows taken from a table: the activation is a unit vector for each row."""
    p = equation.params
    numbers = p["dimension_numbers"]
    rows, *rest = weight.index.shape
    understood = (
        position == 0
        and numbers.start_index_map == (0,)
        and numbers.collapsed_slice_dims == (0,)
        and not numbers.operand_batching_dims
        and tuple(p["slice_sizes"]) == (1, *rest)
    )
    if not understood:
        return None
    clip = p["mode"] == jax.lax.GatherScatterMode.CLIP

    def activation(indices):
        chosen = indices.reshape(-1)
        chosen = jnp.clip(chosen, 0, rows - 1) if clip else chosen
        return jax.nn.one_hot(chosen, rows, dtype=program.avals[equation.outputs[0]].dtype)[None]

    free = tuple(range(1, weight.index.ndim))

    def cotangent(y):
        batch = [i for i in range(y.ndim) if i not in numbers.offset_dims]
        return y.transpose(*batch, *numbers.offset_dims).reshape(1, -1, math.prod(rest))

    return _site(number, weight, equation.inputs[1], ((), (0,), free), activation, cotangent)


_RULES = {
    "dot_general": _dot_general,
    "conv_general_dilated": _convolution,
    "gather": _embedding,
}
