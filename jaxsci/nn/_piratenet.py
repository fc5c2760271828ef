"""Physics-informed residual adaptive networks."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._dense import Dense, check_sizes
from ._field_network import FieldNetwork, OutSize, embedded_size, output_size


class PirateNet(FieldNetwork):
    """Gated residual blocks that are the identity at the start and deepen while they train.

        f = σ(h W₁ + b₁),   f ← f U + (1 - f) V;   g = σ(f W₂ + b₂),   g ← g U + (1 - g) V;
        h ← α σ(g W₃ + b₃) + (1 - α) h,   α = 0 at the start

    with U, V = σ(affine(e)) as in `ModifiedMLP` and h = e, the embedded point.

    **Arguments:**

    - `in_size`: coordinates of a point.
    - `out_size`: outputs, or `"scalar"` for an output of shape `()`.
    - `depth`: number of blocks, three layers each.
    - `embedding`: its output size is the width; `FourierFeatures` in the paper.
    - `key`: PRNG key of the parameters.
    - `activation`: σ; smooth (tanh, sin) where derivatives of the network enter the loss.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with one point `(in_size,)`; returns `(out_size,)`, or `()` for `"scalar"`.

    **Raises:** `ValueError` for sizes that are not positive, or a point of another size.

    **Source:** Wang et al., "PirateNets: physics-informed deep learning with residual adaptive
    networks" (2024), equations 4.1 to 4.8.

    ```python
    features = jsci.nn.FourierFeatures(2, 16, scale=2.0, key=jax.random.key(0))
    net = jsci.nn.PirateNet(2, "scalar", depth=2, embedding=features, key=jax.random.key(1))
    ```
    """

    encoders: tuple[Dense, Dense]
    blocks: tuple[tuple[Dense, Dense, Dense], ...]
    gates: Float[Array, " depth"]
    last: Dense
    embedding: Callable
    activation: Callable = eqx.field(static=True)
    scalar: bool = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: OutSize,
        *,
        depth: int,
        embedding: Callable,
        key: PRNGKeyArray,
        activation: Callable = jnp.tanh,
        dtype: DTypeLike | None = None,
    ):
        check_sizes(depth=depth)
        width = embedded_size(in_size, embedding)
        keys = jax.random.split(key, 3 * depth + 3)

        def dense(k):
            return Dense(width, width, key=k, dtype=dtype)

        self.encoders = (dense(keys[0]), dense(keys[1]))
        self.blocks = tuple(
            (dense(keys[3 * i + 3]), dense(keys[3 * i + 4]), dense(keys[3 * i + 5]))
            for i in range(depth)
        )
        self.gates = jnp.zeros(depth, self.encoders[0].weight.dtype)
        self.last = Dense(width, output_size(out_size), key=keys[2], dtype=dtype)
        self.embedding = embedding
        self.activation = activation
        self.scalar = isinstance(out_size, str)

    def _outputs(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        h = self.embedding(x)
        u, v = (self.activation(encoder(h)) for encoder in self.encoders)
        for (first, second, third), gate in zip(self.blocks, self.gates, strict=True):
            f = self.activation(first(h))
            g = self.activation(second(v + f * (u - v)))
            h = h + gate * (self.activation(third(v + g * (u - v))) - h)
        return self.last(h)
