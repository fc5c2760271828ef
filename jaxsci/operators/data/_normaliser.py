"""Fields of mean zero and standard deviation one, and back."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from .._forecast.rollout import Window

Fields = Num[Array, "... channels"] | Num[np.ndarray, "... channels"]


class Normaliser(eqx.Module):
    """An affine map of each channel, and the same for constants and parameters.

        v = (u - mean) / deviation

    `Trajectories.normaliser()` makes it. A pytree: it goes through `jit`, and `save` keeps it.

    **Arguments:**

    - `mean`, `deviation`: of the fields, `(channels,)` each.
    - `inputs`: mean and deviation of each entry of a window's inputs, by its name.

    Called as `normaliser(window)` it normalises a `Window`, one or a batch.

    ```python
    scale = jsci.operators.data.Normaliser(jnp.array([2.0]), jnp.array([0.5]), {})
    scale.inverse(scale.forward(a))  # the fields themselves
    ```
    """

    mean: Float[Array, " channels"]
    deviation: Float[Array, " channels"]
    inputs: dict[str, tuple[Float[Array, " channels"], Float[Array, " channels"]]]

    def __call__(self, window: Window) -> Window:
        inputs = window.inputs
        if inputs is not None:
            inputs = {k: _scaled(v, *self.inputs[k]) for k, v in inputs.items()}
        return window._replace(fields=self.forward(window.fields), inputs=inputs)

    def forward(self, fields: Fields) -> Float[Array, "... channels"]:
        """Fields to mean zero and deviation one."""
        return _scaled(fields, self.mean, self.deviation)

    def inverse(self, fields: Fields) -> Float[Array, "... channels"]:
        """Normalised fields, such as a forecast, to those in the unit of the data."""
        fields = _inexact(fields)
        return fields * _like(self.deviation, fields) + _like(self.mean, fields)


class Moments(NamedTuple):
    """Number, mean and summed squared deviation of each channel."""

    count: Any = 0.0
    mean: Any = 0.0
    squares: Any = 0.0

    def joined(self, values: np.ndarray) -> "Moments":
        """With further values `(n, channels)`, by Chan's formula, which does not cancel."""
        if not len(values):
            return self
        values = values.astype(np.float64)
        count, mean = len(values), values.mean(0)
        squares = ((values - mean) ** 2).sum(0)
        total, step = self.count + count, mean - self.mean
        return Moments(
            total,
            self.mean + step * count / total,
            self.squares + squares + step**2 * self.count * count / total,
        )

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation; 1 of a channel that does not vary, beyond rounding."""
        deviation = np.sqrt(self.squares / self.count)
        rounding = 1e-7 * np.abs(self.mean)
        return np.where(deviation > rounding, deviation, 1.0)

    def arrays(self) -> tuple[Array, Array]:
        """Mean and deviation in the default dtype."""
        return jnp.asarray(self.mean, float), jnp.asarray(self.deviation, float)


def moments(chunks: Iterable[np.ndarray]) -> Moments:
    """Of all chunks `(n, channels)`, one after the other."""
    found = Moments()
    for chunk in chunks:
        found = found.joined(chunk)
    return found


def _scaled(values, mean, deviation):
    values = _inexact(values)
    return (values - _like(mean, values)) / _like(deviation, values)


def _inexact(values):
    """Whole numbers as floats: a deviation of 0.5 is none of them."""
    values = jnp.asarray(values)
    return values if jnp.issubdtype(values.dtype, jnp.inexact) else values.astype(float)


def _like(vector, values):
    return vector.astype(values.dtype).reshape(*(1,) * (values.ndim - 1), -1)
