"""Parameters with their units in another order."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree, Shaped

from .groups import Place, Units


def permute(
    params: PyTree,
    units: Units,
    permutations: Mapping[str, Int[Array, " _"] | Int[np.ndarray, " _"]],
) -> PyTree:
    """Parameters whose unit i is unit `permutation[i]` of those given; the function is the same.

    **Arguments:**

    - `params`: parameters of the network that `units` is of.
    - `units`: its units.
    - `permutations`: the name of a group to its new order, (units,); groups that are not named
        stay.

    **Returns:** parameters of the same shapes.

    **Raises:** `ValueError` for an unknown group, an order that is no permutation, or parameters of
    other shapes.

    ```python
    units = jsci.analysis.units(f, params, x[0])
    name = next(iter(units.groups))
    turned = jsci.analysis.permute(params, units, {name: jnp.arange(8)[::-1]})
    bool(jnp.allclose(f(turned, x[0]), f(params, x[0]), atol=1e-6))  # True
    ```
    """
    leaves = units.leaves(params)
    for name, order in permutations.items():
        group, order = units.group(name), np.asarray(order)
        is_list = order.ndim == 1 and np.issubdtype(order.dtype, np.integer)
        if not is_list or sorted(order) != list(range(group.size)):
            raise ValueError(
                f"permutations[{name!r}] must have each of 0 to {group.size - 1} once, as "
                f"integers, got {order.tolist()!r:.80}."
            )
        for place in group.places:
            index = order_of_axis(np.shape(leaves[place.leaf]), place, order)
            leaves[place.leaf] = jnp.take(jnp.asarray(leaves[place.leaf]), index, axis=place.axis)
    return units.tree(leaves)


def order_of_axis(
    shape: tuple[int, ...], place: Place, order: Int[np.ndarray, " _"]
) -> Int[np.ndarray, " _"]:
    """The order of an axis in which its units have another order."""
    index = np.arange(shape[place.axis])
    index[place.positions] = place.positions[order]
    return index


def unit_rows(leaf: Any, place: Place) -> Shaped[np.ndarray, "units numbers"]:
    """What a leaf has of every unit, one row for each."""
    moved = np.moveaxis(np.asarray(leaf), place.axis, 0)[place.positions]
    return moved.reshape(len(moved), -1)


def with_rows(leaf: Any, place: Place, rows: Shaped[np.ndarray, "units numbers"]) -> np.ndarray:
    """A leaf with other numbers of every unit."""
    moved = np.moveaxis(np.array(leaf), place.axis, 0)
    moved[place.positions] = rows.reshape(moved[place.positions].shape)
    return np.moveaxis(moved, 0, place.axis)
