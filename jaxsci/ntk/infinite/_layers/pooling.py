"""Layers that combine positions: pooling and flattening."""

from collections.abc import Sequence
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from .layer import AbstractLayer, FiniteLayer
from .pair import Pair
from .windows import crossed_window_sum, per_axis


class AvgPool(AbstractLayer):
    """The mean over windows of positions.

        K(s, s') ← Σ_δδ' K(s + δ, s' + δ') / |window|²

    **Arguments:**

    - `window`: sizes along the position axes; only whole windows count.
    - `strides`: the step along each axis, or one for all; by default the window itself.

    **Raises:** `ValueError` for a window that does not fit the positions.

    **Notes:** needs the covariances of all pairs of positions, (positions)² numbers per pair of
    inputs.

    **Source:** Novak et al. (2019), section 3.3.

    ```python
    infinite.serial(infinite.Conv(64, (3, 3)), infinite.Relu(), infinite.AvgPool((2, 2)))
    ```
    """

    window: tuple[int, ...] = eqx.field(static=True, converter=tuple)
    strides: int | Sequence[int] | None = eqx.field(static=True, default=None, kw_only=True)

    def propagate(self, pair: Pair) -> Pair:
        strides = self._strides(pair.rank)
        area = float(np.prod(self.window))
        return pair.map(lambda k: crossed_window_sum(k, self.window, strides) / area**2)

    def needs_crossed(self, after: bool) -> bool:
        return True

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        strides = (*self._strides(len(shape) - 1), 1)
        window = (*self.window, 1)
        area = float(np.prod(self.window))

        def pool(x):
            return jax.lax.reduce_window(x, 0.0, jax.lax.add, window, strides, "VALID") / area

        return finite(pool, shape)

    def _strides(self, rank: int) -> tuple[int, ...]:
        return per_axis(self.window, self.window if self.strides is None else self.strides, rank)


class GlobalAvgPool(AbstractLayer):
    """The mean over all positions.

        K ← mean over s and s' of K(s, s')

    **Notes:** needs the covariances of all pairs of positions.

    **Source:** Novak et al. (2019), section 3.3.

    ```python
    features = infinite.serial(infinite.Conv(64, (3, 3)), infinite.Relu())
    net = infinite.serial(features, infinite.GlobalAvgPool(), infinite.Dense(1))
    ```
    """

    def propagate(self, pair: Pair) -> Pair:
        return replace(pair.map(jnp.mean), rank=0, crossed=False)

    def needs_crossed(self, after: bool) -> bool:
        return True

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        return finite(lambda x: jnp.mean(x, axis=tuple(range(x.ndim - 1))), shape)


class Flatten(AbstractLayer):
    """All positions and channels as the channels of one vector.

        K ← mean over s of K(s, s)

    **Notes:** needs only equal positions, which makes a convolutional network with a flattened head
    cheaper than one with pooling by a factor of the number of positions.

    **Source:** Novak et al. (2019), section 3.2.

    ```python
    features = infinite.serial(infinite.Conv(64, (3, 3)), infinite.Relu())
    net = infinite.serial(features, infinite.Flatten(), infinite.Dense(1))
    ```
    """

    def propagate(self, pair: Pair) -> Pair:
        return replace(pair.at_equal_positions().map(jnp.mean), rank=0)

    def needs_crossed(self, after: bool) -> bool:
        return False

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        return finite(jnp.ravel, shape)


def finite(function, shape: tuple[int, ...]) -> FiniteLayer:
    """A layer without parameters, and the shape of its output."""
    output = jax.eval_shape(function, jax.ShapeDtypeStruct(shape, jnp.result_type(float)))
    return eqx.nn.Lambda(function), output.shape
