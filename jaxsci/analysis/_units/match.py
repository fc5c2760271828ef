"""The permutation of one network's units that makes it most like another."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, PyTree

from .activations import activations, samples, tapped
from .correspondence import assign, correlations
from .groups import Group, Place, Units
from .permute import order_of_axis, unit_rows
from .rows import known as known_leaves

_SWEEPS = 100
_TIE = 1e-6  # of a correlation: units that are constant on the inputs are told apart by parameters


class Match(NamedTuple):
    """What `match` found, by groups.

    - `permutations`: unit i of `a` corresponds to unit `permutations[name][i]` of `b`;
        `permute(b, units, permutations)` brings them into the order of `a`.
    - `similarities`: of each unit of `a` with its partner: the correlation of their activations,
        or the cosine of their parameters.
    """

    permutations: dict[str, Int[np.ndarray, " _"]]
    similarities: dict[str, Float[np.ndarray, " _"]]


def match(a: PyTree, b: PyTree, units: Units, *, inputs: PyTree | None = None) -> Match:
    """Which unit of one network corresponds to which of another, one to one.

        max over P of Σ_i corr(z_i, z'_P(i)),   or of ⟨a, P b⟩ without inputs

    **Arguments:**

    - `a`, `b`: parameters of two networks of the same architecture.
    - `units`: the units of that network.
    - `inputs`: a batch of inputs, on the leading axis of every leaf, whose activations are
        compared; labels are not needed. Without them the parameters themselves are compared.

    **Returns:** `Match(permutations, similarities)`, to be applied to `b`.

    **Raises:** `ValueError` for parameters of other trees or shapes, inputs that do not fit or are
    fewer than two samples, and parameters or activations that are not finite; `TypeError` for
    parameters that are traced.

    **Notes:** units that are constant on the inputs are told apart by their parameters, as are
    groups whose activations no parameter multiplies, after the others. Parameters are matched group
    by group until nothing changes, which may be a local optimum. Which guide is better depends on
    the networks: the midpoint of two networks on images of digits is right in 0.93 and 0.94 of all
    cases after matching activations, in 0.96 and 0.96 after matching parameters, and in 0.71 and
    0.52 unmatched. Compare similarities with those of two untrained networks, which are not 0.

    **Good values:** a few inputs for every unit of the widest group.

    **Source:** Li et al., "Convergent learning" (2016); Ainsworth, Hayase and Srinivasa, "Git
    Re-Basin" (2023).

    ```python
    units = jsci.analysis.units(f, params, x[0])
    found = jsci.analysis.match(params, other, units, inputs=x)
    aligned = jsci.analysis.permute(other, units, found.permutations)
    halfway = jax.tree.map(lambda a, b: (a + b) / 2, params, aligned)
    ```
    """
    left, right = known_leaves(units, a, "a"), known_leaves(units, b, "b")
    orders = {} if inputs is None else _by_activations(a, b, units, inputs)
    for name, order in orders.items():
        right = _turned(right, units.groups[name], order)
    further = _by_parameters(left, right, units, set(orders))
    for name, order in further.items():
        right = _turned(right, units.groups[name], order)
    similarities = {name: _cosines(left, right, units.groups[name]) for name in further}
    if orders:
        theirs = activations(units.tree(right), units, inputs)
        for name, mine in activations(a, units, inputs).items():
            similarities[name] = np.diag(correlations(mine, theirs[name]))
    return Match(orders | further, similarities)


def _by_activations(
    a: PyTree, b: PyTree, units: Units, inputs: PyTree
) -> dict[str, Int[np.ndarray, " _"]]:
    """Permutations of the groups that have activations.

    What shares an activation with other groups is compared by size first, which no permutation of
    these changes, and then in the order that was found.
    """
    left, right = ([np.asarray(leaf) for leaf in units.leaves(tree)] for tree in (a, b))
    groups = {name: group for name, group in units.groups.items() if group.activations}
    orders = {name: np.arange(group.size) for name, group in groups.items()}
    mine = tapped(a, units, inputs)
    known: set[str] = set()
    for by_size in (True, False):
        theirs = tapped(units.tree(right), units, inputs)
        for name, group in groups.items():
            if not by_size and not any(one.shared for one in group.activations):
                continue
            scores = correlations(*(samples(group, s, by_size=by_size) for s in (mine, theirs)))
            alike = _scores(left, right, units, name, known)
            tie = _TIE * alike / max(np.abs(alike).max(), np.finfo(float).tiny)
            order = assign(scores + tie)
            orders[name] = orders[name][order]
            right = _turned(right, group, order)
            known.add(name)
    return orders


def _by_parameters(
    left: list[np.ndarray], right: list[np.ndarray], units: Units, known: set[str]
) -> dict[str, Int[np.ndarray, " _"]]:
    """Permutations of the groups that are not known, by coordinate ascent of ⟨a, P b⟩.

    The first sweep compares parameters along axes of groups that are not known yet in order of
    their size, which no permutation changes.
    """
    names = [name for name in units.groups if name not in known]
    orders = {name: np.arange(units.groups[name].size) for name in names}
    for sweep in range(_SWEEPS):
        changed = False
        for name in names:
            group = units.groups[name]
            scores = _scores(left, right, units, name, known)
            order = assign(scores)
            gain = scores[np.arange(len(order)), order].sum() - np.trace(scores)
            if sweep and gain <= 1e-9 * np.abs(scores).sum():
                continue
            right = _turned(right, group, order)
            orders[name] = orders[name][order]
            known = known | {name}
            changed |= bool(np.any(order != np.arange(len(order))))
        if not changed:
            break
    return orders


def _scores(
    left: list[np.ndarray], right: list[np.ndarray], units: Units, name: str, known: set[str]
) -> Float[np.ndarray, "units units"]:
    group = units.groups[name]
    scores = np.zeros((group.size, group.size))
    for place in group.places:
        rows = [unit_rows(leaves[place.leaf], place) for leaves in (left, right)]
        if _unknown_beside(units, name, place, known):
            rows = [np.sort(r, 1) for r in rows]
        scores += np.real(rows[0] @ rows[1].conj().T)
    return scores


def _unknown_beside(units: Units, name: str, place: Place, known: set[str]) -> bool:
    """Whether units that are not matched yet lie along the same leaf."""
    return any(
        other.leaf == place.leaf and (group.name != name or other is not place)
        for group in units.groups.values()
        if group.name not in known
        for other in group.places
    )


def _turned(leaves: list[np.ndarray], group: Group, order: np.ndarray) -> list[np.ndarray]:
    leaves = list(leaves)
    for place in group.places:
        index = order_of_axis(leaves[place.leaf].shape, place, order)
        leaves[place.leaf] = np.take(leaves[place.leaf], index, axis=place.axis)
    return leaves


def _cosines(
    left: list[np.ndarray], right: list[np.ndarray], group: Group
) -> Float[np.ndarray, " units"]:
    a, b = (
        np.concatenate([unit_rows(leaves[p.leaf], p) for p in group.places], 1)
        for leaves in (left, right)
    )
    sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.real(np.sum(a * b.conj(), 1)) / np.where(sizes == 0, 1.0, sizes)
