"""Which axes of which parameters move together, read from the traced network."""

from collections.abc import Callable, Container
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .groups import Activation, Group, Place, Role, Units, Unproved
from .tracing.labels import Label, Labels, Use
from .tracing.rules import label_equation


def units(f: Callable[[PyTree, Any], Any], params: PyTree, x: PyTree) -> Units:
    """The hidden units of a network: which axes of its parameters permute, merge and grow together.

        f(P params, x) = f(params, x)   for every permutation P of the units of a group

    The network is traced, and every equation says which axes are one axis: those that a product
    contracts, those that a residual connection adds. An axis that is reshaped becomes a product
    (the heads of attention, the channels of a flattened image), and one that is sliced or
    concatenated a row of parts (gates, skip connections). Normalisations, recomputed blocks, loops
    and branches are followed. What reaches the input or the output is no hidden unit.

    **Arguments:**

    - `f`: the network, a pure function `f(params, x)` of one input or of a batch.
    - `params`: its parameters.
    - `x`: an input, of which only shapes and, in `merge`, the activations matter.

    **Returns:** `Units`: its `.groups` are a dict of names to groups of axes, and `.unproved` has
    the axes that are left alone because a primitive was not understood there, by name.

    **Raises:** `ValueError` if there are no units, with the primitives at fault; `TypeError` for
    parameters that are no arrays.

    **Notes:** every group is proved, but groups that are proved need not be all: an axis that meets
    a primitive without a rule (a Fourier transform, a decomposition), or an array that the function
    holds and that differs along it, is left alone. Linen's batch statistics are such arrays unless
    they are among the parameters: `f = lambda variables, x: model.apply(variables, x)`. Heads of
    attention permute as wholes, and the entries of all heads in the same way.

    **Source:** Ainsworth, Hayase and Srinivasa, "Git Re-Basin: merging models modulo permutation
    symmetries" (2023), for the symmetries, which are there written down by hand for each network.

    ```python
    groups = jsci.analysis.units(f, params, x[0]).groups
    [group.size for group in groups.values()]  # 8
    ```
    """
    paths = jax.tree_util.tree_leaves_with_path(params)
    for path, leaf in paths:
        if not hasattr(leaf, "shape"):
            raise TypeError(
                f"params{jax.tree_util.keystr(path)} is {leaf!r:.60}, where arrays are expected: "
                "split the model with jsci.pure."
            )
    x = jax.tree.map(jnp.asarray, x)
    inputs = [leaf for _, leaf in paths]
    tree = jax.tree.structure(params)
    program = jax.make_jaxpr(lambda leaves, x: f(jax.tree.unflatten(tree, leaves), x))(inputs, x)
    names = [jax.tree_util.keystr(path) for path, _ in paths]
    labels, arrays = _labelled(program, inputs, jax.tree.leaves(x))
    groups = _groups(labels, arrays, names, inputs)
    unproved = _unproved(labels, arrays, names)
    if not groups:
        raise ValueError(_nothing_found(unproved))
    shapes = dict(zip(names, map(np.shape, inputs), strict=True))
    return Units(groups, unproved, tree, shapes, program, x)


def _labelled(program: Any, leaves: list[Any], x: list[Any]) -> tuple[Labels, list[Label]]:
    """What is known after following the program, and the labels of the parameters."""
    labels = Labels(label_equation)
    arrays = [labels.array(leaf.shape, varies=False, leaf=i) for i, leaf in enumerate(leaves)]
    given = [labels.array(leaf.shape, varies=True) for leaf in x]
    for label in (*given, *labels.follow(program, [*arrays, *given], inside=False)):
        labels.fix(label)
        labels.make(label)
    return labels, arrays


