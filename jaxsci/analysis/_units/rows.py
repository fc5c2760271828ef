"""What a group's parameters have of each of its units, as one row per unit."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .groups import Group, Units
from .permute import unit_rows, with_rows
from .tracing.walk import bind, walk


def rows(leaves: list[np.ndarray], group: Group, role: str) -> Float[np.ndarray, "units numbers"]:
    """The parameters that make units, or those that consume them."""
    return np.concatenate([unit_rows(leaves[p.leaf], p) for p in group.places if p.role == role], 1)


def set_rows(
    leaves: list[np.ndarray], group: Group, role: str, new: Float[np.ndarray, "units numbers"]
) -> None:
    """Write them back."""
    begin = 0
    for place in group.places:
        if place.role == role:
            width = unit_rows(leaves[place.leaf], place).shape[1]
            part = new[:, begin : begin + width]
            leaves[place.leaf] = with_rows(leaves[place.leaf], place, part)
            begin += width


def chosen(units: Units, wanted: float | Mapping[str, float], verb: str) -> dict[str, float]:
    """How many units, or which share of them, of which groups."""
    if isinstance(wanted, Mapping):
        for name in wanted:
            if bound := units.group(name).bound:
                raise ValueError(
                    f"{verb}() cannot change the number of units of {name!r}: they meet in "
                    f"{bound}, which depends on their number."
                )
        return dict(wanted)
    free = {name: float(wanted) for name, group in units.groups.items() if group.bound is None}
    if not free:
        why = "; ".join(f"{name!r}: {group.bound}" for name, group in units.groups.items())
        raise ValueError(f"{verb}() cannot change the number of units of any group ({why}).")
    return free


def whole(units: Units, params: PyTree) -> list[np.ndarray]:
    """The leaves in float64, where sums of many parameters are formed."""
    return [np.asarray(leaf, np.float64) for leaf in units.leaves(params)]


def tree(params: PyTree, leaves: list[np.ndarray]) -> PyTree:
    """Parameters of the dtypes of those given."""
    like = jax.tree.leaves(params)
    arrays = [jnp.asarray(a, jnp.result_type(b)) for a, b in zip(leaves, like, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(params), arrays)


def is_homogeneous(units: Units, leaves: list[np.ndarray], group: Group) -> bool:
    """Whether units that are made twice as large and consumed by half are the same at units.x.

    So it is with ReLU; a network of tanh would differ in the first digit.
    """
    scaled = list(leaves)
    for role, factor in (("made", 2.0), ("consumed", 0.5)):
        set_rows(scaled, group, role, factor * rows(scaled, group, role))
    before, after = (_outputs(units, params) for params in (leaves, scaled))
    size = max((float(np.max(np.abs(y), initial=0.0)) for y in before), default=0.0)
    gap = max(float(np.max(np.abs(y - z), initial=0.0)) for y, z in zip(before, after, strict=True))
    return gap <= 1e-4 * size


def _outputs(units: Units, leaves: list[np.ndarray]) -> list[Array]:
    x = jax.tree.leaves(units.x)
    types = [v.aval.dtype for v in units.program.jaxpr.invars]
    arrays = [jnp.asarray(a, t) for a, t in zip([*leaves, *x], types, strict=True)]
    return walk(units.program, arrays, bind, lambda value: value)
