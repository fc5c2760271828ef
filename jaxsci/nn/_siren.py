"""Sinusoidal representation networks."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._dense import Dense
from ._field_network import FieldNetwork, OutSize, layer_sizes


class SIREN(FieldNetwork):
    """A perceptron with sine activations, initialised to keep its spectrum through depth.

        h ← sin(ω₀ (h W + b)),   W ~ U(±1/m) in the first layer, U(±√(6/m)/ω₀) after it

    **Arguments:**

    - `in_size`: coordinates of a point.
    - `out_size`: outputs, or `"scalar"` for an output of shape `()`.
    - `width`, `depth`: units m per hidden layer, and number of hidden layers.
    - `key`: PRNG key of the parameters.
    - `frequency`: ω₀; 30 for images on [-1, 1], 1 to 5 for smooth solutions.
    - `embedding`: a module applied to the point first, such as `SphericalEmbedding`; m of the first
        layer is then its number of features.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with one point `(in_size,)`; returns `(out_size,)`, or `()` for `"scalar"`.

    **Raises:** `ValueError` for sizes or a frequency that are not positive, or a point of another
    size.

    **Source:** Sitzmann et al., "Implicit neural representations with periodic activation
    functions" (2020), section 3.2.

    ```python
    net = jsci.nn.SIREN(2, "scalar", width=32, depth=2, frequency=3.0, key=jax.random.key(0))
    u = net(jnp.zeros(2))
    ```
    """

    layers: tuple[Dense, ...]
    embedding: Callable | None
    frequency: float = eqx.field(static=True)
    scalar: bool = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: OutSize,
        *,
        width: int,
        depth: int,
        key: PRNGKeyArray,
        frequency: float = 3.0,
        embedding: Callable | None = None,
        dtype: DTypeLike | None = None,
    ):
        sizes = layer_sizes(in_size, out_size, width=width, depth=depth, embedding=embedding)
        if not frequency > 0:
            raise ValueError(f"frequency must be positive, got {frequency}.")
        keys = jax.random.split(key, depth + 1)
        bounds = [1 / sizes[0], *[(6 / width) ** 0.5 / frequency] * depth]
        self.layers = tuple(
            _uniform(m, n, bound, k, dtype)
            for m, n, bound, k in zip(sizes[:-1], sizes[1:], bounds, keys, strict=True)
        )
        self.embedding = embedding
        self.frequency = frequency
        self.scalar = isinstance(out_size, str)

    def _outputs(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        h = x if self.embedding is None else self.embedding(x)
        for layer in self.layers[:-1]:
            h = jnp.sin(self.frequency * layer(h))
        return self.layers[-1](h)


def _uniform(in_size, out_size, bound, key, dtype):
    layer = Dense(in_size, out_size, key=key, bias_scale=1 / in_size**0.5, dtype=dtype)
    weight = jax.random.uniform(
        key, layer.weight.shape, layer.weight.dtype, minval=-bound, maxval=bound
    )
    return eqx.tree_at(lambda d: d.weight, layer, weight)
