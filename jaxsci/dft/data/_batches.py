"""Batches of molecules of similar size, and random minibatches."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PRNGKeyArray

from .._system.molecule import Molecule
from .._training.samples import Sample, training_batch


def buckets(
    molecules: Sequence[Molecule],
    energies: ArrayLike,
    *,
    count: int | None = None,
    names: Sequence[str] | None = None,
) -> tuple[Sample, ...]:
    """Training batches of molecules of similar size, which need little padding.

    **Arguments:**

    - `molecules`: n molecules, not stacked.
    - `energies`: reference energies in Hartree, (n,).
    - `count`: the number of batches, of as nearly equal numbers of molecules as possible. `None`
        makes one batch of each shape, for what `jsci.dft.molecules(..., buckets=)` returns.
    - `names`: display names of the molecules; "molecule 0" and so on by default.

    **Returns:** a tuple of `Sample` batches in ascending order of size. With `count=None` the
    molecules of each are in the order of `molecules`.

    **Raises:** `ValueError` if there are fewer molecules than batches, or if `energies` does not
    have shape (n,); what `training_batch` raises.

    ```python
    small, large = jsci.dft.data.buckets(molecules, energies, count=2)
    error = jsci.dft.energy_error(functional)
    loss = jsci.objective({"small": error, "large": error})

    padded = jsci.dft.pad_to_buckets(molecules, 2)
    batches = jsci.dft.data.buckets(padded, energies)  # at most two
    ```
    """
    n, energies = len(molecules), np.asarray(energies)
    if count is not None and not 1 <= count <= n:
        raise ValueError(f"count is {count}; with {n} molecules it must be from 1 to {n}.")
    if energies.shape != (n,):
        raise ValueError(f"energies must have shape ({n},), got {energies.shape}.")
    names = [f"molecule {i}" for i in range(n)] if names is None else list(names)
    order = sorted(range(n), key=lambda i: (molecules[i].size, molecules[i].grid.size))
    parts = _of_one_shape(molecules, order) if count is None else np.array_split(order, count)
    return tuple(
        training_batch([molecules[i] for i in part], energies[part], names=[names[i] for i in part])
        for part in parts
    )


def _of_one_shape(molecules: Sequence[Molecule], order: Sequence[int]) -> list[list[int]]:
    parts: dict[Any, list[int]] = {}
    for i in order:
        leaves, structure = jax.tree.flatten(molecules[i])
        parts.setdefault((structure, *map(np.shape, leaves)), []).append(i)
    return list(parts.values())


def minibatch(samples: Sample | Mapping[str, Sample], size: int) -> Callable[[PRNGKeyArray], Any]:
    """Random molecules of a batch, without repetition, as a pure function of a key for `fit`.

    **Arguments:**

    - `samples`: a batch from `training_batch`, or several buckets by name. Each bucket contributes
        in proportion to its size, and at least one molecule.
    - `size`: molecules in a minibatch, over all buckets.

    **Returns:** `draw(key)`, which returns a `Sample`, or a dictionary of one per bucket.

    **Raises:** `ValueError` for a size that is below 1 (or the number of buckets) or above the
    number of molecules.

    **Good values:** terms of an objective are means, so weight each bucket by its number of
    molecules.

    ```python
    small, large = jsci.dft.data.buckets(molecules, energies, count=2)
    draw = jsci.dft.data.minibatch({"small": small, "large": large}, 2)
    error = jsci.dft.energy_error(functional)
    loss = jsci.objective({"small": error, "large": error})
    jsci.fit(loss, params, draw, optax.adam(1e-3), key=key, steps=100)
    ```
    """
    if isinstance(samples, Mapping):
        counts = {name: _count(bucket) for name, bucket in samples.items()}
        n = sum(counts.values())
        _check_size(size, n, at_least=len(counts))
        shares = {name: max(1, round(size * k / n)) for name, k in counts.items()}
        draws = {name: minibatch(bucket, shares[name]) for name, bucket in samples.items()}
        return lambda key: {
            name: draw(jax.random.fold_in(key, i)) for i, (name, draw) in enumerate(draws.items())
        }
    n = _count(samples)
    _check_size(size, n, at_least=1)

    def draw(key: PRNGKeyArray) -> Sample:
        chosen = jax.random.choice(key, n, (size,), replace=False)
        return jax.tree.map(lambda x: x[chosen], samples)

    return draw


def _count(samples: Sample) -> int:
    return samples.molecule.overlap.shape[0]


def _check_size(size: int, n: int, at_least: int) -> None:
    if not at_least <= size <= n:
        raise ValueError(f"size is {size}; a batch of {n} molecules gives from {at_least} to {n}.")
