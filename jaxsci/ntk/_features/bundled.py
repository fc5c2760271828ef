"""A dense layer, its activation and the next linear layer, as one matrix on kernel features."""

import equinox as eqx
import jax
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ...nn import Dense
from .neuron_features import AbstractNeuronFeatures


class BundledDense(eqx.Module):
    """x ↦ Φ(x) A: replaces φ(x W + b), or φ(x W + b) V, whatever the width of W.

        A = [Ψ(w₁, b₁), Ψ(w₂, b₂), ...] (V)

    Only A is trained: features × out numbers, where the two layers that it replaces have (in + 1 +
    out) × width.

    **Arguments:**

    - `features`: Φ and Ψ, such as `ArcCosineNeuronFeatures`; their random numbers stay fixed.
    - `out_size`: number of outputs; A is initialised with Glorot weights, as in `Dense`.
    - `key`: PRNG key of the weights.

    Called with one vector `(in_size,)`; returns `(out_size,)`.

    **Raises:** `ValueError` for a size below 1.

    **Source:** Sehanobish et al., "Scalable neural network kernels" (2023), section 3.3.

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
    """A trained layer as a `BundledDense`, together with the linear layer after it if given.

        φ(x W + b) V ≈ Φ(x) A,   A = Ψ(W, b) V

    **Arguments:**

    - `features`: Φ and Ψ of the layer's activation.
    - `weight`, `bias`: W (in, width) and b (width,).
    - `readout`: V (width, out); without it the layer keeps its width.

    **Returns:** a `BundledDense`.

    **Raises:** `ValueError` if the shapes do not fit together.

    **Source:** Sehanobish et al., "Scalable neural network kernels" (2023), section 3.3.

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
