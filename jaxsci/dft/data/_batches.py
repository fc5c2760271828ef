"""Batches of molecules of similar size, and random minibatches of them."""

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
    count: int,
    names: Sequence[str] | None = None,
) -> tuple[Sample, ...]:
    """Training batches of molecules of similar size, so that little is computed for padding.

    **Arguments:**

    - `molecules`, `energies`, `names`: as in `training_batch`.
    - `count`: number of batches, of as equal a number of molecules as possible.

    **Returns:** batches in ascending order of size.

    **Raises:** `ValueError` if there are not as many molecules as batches; what `training_batch`
    raises.

    ```python
    small, large = jsci.dft.data.buckets(molecules, energies, count=2)
    loss = jsci.objective({"small": energy_error(functional), "large": energy_error(functional)})
    ```
    """
    n, energies = len(molecules), np.asarray(energies)
    if not 1 <= count <= n:
        raise ValueError(f"count is {count}; with {n} molecules it must be from 1 to {n}.")
    if energies.shape != (n,):
        raise ValueError(f"energies must have shape ({n},), got {energies.shape}.")
    names = [f"molecule {i}" for i in range(n)] if names is None else list(names)
    order = sorted(range(n), key=lambda i: (molecules[i].size, molecules[i].grid.owner.shape[0]))
    return tuple(
        training_batch([molecules[i] for i in part], energies[part], names=[names[i] for i in part])
        for part in np.array_split(order, count)
    )


def minibatch(samples: Sample | Mapping[str, Sample], size: int) -> Callable[[PRNGKeyArray], Any]:
    """Random molecules of a batch, without repetition, as a pure function of a key for `fit`.

    **Arguments:**

    - `samples`: from `training_batch`, or several buckets by name, each of which gives its share,
        at least one molecule.
    - `size`: molecules in a minibatch, of all buckets together.

    **Returns:** `draw(key)`, a `Sample`, or one for each bucket by name.

    **Raises:** `ValueError` for a size that the batch cannot give.

    **Good values:** terms of an objective are means, so weigh those of buckets by their molecules.

    ```python
    small, large = jsci.dft.data.buckets(molecules, energies, count=2)
    draw = jsci.dft.data.minibatch({"small": small, "large": large}, 8)
    jsci.fit(loss, params, draw, optax.adam(1e-3), key=key, steps=100)  # two terms, by these names
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
