"""Sinusoidal representation networks."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ._dense import Dense, check_sizes, output_size


class SIREN(eqx.Module):
    """A perceptron with sine activations, initialised to keep its spectrum through depth.

        h ← sin(ω₀ (h W + b)),   W ~ U(±1/m) in the first layer, U(±√(6/m)/ω₀) after it

    **Arguments:**

    - `in_size`, `out_size`, `width`, `depth`: as of `MLP`.
    - `frequency`: ω₀; 30 for images on [-1, 1], 1 to 5 for smooth solutions.

    **Raises:** `ValueError` for sizes or a frequency that are not positive.

    Source: Sitzmann et al., "Implicit neural representations with periodic activation functions"
    (2020), section 3.2.

    ```python
    net = jsci.nn.SIREN(2, "scalar", width=32, depth=2, frequency=3.0, key=jax.random.key(0))
    u = net(jnp.zeros(2))
    ```
    """

    layers: tuple[Dense, ...]
    frequency: float = eqx.field(static=True)
    scalar: bool = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: int | str,
        *,
        width: int,
        depth: int,
        key: Key[Array, ""],
        frequency: float = 3.0,
        dtype: jnp.dtype | type | None = None,
    ):
        check_sizes(in_size=in_size, width=width, depth=depth)
        if not frequency > 0:
            raise ValueError(f"frequency must be positive, got {frequency}.")
        sizes = [in_size, *[width] * depth, output_size(out_size)]
        keys = jax.random.split(key, depth + 1)
        bounds = [1 / in_size, *[(6 / width) ** 0.5 / frequency] * depth]
        self.layers = tuple(
            _uniform(m, n, bound, k, dtype)
            for m, n, bound, k in zip(sizes[:-1], sizes[1:], bounds, keys, strict=True)
        )
        self.frequency = frequency
        self.scalar = out_size == "scalar"

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, "..."]:
        for layer in self.layers[:-1]:
            x = jnp.sin(self.frequency * layer(x))
        y = self.layers[-1](x)
        return y[0] if self.scalar else y


def _uniform(in_size, out_size, bound, key, dtype):
    layer = Dense(in_size, out_size, key=key, bias_scale=1 / in_size**0.5, dtype=dtype)
    weight = jax.random.uniform(
        key, layer.weight.shape, layer.weight.dtype, minval=-bound, maxval=bound
    )
    return eqx.tree_at(lambda d: d.weight, layer, weight)
