"""A dense layer, its activation and what linearly follows, as one matrix of kernel features."""

import equinox as eqx
import jax
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ...nn import Dense
from .neuron_features import AbstractNeuronFeatures


class BundledDense(eqx.Module):
    """x ↦ Φ(x) A: stands for φ(x W + b), or for φ(x W + b) V, whatever the width of W.

        A = [Ψ(w₁, b₁), Ψ(w₂, b₂), ...] (V)

    It trains A alone: (features × out) numbers, where the two layers that it replaces have
    (in + 1 + out) × width.

    **Arguments:**

    - `features`: Φ and Ψ, such as `ArcCosineNeuronFeatures`; their random numbers stay fixed.
    - `out_size`: outputs; A starts as that of a `Dense` of Glorot weights.
    - `key`: draws them.

    **Raises:** `ValueError` for a size below 1.

    Source: Sehanobish et al., "Scalable neural network kernels" (2023), section 3.3.

    ```python
    features = jsci.ntk.ArcCosineNeuronFeatures(64, 32, key=jax.random.key(0))
    layer = jsci.ntk.BundledDense(features, 10, key=jax.random.key(1))
    y = layer(jnp.ones(64))
    ```
    """

    features: AbstractNeuronFeatures
    matrix: Float[Array, "features out_size"]

    def __init__(
        self,
        features: AbstractNeuronFeatures,
        out_size: int,
        *,
        key: PRNGKeyArray,
    ):
        dense = Dense(features.in_size, out_size, key=key)
        self.features = features
        self.matrix = _matrix(features, dense.weight, dense.bias)

    def __call__(self, x: Num[Array, " in_size"]) -> Float[Array, " out_size"]:
        features = self.features.of_inputs(x)
        return features @ self.matrix.astype(features.dtype)


def bundle(
    features: AbstractNeuronFeatures,
    weight: Float[Array, "in_size width"],
    bias: Float[Array, " _"],
    readout: Float[Array, "_ out_size"] | None = None,
) -> BundledDense:
    """A trained layer as a `BundledDense`, with the linear layer behind it where one is given.

        φ(x W + b) V ≈ Φ(x) A,   A = Ψ(W, b) V

    **Arguments:**

    - `features`: Φ and Ψ of the layer's activation.
    - `weight`, `bias`: W and b.
    - `readout`: V; without it the layer keeps its width.

    **Returns:** a `BundledDense`.

    **Raises:** `ValueError` where the shapes do not follow each other.

    Source: Sehanobish et al., "Scalable neural network kernels" (2023), section 3.3.

    ```python
    features = jsci.ntk.FourierNeuronFeatures(jnp.sin, 8, 64, key=jax.random.key(0))
    layer = jsci.ntk.bundle(features, weight, bias, readout)
    ```
    """
    if bias.shape != weight.shape[1:] or (readout is not None and len(readout) != len(bias)):
        shapes = [a.shape for a in (weight, bias, readout) if a is not None]
        raise ValueError(
            "weight, bias and readout must be (in, width), (width,) and (width, out), got "
            f"{', '.join(map(str, shapes))}."
        )
    matrix = _matrix(features, weight, bias)
    matrix = matrix if readout is None else matrix @ readout
    layer = BundledDense(features, 1, key=jax.random.key(0))
    return eqx.tree_at(lambda bundled: bundled.matrix, layer, matrix)


def _matrix(features: AbstractNeuronFeatures, weight: Array, bias: Array) -> Array:
    return jax.vmap(features.of_weights, in_axes=(1, 0), out_axes=1)(weight, bias)
