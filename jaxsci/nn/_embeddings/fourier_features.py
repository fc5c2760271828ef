"""Random, learned and periodic Fourier features."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from .._dense import check_sizes, check_vector


class FourierFeatures(eqx.Module):
    """x ↦ [cos(x B), sin(x B)] with random frequencies B ~ N(0, s²).

    **Arguments:**

    - `in_size`: coordinates of a point.
    - `count`: number of frequencies; there are twice as many features.
    - `key`: PRNG key of the frequencies.
    - `scale`: s, the typical frequency in radians per unit length. If it is too high, the network
        overfits between the points.
    - `trainable`: whether the frequencies are learned.
    - `dtype`: of the frequencies; by default JAX's default float type.

    Called with one point `(in_size,)`; returns `(2 count,)`.

    **Raises:** `ValueError` for sizes that are not positive, or a point of another size.

    **Source:** Tancik et al., "Fourier features let networks learn high frequency functions in low
    dimensional domains" (2020), equation 5.

    ```python
    features = jsci.nn.FourierFeatures(2, 32, scale=3.0, key=jax.random.key(0))
    net = jsci.nn.MLP(2, "scalar", width=32, depth=2, embedding=features, key=jax.random.key(1))
    ```
    """

    frequencies: Float[Array, "in_size count"]
    trainable: bool = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        count: int,
        *,
        key: PRNGKeyArray,
        scale: float = 1.0,
        trainable: bool = False,
        dtype: DTypeLike | None = None,
    ):
        check_sizes(in_size=in_size, count=count)
        dtype = jnp.dtype(dtype or jnp.result_type(float))
        self.frequencies = scale * jax.random.normal(key, (in_size, count), dtype)
        self.trainable = trainable

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, " features"]:
        check_vector(x, len(self.frequencies), "FourierFeatures")
        b = self.frequencies if self.trainable else jax.lax.stop_gradient(self.frequencies)
        phase = x @ b
        return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)])


class PeriodicEmbedding(eqx.Module):
    """xᵢ ↦ [cos(2πk xᵢ/Lᵢ), sin(2πk xᵢ/Lᵢ)], k = 1…K, on the periodic coordinates: exact.

    Any network applied to it is periodic, with all derivatives.

    **Arguments:**

    - `periods`: Lᵢ for each coordinate, in its unit; `None` for a coordinate that is not periodic
        and passes unchanged.
    - `harmonics`: K, the number of harmonics per periodic coordinate.

    Called with one point; returns the vector of features.

    **Raises:** `ValueError` for a period or a number of harmonics that is not positive, or a point
    of another size.

    **Source:** Dong & Ni, "A method for representing periodic functions and enforcing exactly
    periodic boundary conditions with deep neural networks" (2021).

    ```python
    embedding = jsci.nn.PeriodicEmbedding((2.0, None))
    net = jsci.nn.MLP(2, "scalar", width=20, depth=3, embedding=embedding, key=key)
    ```
    """

    periods: tuple[float | None, ...] = eqx.field(static=True)
    harmonics: int = eqx.field(static=True)

    def __init__(self, periods: tuple[float | None, ...], *, harmonics: int = 1):
        check_sizes(harmonics=harmonics)
        for period in periods:
            if period is not None and not period > 0:
                raise ValueError(f"periods must be positive or None, got {periods}.")
        self.periods = tuple(periods)
        self.harmonics = harmonics

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, " features"]:
        check_vector(x, len(self.periods), "PeriodicEmbedding")
        features = []
        for xi, period in zip(x, self.periods, strict=True):
            if period is None:
                features.append(xi)
                continue
            for k in range(1, self.harmonics + 1):
                phase = (2 * jnp.pi * k / period) * xi
                features += [jnp.cos(phase), jnp.sin(phase)]
        return jnp.stack(features)
