"""Batches of molecules of similar size, and random minibatches of them."""

from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Key

from ..molecule import Molecule
from ..train import Sample, training_batch


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


def minibatch(samples: Sample, size: int) -> Callable[[Key[Array, ""]], Sample]:
    """Random molecules of a batch, without repetition, as a pure function of a key for `fit`.

    **Arguments:**

    - `samples`: from `training_batch` or `buckets`.
    - `size`: molecules in a minibatch.

    **Returns:** `draw(key) -> Sample`.

    **Raises:** `ValueError` for a size that the batch cannot give.

    ```python
    draw = jsci.dft.data.minibatch(samples, 8)
    jsci.fit(loss, params, lambda key: {"energy": draw(key)}, optax.adam(1e-3), key=key, steps=100)
    ```
    """
    n = samples.molecule.overlap.shape[0]
    if not 1 <= size <= n:
        raise ValueError(f"size is {size}; a batch of {n} molecules gives from 1 to {n}.")

    def draw(key: Key[Array, ""]) -> Sample:
        chosen = jax.random.choice(key, n, (size,), replace=False)
        return jax.tree.map(lambda x: x[chosen], samples)

    return draw
