"""The activations of hidden units, computed by the traced network."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, Shaped

from .groups import Group, Units
from .tracing.walk import bind, walk


def activations(
    params: PyTree, units: Units, inputs: PyTree
) -> dict[str, Shaped[np.ndarray, "samples _"]]:
    """What the hidden units of a network compute: the activations that parameters multiply.

    **Arguments:**

    - `params`: parameters of the network that `units` is of.
    - `units`: its units.
    - `inputs`: a batch of its inputs, on the leading axis of every leaf.

    **Returns:** for every group, (samples, units). The places of a unit, such as the pixels of a
    channel, are samples as well, and so are several activations of one group (the stream of a
    residual network before each block).

    **Raises:** `ValueError` for parameters or inputs of other shapes. A group that no parameter
    multiplies, or one that lives in a loop alone, is left out.

    ```python
    units = jsci.analysis.units(f, params, x[0])
    [h.shape for h in jsci.analysis.activations(params, units, x).values()]  # 20, 8
    ```
    """
    seen = tapped(params, units, inputs)
    return {name: samples(group, seen) for name, group in units.groups.items() if group.activations}


def tapped(params: PyTree, units: Units, inputs: PyTree) -> dict[tuple[int, int], np.ndarray]:
    """The activations of all groups, by equation and operand, with the batch in front."""
    leaves, x = units.typed(units.leaves(params)), _batch(units, inputs)
    wanted = {(a.equation, a.operand) for g in units.groups.values() for a in g.activations}
    keys = sorted(wanted)
    compute = jax.jit(jax.vmap(lambda leaves, x: _followed(units, leaves, x, keys), (None, 0)))
    return dict(zip(keys, map(np.asarray, compute(leaves, x)), strict=True))


def samples(
    group: Group, seen: Mapping[tuple[int, int], np.ndarray], *, by_size: bool = False
) -> Shaped[np.ndarray, "samples _"]:
    """The activations of one group among those that were tapped.

    `by_size` sorts what a sample has of a unit that shares its activation with other groups, which
    no permutation of these changes.
    """
    found = []
    for one in group.activations:
        array = np.moveaxis(seen[one.equation, one.operand], one.axis + 1, 0)[one.positions]
        rows = np.moveaxis(array, 1, 2).reshape(len(array), array.shape[2], -1)
        rows = np.sort(rows, -1) if by_size and one.shared else rows
        found.append(rows.reshape(group.size, -1).T)
    return np.concatenate(found)


def _followed(
    units: Units, leaves: list[Array], x: PyTree, keys: list[tuple[int, int]]
) -> list[Array]:
    """The inputs of some equations, for one input of the network."""
    seen: dict[tuple[int, int], Array] = {}
    number = 0

    def rule(equation, inputs):
        nonlocal number
        seen.update({(number, k): value for k, value in enumerate(inputs) if (number, k) in keys})
        number += 1
        return bind(equation, inputs)

    walk(units.program, [*leaves, *jax.tree.leaves(x)], rule, lambda value: value)
    return [seen[key] for key in keys]


def _batch(units: Units, inputs: PyTree) -> PyTree:
    """Inputs as the network was traced with."""
    shapes, found = (
        [np.shape(leaf)[skip:] for leaf in jax.tree.leaves(tree)]
        for tree, skip in ((units.x, 0), (inputs, 1))
    )
    same = jax.tree.structure(inputs) == jax.tree.structure(units.x)
    empty = any(np.ndim(a) == 0 or not len(a) for a in jax.tree.leaves(inputs))
    if not same or shapes != found or empty:
        raise ValueError(
            f"inputs must be a batch of inputs of shapes {shapes}, as units() was given one; got "
            f"{[np.shape(leaf) for leaf in jax.tree.leaves(inputs)]}."
        )
    return jax.tree.map(lambda a, like: jnp.asarray(a, like.dtype), inputs, units.x)
