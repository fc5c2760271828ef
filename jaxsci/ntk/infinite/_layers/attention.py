"""Self-attention in the limit of a wide key space."""

import math
from dataclasses import replace

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .layer import AbstractLayer, FiniteLayer
from .pair import Pair


class SelfAttention(AbstractLayer):
    """Softmax self-attention over one axis of positions, keys tied to queries.

        ζ(x) = softmax(σ_k² x W Wᵀ xᵀ / (d c)) → softmax(σ_k² K(x, x))        (d → ∞)
        K ← σ² ζ(x) K(x, x') ζ(x')ᵀ,   Θ ← 2 K + σ² ζ(x) Θ(x, x') ζ(x')ᵀ

    Logits scaled by 1/d, not 1/√d, become deterministic as d grows, so attention is a fixed matrix
    per input. The weights of the values and of the output each add K to Θ; those of the keys add
    nothing.

    **Arguments:**

    - `features`: number of output channels of the finite network.
    - `keys`: d, the width of keys and values in the finite network.
    - `key_std`, `value_std`: σ_k, and σ of the product of value and output weights.

    **Raises:** `ValueError` for inputs that do not have one position axis.

    **Source:** Hron et al., "Infinite attention: NNGP and NTK for deep attention networks" (2020),
    section 3.2.

    ```python
    block = infinite.parallel(infinite.Identity(), infinite.SelfAttention(64, keys=64))
    net = infinite.serial(infinite.Dense(64), block, infinite.GlobalAvgPool(), infinite.Dense(1))
    ```
    """

    features: int = eqx.field(static=True)
    keys: int = eqx.field(static=True, kw_only=True)
    key_std: Array | float = eqx.field(default=1.0, kw_only=True)
    value_std: Array | float = eqx.field(default=1.0, kw_only=True)

    def propagate(self, pair: Pair) -> Pair:
        check_sequence(pair.rank)
        first = jax.nn.softmax(self.key_std**2 * pair.cov1, axis=-1)
        second = jax.nn.softmax(self.key_std**2 * pair.cov2, axis=-1)
        nngp, from_ntk, cov1, cov2 = (
            self.value_std**2 * a @ k @ b.T
            for a, k, b in (
                (first, pair.nngp, second),
                (first, pair.ntk, second),
                (first, pair.cov1, first),
                (second, pair.cov2, second),
            )
        )
        return replace(
            pair, nngp=nngp, ntk=2 * nngp + from_ntk, cov1=cov1, cov2=cov2, gaussian=True
        )

    def needs_crossed(self, after: bool) -> bool:
        return True

    def independent(self, before: bool) -> bool:
        return True

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        check_sequence(len(shape) - 1)
        return _FiniteAttention(self, shape[-1], key), (*shape[:-1], self.features)


class _FiniteAttention(eqx.Module):
    keys: Float[Array, "inputs keys"]
    values: Float[Array, "inputs keys"]
    output: Float[Array, "keys outputs"]
    key_scale: float = eqx.field(static=True)
    value_scale: float = eqx.field(static=True)

    def __init__(self, layer: SelfAttention, inputs: int, key: PRNGKeyArray):
        keys, values, output = jax.random.split(key, 3)
        self.keys = jax.random.normal(keys, (inputs, layer.keys))
        self.values = jax.random.normal(values, (inputs, layer.keys))
        self.output = jax.random.normal(output, (layer.keys, layer.features))
        self.key_scale = float(layer.key_std) / math.sqrt(inputs * layer.keys)
        self.value_scale = float(layer.value_std) / math.sqrt(inputs * layer.keys)

    def __call__(self, x: Float[Array, "positions inputs"]) -> Float[Array, "positions outputs"]:
        keys = self.key_scale * x @ self.keys
        attention = jax.nn.softmax(keys @ keys.T, axis=-1)
        return self.value_scale * attention @ (x @ self.values) @ self.output


def check_sequence(rank: int) -> None:
    """Raise unless inputs are (positions, channels)."""
    if rank != 1:
        raise ValueError(
            f"SelfAttention needs one position axis, got {rank}: (positions, channels)."
        )
