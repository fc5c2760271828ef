"""Fewer units that compute nearly the same."""

from collections.abc import Mapping

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int, PyTree, Shaped

from .activations import samples, tapped
from .groups import Group, Units
from .rows import chosen, is_homogeneous, rows, set_rows, tree, whole

_RIDGE = 1e-6  # of the mean square of the activations


def merge(
    params: PyTree,
    units: Units,
    share: float | Mapping[str, float],
    *,
    inputs: PyTree | None = None,
) -> PyTree:
    """Remove a share of the hidden units, and let the others do what they did.

        W_out ← R W_out,   R = argmin E‖z - z_kept R‖²               with inputs
        w_i ← ŵ ~ e_i ŵ_i + e_j ŵ_j,   W_out,i ← Σ_k ‖w_k‖ (ŵ_k·ŵ) W_out,k     without, k = i, j

    With unlabelled inputs, the units that others are combined from best are kept (a pivoted QR
    decomposition of the activations), and what consumes them is refitted by ridge regression.
    Without, the two units that are most alike are merged again and again: those whose parameters
    have nearly the same direction ŵ, for their effects e = ‖w‖ ‖W_out‖. Where the network is not
    positively homogeneous in its units, as it is with ReLU, their distance takes the place of the
    angle, and W_out is added.

    **Arguments:**

    - `params`: parameters of the network that `units` is of.
    - `units`: its units.
    - `share`: the share of the units to remove, from 0 to below 1: of every group whose units may
        be merged, or by the name of a group.
    - `inputs`: a batch of inputs, on the leading axis of every leaf, without labels.

    **Returns:** parameters of smaller shapes, for the same function if it takes its widths from
    them, as Equinox's linear layers do; for Flax, of a module of the smaller widths.

    **Raises:** `ValueError` for a share outside [0, 1), for units that meet each other, as in the
    mean of a normalisation, with the primitive in which they do, for complex or unlike
    parameters, fewer than two inputs, and parameters or activations that are not finite;
    `TypeError` for traced parameters.

    **Notes:** without inputs accuracy is lost early in narrow networks: at width 64 one on images
    of digits lost 4 points with 0.3 of its units. Groups that live in loops are merged without
    inputs. Constants that units leave behind are not fitted: only a bias could hold them.

    **Good values:** with 200 inputs 0.5 at width 64 and 0.7 at width 256, where networks on images
    of digits lost 0.7 and 0.8 points; without, 0.3 at width 256, where they lost 1.1. Uniform noise
    over the range of the inputs is better than none: with 0.85 removed at width 256 they lost 8
    points on it, 29 without, and 40 where the smallest units were left out.

    **Source:** for refitting: He, Zhang and Sun, "Channel pruning for accelerating very deep neural
    networks" (2017).

    ```python
    units = jsci.analysis.units(f, params, x[0])
    small = jsci.analysis.merge(params, units, 0.5, inputs=x)
    ```
    """
    shares = chosen(units, share, "merge")
    for name, one in shares.items():
        if not 0 <= one < 1:
            raise ValueError(f"share must be in [0, 1), got {one!r} for {name!r}.")
    leaves = whole(units, params)
    before = None if inputs is None else tapped(params, units, inputs)
    gone: dict[tuple[int, int], list[np.ndarray]] = {}
    for name, group in units.groups.items():
        if name not in shares:
            continue
        count = group.size - int(shares[name] * group.size + 1e-9)  # 0.57 of 100 are 57
        kept = _fewer(units, leaves, group, count, inputs, before)
        lost = np.setdiff1d(np.arange(group.size), kept)
        _silence(leaves, group, lost)
        for place in group.places:
            gone.setdefault((place.leaf, place.axis), []).append(place.positions[lost].ravel())
    for (leaf, axis), positions in gone.items():
        leaves[leaf] = np.delete(leaves[leaf], np.concatenate(positions), axis)
    return tree(params, leaves)


