"""The modified multilayer perceptron of Wang, Teng and Perdikaris."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._dense import Dense
from ._field_network import FieldNetwork, OutSize, dense_layers, layer_sizes


class ModifiedMLP(FieldNetwork):
    """A perceptron whose hidden layers mix two encodings of the point.

        U = σ(x W₁ + b₁),   V = σ(x W₂ + b₂),   h ← (1 - z) U + z V,   z = σ(h W + b)

    **Arguments:**

    - `in_size`: coordinates of a point.
    - `out_size`: outputs, or `"scalar"` for an output of shape `()`.
    - `width`, `depth`: units per hidden layer and encoding, and number of hidden layers.
    - `key`: PRNG key of the parameters.
    - `activation`: σ; smooth (tanh, sin) where derivatives of the network enter the loss.
    - `embedding`: a module applied to the point first, such as `FourierFeatures`.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with one point `(in_size,)`; returns `(out_size,)`, or `()` for `"scalar"`.

    **Raises:** `ValueError` for sizes that are not positive, or a point of another size.

    **Source:** Wang, Teng & Perdikaris, "Understanding and mitigating gradient flow pathologies in
    physics-informed neural networks" (2021), equations 43 to 47.

    ```python
    net = jsci.nn.ModifiedMLP(2, "scalar", width=32, depth=3, key=jax.random.key(0))
    u = net(jnp.zeros(2))
    ```
    """

    encoders: tuple[Dense, Dense]
    layers: tuple[Dense, ...]
    embedding: Callable | None
    activation: Callable = eqx.field(static=True)
    scalar: bool = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: OutSize,
        *,
        width: int,
        depth: int,
        key: PRNGKeyArray,
        activation: Callable = jnp.tanh,
        embedding: Callable | None = None,
        dtype: DTypeLike | None = None,
    ):
        sizes = layer_sizes(in_size, out_size, width=width, depth=depth, embedding=embedding)
        keys = jax.random.split(key, depth + 3)
        self.encoders = (
            Dense(sizes[0], width, key=keys[0], bias_scale=1.0, dtype=dtype),
            Dense(sizes[0], width, key=keys[1], bias_scale=1.0, dtype=dtype),
        )
        self.layers = dense_layers(sizes, keys[2:], dtype=dtype)
        self.embedding = embedding
        self.activation = activation
        self.scalar = isinstance(out_size, str)

    def _outputs(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        h = x if self.embedding is None else self.embedding(x)
        u, v = (self.activation(encoder(h)) for encoder in self.encoders)
        for layer in self.layers[:-1]:
            z = self.activation(layer(h))
            h = u + z * (v - u)
        return self.layers[-1](h)
