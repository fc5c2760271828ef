"""The modified multilayer perceptron of Wang, Teng and Perdikaris."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ._dense import Dense, check_sizes, embedded_size, output_size


class ModifiedMLP(eqx.Module):
    """A perceptron whose hidden layers mix two encodings of the point.

        U = σ(x W₁ + b₁),   V = σ(x W₂ + b₂),   h ← (1 - z) U + z V,   z = σ(h W + b)

    **Arguments:** as of `MLP`.

    **Raises:** `ValueError` for sizes that are not positive.

    Source: Wang, Teng & Perdikaris, "Understanding and mitigating gradient flow pathologies in
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
        out_size: int | str,
        *,
        width: int,
        depth: int,
        key: Key[Array, ""],
        activation: Callable = jnp.tanh,
        embedding: Callable | None = None,
        dtype: jnp.dtype | type | None = None,
    ):
        check_sizes(width=width, depth=depth)
        first = embedded_size(in_size, embedding)
        keys = jax.random.split(key, depth + 3)
        sizes = [first, *[width] * depth, output_size(out_size)]
        self.encoders = (
            Dense(first, width, key=keys[0], bias_scale=1.0, dtype=dtype),
            Dense(first, width, key=keys[1], bias_scale=1.0, dtype=dtype),
        )
        self.layers = tuple(
            Dense(m, n, key=k, bias_scale=float(i < depth), dtype=dtype)
            for i, (m, n, k) in enumerate(zip(sizes[:-1], sizes[1:], keys[2:], strict=True))
        )
        self.embedding = embedding
        self.activation = activation
        self.scalar = out_size == "scalar"

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, "..."]:
        h = x if self.embedding is None else self.embedding(x)
        u, v = (self.activation(encoder(h)) for encoder in self.encoders)
        for layer in self.layers[:-1]:
            z = self.activation(layer(h))
            h = u + z * (v - u)
        y = self.layers[-1](h)
        return y[0] if self.scalar else y