def _fewer(
    units: Units,
    leaves: list[np.ndarray],
    group: Group,
    count: int,
    inputs: PyTree | None,
    before: Mapping[tuple[int, int], np.ndarray] | None,
) -> Int[np.ndarray, " kept"]:
    """Change the parameters of the units that stay; which these are."""
    if count == group.size:
        return np.arange(count)
    if any(np.iscomplexobj(leaves[place.leaf]) for place in group.places):
        raise ValueError(f"merge() needs real parameters, but those of {group.name!r} are complex.")
    if before is None or not group.activations:
        return _merged(leaves, group, count, homogeneous=is_homogeneous(units, leaves, group))
    now = samples(group, tapped(units.tree(leaves), units, inputs))
    then = samples(group, before)
    if len(now) < 2:
        raise ValueError(
            f"merge() needs two inputs or more, got 1: any unit of {group.name!r} fits."
        )
    if not (np.isfinite(now).all() and np.isfinite(then).all()):
        raise ValueError(f"The activations of {group.name!r} are not finite for these inputs.")
    return _refitted(leaves, group, count, np.asarray(now, float), then)


def _silence(leaves: list[np.ndarray], group: Group, lost: Int[np.ndarray, " lost"]) -> None:
    """Until all groups are done, the network keeps its shapes: nothing consumes lost units."""
    consumed = rows(leaves, group, "consumed")
    consumed[lost] = 0
    set_rows(leaves, group, "consumed", consumed)


def _refitted(
    leaves: list[np.ndarray],
    group: Group,
    count: int,
    z: Float[np.ndarray, "samples units"],
    before: Shaped[np.ndarray, "samples units"],
) -> Int[np.ndarray, " kept"]:
    """Fit what was there before any group was merged, so that errors do not add up."""
    consumed = rows(leaves, group, "consumed")
    effects = (z - z.mean(0)) * np.linalg.norm(consumed, axis=1)
    pivots = scipy.linalg.qr(effects, mode="r", pivoting=True)[-1]
    kept = np.sort(pivots[:count])
    moments = z[:, kept].T @ z[:, kept] + _RIDGE * np.sum(z**2) / group.size * np.eye(count)
    combined = np.linalg.lstsq(moments, z[:, kept].T @ before, rcond=None)[0]
    consumed[kept] = combined @ consumed
    set_rows(leaves, group, "consumed", consumed)
    return kept


def _merged(
    leaves: list[np.ndarray], group: Group, count: int, *, homogeneous: bool
) -> Int[np.ndarray, " kept"]:
    made, consumed = rows(leaves, group, "made"), rows(leaves, group, "consumed")
    # What the new rows are of the old ones: a recurrent matrix has entries that are in both.
    maker, consumer = np.eye(group.size), np.eye(group.size)
    if homogeneous:
        sizes = np.linalg.norm(made, axis=1, keepdims=True)
        inverse = 1 / np.where(sizes > 0, sizes, 1.0)
        made, maker = made * inverse, maker * inverse
        consumed, consumer = consumed * sizes, consumer * sizes
    kept = np.arange(group.size)
    while len(kept) > count:
        i, j = _most_alike(made[kept], consumed[kept], homogeneous=homogeneous)
        i, j = kept[i], kept[j]
        effects = np.linalg.norm(consumed[[i, j]], axis=1)
        effects = effects / effects.sum() if effects.sum() > 0 else np.array([0.5, 0.5])
        parts = np.ones(2)
        if homogeneous:
            mean = effects @ made[[i, j]]
            effects = effects / (np.linalg.norm(mean) or 1.0)
            parts = np.maximum(made[[i, j]] @ (effects @ made[[i, j]]), 0)
        for shares, arrays in ((effects, (made, maker)), (parts, (consumed, consumer))):
            for array in arrays:
                array[i] = shares @ array[[i, j]]
        kept = kept[kept != j]
    for role, change in (("made", maker), ("consumed", consumer)):
        set_rows(leaves, group, role, change @ rows(leaves, group, role))
    return kept


def _most_alike(
    made: Float[np.ndarray, "units p"], consumed: Float[np.ndarray, "units q"], *, homogeneous: bool
) -> tuple[int, int]:
    """The two units that are merged at the least cost."""
    effects = np.linalg.norm(consumed, axis=1)
    products = made @ made.T
    squares = np.diag(products)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * products, 0)
    cost = (distances / 2 if homogeneous else np.sqrt(distances)) * np.minimum(
        effects[:, None], effects
    )
    np.fill_diagonal(cost, np.inf)
    i, j = np.unravel_index(np.argmin(cost), cost.shape)
    return int(i), int(j)
