"""More units, and the same function."""

from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray, PyTree

from .groups import Place, Units
from .rows import chosen, tree, whole


def grow(params: PyTree, units: Units, extra: int | Mapping[str, int], key: PRNGKeyArray) -> PyTree:
    """Add hidden units without changing the function.

        w_new = w_i,   W_out,i + W_out,new = W_out,i of before

    Every new unit is a copy of a random one, and what consumed that one is divided among the two in
    random shares, so that they do not stay the same in training.

    **Arguments:**

    - `params`: parameters of the network that `units` is of.
    - `units`: its units.
    - `extra`: how many units to add: to every group whose units may be added, or by the name of a
        group.
    - `key`: the random key.

    **Returns:** parameters of larger shapes, for the same function if it takes its widths from
    them, as Equinox's linear layers do; for Flax, of a module of the larger widths.

    **Raises:** `ValueError` for a number below 0, for units that meet each other, as in the mean of
    a normalisation, with the primitive in which they do, for two groups on one axis (the heads
    of attention and their entries), which are grown one after the other, or for parameters that are
    unlike or not finite; `TypeError` for traced ones.

    **Notes:** the function is the same to rounding. What it divides by its width, such as by √n in
    the tangent kernel's parametrisation, changes with it. States of optimisers do not grow: start
    anew.

    **Source:** Chen, Goodfellow and Shlens, "Net2Net: accelerating learning via knowledge transfer"
    (2016).

    ```python
    units = jsci.analysis.units(f, params, x[0])
    large = jsci.analysis.grow(params, units, 4, key)
    bool(jnp.allclose(f(large, x[0]), f(params, x[0]), atol=1e-5))  # True
    ```
    """
    wanted = chosen(units, extra, "grow")
    _check(units, wanted)
    leaves = whole(units, params)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
    for name, count in wanted.items():
        group = units.groups[name]
        sources = np.append(np.arange(group.size), rng.integers(group.size, size=int(count)))
        shares = rng.uniform(0.25, 0.75, len(sources))
        shares /= np.bincount(sources, shares)[sources]
        for place in group.places:
            leaf = leaves[place.leaf]
            index, factor = _longer(leaf.shape[place.axis], place, sources, shares)
            leaf = np.take(leaf, index, place.axis)
            if place.role == "consumed":
                leaf = np.moveaxis(np.moveaxis(leaf, place.axis, -1) * factor, -1, place.axis)
            leaves[place.leaf] = leaf
    return tree(params, leaves)


def _check(units: Units, wanted: Mapping[str, float]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for name, count in wanted.items():
        if not 0 <= count < float("inf") or count != int(count):
            raise ValueError(f"extra must be a number of units, got {count!r} for {name!r}.")
        for place in units.groups[name].places:
            other = taken.setdefault((place.leaf, place.axis), name)
            if other != name:
                raise ValueError(
                    f"{other!r} and {name!r} lie on one axis, {place.axis} of {place.path}: grow "
                    "one of them by its name, then call units() again for the other."
                )


def _longer(
    size: int, place: Place, sources: Int[np.ndarray, " all"], shares: Float[np.ndarray, " all"]
) -> tuple[Int[np.ndarray, " longer"], Float[np.ndarray, " longer"]]:
    """Which entry each of a longer axis copies, and its share.

    New units follow the last one of each run of units: of every pixel, if channels are units that
    lie between others along the axis.
    """
    units, places = place.positions.shape
    factor = np.ones(size)
    factor[place.positions] = shares[:units, None]
    ends, within = _ends(place.positions)
    copied = place.positions[sources[units:]]
    number = np.broadcast_to(np.arange(len(copied))[:, None], copied.shape)
    where = np.append(np.arange(size), np.broadcast_to(ends - 0.5, copied.shape))
    first = np.append(np.zeros(size), number)
    then = np.append(np.zeros(size), np.broadcast_to(within, copied.shape))
    order = np.lexsort((then, first, where))
    factors = np.append(factor, np.repeat(shares[units:], places))
    return np.append(np.arange(size), copied)[order], factors[order]


def _ends(
    positions: Int[np.ndarray, "units places"],
) -> tuple[Int[np.ndarray, " places"], Int[np.ndarray, " places"]]:
    """Behind which entry the run of units ends that each place belongs to; its place in a unit."""
    strides, last = positions[1] - positions[0], positions[-1]
    ends, within = np.empty_like(last), np.empty_like(last)
    for stride in np.unique(strides):
        columns = np.flatnonzero(strides == stride)
        columns = columns[np.argsort(last[columns])]
        rank = np.arange(len(columns))
        ends[columns] = last[columns[rank - rank % stride]] + stride
        within[columns] = rank % stride
    return ends, within
