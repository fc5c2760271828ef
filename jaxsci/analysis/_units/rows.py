"""What a group's parameters have of each of its units, as one row per unit."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, PyTree, Shaped

from .groups import Group, Units
from .permute import unit_rows, with_rows
from .tracing.walk import bind, walk


def rows(leaves: list[np.ndarray], group: Group, role: str) -> Shaped[np.ndarray, "units numbers"]:
    """The parameters that make units, or those that consume them."""
    return np.concatenate([unit_rows(leaves[p.leaf], p) for p in group.places if p.role == role], 1)


def set_rows(
    leaves: list[np.ndarray], group: Group, role: str, new: Shaped[np.ndarray, "units numbers"]
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


def known(units: Units, params: PyTree, name: str = "params") -> list[np.ndarray]:
    """The leaves on the host, where units are merged, added and matched; they must be finite."""
    leaves = units.leaves(params, name)
    if any(isinstance(leaf, Tracer) for leaf in leaves):
        raise TypeError(f"{name} must be arrays that are known: call this outside jit and grad.")
    leaves = [np.asarray(leaf) for leaf in leaves]
    if not all(np.isfinite(leaf).all() for leaf in leaves):
        raise ValueError(f"{name} has parameters that are not finite.")
    return leaves


def whole(units: Units, params: PyTree) -> list[np.ndarray]:
    """The leaves in double precision, where sums of many parameters are formed."""
    leaves = known(units, params)
    return [np.asarray(a, np.complex128 if jnp.iscomplexobj(a) else np.float64) for a in leaves]


def tree(params: PyTree, leaves: list[np.ndarray]) -> PyTree:
    """Parameters of the dtypes of those given."""
    like = jax.tree.leaves(params)
    arrays = [jnp.asarray(a, jnp.result_type(b)) for a, b in zip(leaves, like, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(params), arrays)


def is_homogeneous(units: Units, leaves: list[np.ndarray], group: Group) -> bool:
    """Whether units that are made 64 times as large and consumed by as much less are the same.

    So it is with ReLU. At zero tanh is as well, and a clipped ReLU where it is not clipped: the
    inputs are random ones beside units.x, and the factor is large.
    """
    scaled = list(leaves)
    for role, factor in (("made", 64.0), ("consumed", 1 / 64)):
        set_rows(scaled, group, role, factor * rows(scaled, group, role))
    rng = np.random.default_rng(0)
    given = jax.tree.leaves(units.x)
    drawn = [[_drawn(rng, a) for a in given] for _ in range(3)]
    return all(_agree(*(_outputs(units, p, x) for p in (leaves, scaled))) for x in (given, *drawn))


def _drawn(rng: np.random.Generator, like: Array) -> Array | np.ndarray:
    """A random input; what is no real number, such as a token or a key, is as given."""
    return rng.normal(size=like.shape) if jnp.issubdtype(like.dtype, jnp.floating) else like


def _agree(before: list[Array], after: list[Array]) -> bool:
    """Whether outputs are the same to rounding; an index says nothing about what it is of."""
    if not all(jnp.issubdtype(y.dtype, jnp.inexact) for y in before):
        return False
    size = max((float(np.max(np.abs(y), initial=0.0)) for y in before), default=0.0)
    gap = max(float(np.max(np.abs(y - z), initial=0.0)) for y, z in zip(before, after, strict=True))
    return gap <= 1e-4 * size


def _outputs(
    units: Units, leaves: list[np.ndarray], x: Sequence[Array | np.ndarray]
) -> list[Array]:
    return walk(units.program, units.typed([*leaves, *x]), bind, lambda value: value)