def _groups(
    labels: Labels, arrays: list[Label], names: list[str], leaves: list[Any]
) -> dict[str, Group]:
    _fix_squares(labels, arrays)
    places = _places(labels, arrays, names)
    taps = _activations(labels, places)
    meetings: dict[int, str] = {}
    for axis, primitive in labels.coupled:
        for free in labels.axes.positions(axis):
            meetings.setdefault(free, primitive)
    found: dict[str, Group] = {}
    for free in sorted(
        places, key=lambda free: taps[free][0].equation if free in taps else labels.equation
    ):
        name = f"{places[free][0].path}:{places[free][0].axis}"
        name = name if name not in found else f"{name}:{len(found)}"
        bound = meetings.get(free) or _bound(places[free], leaves)
        size, members = labels.axes.sizes[free], tuple(places[free])
        found[name] = Group(name, size, members, bound, tuple(taps.get(free, ())))
    return found


def _activations(labels: Labels, places: Container[int]) -> dict[int, list[Activation]]:
    """The activations of each free axis."""
    found: dict[int, list[Activation]] = {}
    for tap in labels.taps:
        along = [labels.axes.positions(axis) for axis in tap.axes]
        hidden = [free for one in along for free in one if free in places]
        for free, positions in along[tap.axis].items():
            one = Activation(tap.equation, tap.operand, tap.axis, positions, len(hidden) > 1)
            found.setdefault(free, []).append(one)
    return found


def _places(labels: Labels, arrays: list[Label], names: list[str]) -> dict[int, list[Place]]:
    """Where each free axis of more than one entry lies along the parameters.

    Parameters may be tied to units through other parameters alone, as those of a spectral norm are.
    """
    places: dict[int, list[Place]] = {}
    used: set[int] = set()
    for leaf, label in enumerate(arrays):
        for k, axis in enumerate(label.axes):
            uses = labels.uses.get((leaf, k), set())
            for free, positions in labels.axes.positions(axis).items():
                if len(positions) > 1 and labels.axes.fixed(free) is None:
                    place = Place(leaf, names[leaf], k, positions, _role(uses))
                    places.setdefault(free, []).append(place)
                    used |= {free} if uses else set()
    return {free: found for free, found in places.items() if free in used}


def _fix_squares(labels: Labels, arrays: list[Label]) -> None:
    """Leave alone the units of which an axis holds all pairs, h_i h_j flattened."""
    for label in arrays:
        for axis in label.axes:
            for free, positions in labels.axes.positions(axis).items():
                if np.unique(positions).size < positions.size:
                    labels.axes.fix(free, "reshape")


def _role(uses: set[Use]) -> Role:
    if "bent" in uses or not uses:
        return "bent"
    return "both" if len(uses) == 2 else next(iter(uses))


def _bound(places: list[Place], leaves: list[Any]) -> str | None:
    """Why units that never meet cannot be merged all the same."""
    if not all(jnp.issubdtype(leaves[place.leaf].dtype, jnp.inexact) for place in places):
        return "parameters that are integers"
    roles = {place.role for place in places}
    if roles & {"both", "bent"}:
        return "parameters that are used in two ways"
    return None if {"made", "consumed"} <= roles else "no product with parameters"


def _unproved(labels: Labels, arrays: list[Label], names: list[str]) -> tuple[Unproved, ...]:
    found = []
    for leaf, label in enumerate(arrays):
        for k, axis in enumerate(label.axes):
            whys = [labels.axes.fixed(free) for free in labels.axes.positions(axis)]
            primitives = {why.primitive for why in whys if why and why.primitive}
            if primitives and labels.axes.sizes[axis] > 1:
                found.append(Unproved(names[leaf], k, ", ".join(sorted(primitives))))
    return tuple(found)


def _nothing_found(unproved: tuple[Unproved, ...]) -> str:
    if not unproved:
        return (
            "No hidden units: every axis of the parameters belongs to the input or to the output "
            "of f, or is not used. A network of one layer has none."
        )
    axes = "; ".join(f"{u.path} axis {u.axis} ({u.primitive})" for u in unproved[:6])
    return (
        f"No hidden units were found. No permutation could be proved to pass: {axes}. Arrays that "
        "f holds are passed as parameters; what else it computes there, as products and sums."
    )
