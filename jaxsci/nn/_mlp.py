"""The multilayer perceptron."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._dense import Dense, Init
from ._field_network import FieldNetwork, OutSize, dense_layers, layer_sizes


class MLP(FieldNetwork):
    """A multilayer perceptron for fields: h ← σ(h W + b), `depth` times, then an affine layer.

    **Arguments:**

    - `in_size`: coordinates of a point.
    - `out_size`: outputs, or `"scalar"` for an output of shape `()`.
    - `width`, `depth`: units per hidden layer, and number of hidden layers.
    - `key`: PRNG key of the parameters.
    - `activation`: σ; smooth (tanh, sin) where derivatives of the network enter the loss.
    - `embedding`: a module applied to the point first, such as `FourierFeatures`.
    - `init`: of the weights, as in `Dense`; "lecun", with zero biases, for `jax.nn.selu`, which
        then keeps mean 0 and variance 1 through many layers.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with one point `(in_size,)`; returns `(out_size,)`, or `()` for `"scalar"`.

    **Raises:** `ValueError` for sizes that are not positive, an unknown initialisation, or a point
    of another size.

    **Good values:** for second-order optimisers in float64, 1 or 2 layers of 16 to 64 units; 3 x 20
    for fronts such as Burgers'.

    ```python
    net = jsci.nn.MLP(2, "scalar", width=24, depth=2, key=jax.random.key(0))
    f, params = jsci.pure(net)
    ```
    """

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
        init: Init = "glorot",
        dtype: DTypeLike | None = None,
    ):
        sizes = layer_sizes(in_size, out_size, width=width, depth=depth, embedding=embedding)
        self.layers = dense_layers(sizes, jax.random.split(key, depth + 1), init=init, dtype=dtype)
        self.embedding = embedding
        self.activation = activation
        self.scalar = isinstance(out_size, str)

    def _outputs(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        h = x if self.embedding is None else self.embedding(x)
        for layer in self.layers[:-1]:
            h = self.activation(layer(h))
        return self.layers[-1](h)
