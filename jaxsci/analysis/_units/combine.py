"""One set of parameters from several that were trained further from the same."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree


def combine(
    base: PyTree,
    tuned: Sequence[PyTree],
    *,
    scale: float = 1.0,
    keep: float | None = None,
    importances: Sequence[PyTree] | None = None,
) -> PyTree:
    """Add what several trainings have changed in the same parameters.

        θ = θ₀ + λ Σ_t τ_t,   τ_t = θ_t - θ₀                               by default
        θ = θ₀ + λ mean of the τ_t of the elected sign, trimmed              with `keep`
        θ = θ₀ + λ Σ_t F_t τ_t / Σ_t F_t                                     with `importances`

    **Arguments:**

    - `base`: the parameters θ₀ that all were trained from.
    - `tuned`: the parameters θ_t of each task, at least one.
    - `scale`: λ. At λ = 1/T the first form is the average of T tasks.
    - `keep`: trim, elect and merge ("TIES"): of each task this share of the changes is kept, the
        largest; every parameter goes the way that the sum of its changes does, by the mean of the
        changes in that direction.
    - `importances`: for each task how much each parameter matters to it, not negative, such as the
        mean squared gradient of the log likelihood (the diagonal of the Fisher information).
        Where all are 0 the mean is taken.

    **Returns:** the combined parameters.

    **Raises:** `ValueError` for no tasks, parameters of other trees or shapes, a `keep` outside
    (0, 1], another number of importances than of tasks, negative importances, or both options at
    once; `TypeError` for parameters that are no floating-point numbers, and for complex ones with
    `keep`. A change or an importance that is NaN makes the parameter NaN.

    **Notes:** networks that were trained from different initial parameters have their units in
    different orders: `match` and `permute` them first. Changes that are large compared with what
    tasks share disturb each other: try smaller λ on held-out data.

    **Good values:** λ from 0.3 to 1; `keep` from 0.2 to 0.5.

    **Source:** Ilharco et al., "Editing models with task arithmetic" (2023); Yadav et al.,
    "TIES-merging" (2023); Matena and Raffel, "Merging models with Fisher-weighted averaging"
    (2022).

    ```python
    both = jsci.analysis.combine(params, [other, params], scale=0.5)
    ```
    """
    _check(base, tuned, keep, importances)
    changes = [jax.tree.map(jnp.subtract, theta, base) for theta in tuned]
    if importances is not None:
        change = jax.tree.map(_weighted, _stacked(changes), _stacked(importances))
    elif keep is not None:
        change = jax.tree.map(_elected, _stacked([_trimmed(tau, keep) for tau in changes]))
    else:
        change = jax.tree.map(lambda *tau: sum(tau), *changes)

    def moved(theta, tau, *thetas):  # neither the scale nor importances widen the dtype
        return theta + jnp.asarray(scale * tau, jnp.result_type(theta, *thetas))

    return jax.tree.map(moved, base, change, *tuned)


def _check(
    base: PyTree,
    tuned: Sequence[PyTree],
    keep: float | None,
    importances: Sequence[PyTree] | None,
) -> None:
    if not tuned:
        raise ValueError("combine() needs the parameters of at least one task.")
    if keep is not None and importances is not None:
        raise ValueError("combine() takes keep or importances, not both.")
    if keep is not None and not 0 < keep <= 1:
        raise ValueError(f"keep must be in (0, 1], got {keep!r}.")
    if importances is not None and len(importances) != len(tuned):
        raise ValueError(f"{len(tuned)} tasks have {len(importances)} importances.")
    _check_types(base, real=keep is not None)
    shapes = jax.tree.map(np.shape, base)
    for name, trees in (("tuned", tuned), ("importances", importances or ())):
        for k, tree in enumerate(trees):
            same = jax.tree.structure(tree) == jax.tree.structure(base)
            if not same or jax.tree.map(np.shape, tree) != shapes:
                raise ValueError(f"{name}[{k}] has other shapes or another tree than base.")
            _check_types(tree, real=keep is not None or name == "importances")
    for leaf in jax.tree.leaves(importances):
        if not isinstance(leaf, Tracer) and (np.asarray(leaf) < 0).any():
            raise ValueError(f"importances must not be negative, got {np.min(np.asarray(leaf))}.")


def _check_types(tree: PyTree, *, real: bool) -> None:
    """Integers, such as a count of steps, are not trained; their changes have no shares."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        dtype = jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.floating if real else jnp.inexact):
            raise TypeError(
                f"The leaf {jax.tree_util.keystr(path) or 'itself'} is {dtype}, where "
                f"{'real ' if real else ''}floating-point numbers are combined: split it off."
            )


def _stacked(trees: Sequence[PyTree]) -> PyTree:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _trimmed(tau: PyTree, keep: float) -> PyTree:
    """The largest changes of one task, over all of its parameters."""
    sizes = jnp.sort(jnp.concatenate([jnp.abs(leaf).ravel() for leaf in jax.tree.leaves(tau)]))
    least = sizes[len(sizes) - max(1, round(keep * len(sizes)))]
    return jax.tree.map(lambda leaf: jnp.where(jnp.abs(leaf) < least, 0, leaf), tau)


def _elected(tau: Float[Array, "tasks *shape"]) -> Float[Array, "*shape"]:
    sign = jnp.sign(jnp.sum(tau, 0, keepdims=True))
    agree = (jnp.sign(tau) == sign) & (tau != 0)
    mean = jnp.sum(jnp.where(agree, tau, 0), 0) / jnp.maximum(jnp.sum(agree, 0), 1)
    return jnp.where(jnp.isfinite(sign[0]), mean, sign[0])


def _weighted(
    tau: Float[Array, "tasks *shape"], weight: Float[Array, "tasks *shape"]
) -> Float[Array, "*shape"]:
    total = jnp.sum(weight, 0)
    mean = jnp.sum(weight * tau, 0) / jnp.where(total == 0, 1, total)
    return jnp.where(total == 0, jnp.mean(tau, 0), mean)
