"""A few structures of each shape for every step of a training."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from .._structure.batch import Batch


class Minibatches(eqx.Module):
    """Made by `minibatches`, which describes it.

    - `batches`: the structures of each shape.
    - `real`: the places of those that are not padding.
    - `sizes`: how many of each shape are drawn.
    """

    batches: tuple[Batch, ...]
    real: tuple[Int[Array, "_"], ...]
    sizes: tuple[int, ...] = eqx.field(static=True)

    @property
    def weights(self) -> dict[str, float]:
        """The share of each shape in all structures, by name: its weight in the objective."""
        total = sum(map(len, self.real))
        return {f"shape{k}": len(real) / total for k, real in enumerate(self.real)}

    def __call__(self, key: PRNGKeyArray) -> dict[str, Batch]:
        """Random structures of each shape, none of them twice."""
        keys = jax.random.split(key, len(self.batches))
        return {name: self._drawn(keys[k], k) for k, name in enumerate(self.weights)}

    def _drawn(self, key: PRNGKeyArray, k: int) -> Batch:
        chosen = jax.random.choice(key, self.real[k], (self.sizes[k],), replace=False)
        return jax.tree.map(lambda leaf: leaf[chosen], self.batches[k])


def minibatches(batches: Sequence[Batch], size: int) -> Minibatches:
    """Draw a few structures of each shape, for every step of `fit`.

    **Arguments:**

    - `batches`: what `batch` returns.
    - `size`: the number of structures in a step; each shape has its share of it, at least one.

    **Returns:** `data`, where `data(key)` is a dict of a `Batch` per shape and `data.weights` the
    share of each in all structures. With `jsci.objective(dict.fromkeys(data.weights, r),
    data.weights)` the loss of a step is, on average, that of all structures.

    **Notes:** a step computes every shape, so it takes as long to compile as they are many: one or
    two are enough for structures of similar size (`batch(..., buckets=1)`).

    **Raises:** `ValueError` for no batches, or a size that is not positive.

    ```python
    batches = jsci.atoms.batch([jsci.atoms.Frame(salt, energy=-7.0)] * 4, 6.0)
    data = jsci.atoms.minibatches(batches, 2)
    r = jsci.atoms.property_errors(f)
    loss = jsci.objective(dict.fromkeys(data.weights, r), data.weights)
    ```
    """
    if not batches or size < 1:
        raise ValueError(f"minibatches() needs batches and a positive size, got {size}.")
    real = tuple(jnp.asarray(np.flatnonzero(np.asarray(b.index) >= 0)) for b in batches)
    total = sum(map(len, real))
    sizes = tuple(min(len(one), max(1, round(size * len(one) / total))) for one in real)
    return Minibatches(tuple(batches), real, sizes)
