"""One affine layer."""

from numbers import Integral
from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

Init = Literal["glorot", "lecun"]


class Dense(eqx.Module):
    """x ↦ x W + b with Glorot weights and spread biases.

        W ~ N(0, 2/(m + n)) or, by LeCun, N(0, 1/m),   b ~ U(-s, s)

    Biases of the size of the inputs spread the kinks of a first layer's units over the domain,
    where zero biases would put them all at one point.

    **Arguments:**

    - `in_size`, `out_size`: m and n, the numbers of inputs and outputs.
    - `key`: PRNG key of the weights and biases.
    - `bias_scale`: s; 0 for an output layer.
    - `init`: "glorot", or "lecun" for layers before a SELU, which then keep mean 0 and variance 1.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with one vector `(in_size,)`; returns `(out_size,)`.

    **Raises:** `ValueError` for sizes that are not positive, an unknown initialisation, or an input
    of another shape.

    **Source:** Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010), equation 12; Klambauer et al., "Self-Normalizing Neural Networks" (2017).

    ```python
    layer = jsci.nn.Dense(2, 16, key=jax.random.key(0))
    y = layer(jnp.ones(2))
    ```
    """

    weight: Float[Array, "in_size out_size"]
    bias: Float[Array, " out_size"]

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        key: PRNGKeyArray,
        bias_scale: float = 0.0,
        init: Init = "glorot",
        dtype: DTypeLike | None = None,
    ):
        check_sizes(in_size=in_size, out_size=out_size)
        dtype = jnp.dtype(dtype or jnp.result_type(float))
        weight_key, bias_key = jax.random.split(key)
        if init not in get_args(Init):
            raise ValueError(f"init is {init!r}; allowed are 'glorot' and 'lecun'.")
        variance = 1 / in_size if init == "lecun" else 2 / (in_size + out_size)
        scale = variance**0.5
        self.weight = scale * jax.random.normal(weight_key, (in_size, out_size), dtype)
        self.bias = bias_scale * jax.random.uniform(
            bias_key, (out_size,), dtype, minval=-1, maxval=1
        )

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        check_vector(x, self.weight.shape[0], "Dense")
        return x @ self.weight + self.bias


def check_vector(x: Array, in_size: int, name: str) -> None:
    """`ValueError` unless x is one vector of `in_size` numbers."""
    if jnp.shape(x) != (in_size,):
        raise ValueError(
            f"{name} was made for in_size={in_size} and takes one vector of as many numbers, got "
            f"shape {jnp.shape(x)}. Networks take one point: map over many with jax.vmap."
        )


def as_floats(x: Shaped[Array, " in_size"]) -> Float[Array, " in_size"]:
    """Whole numbers as floats: constants take the dtype of the input, and would be truncated."""
    return x.astype(jnp.result_type(x, float))


def check_sizes(**sizes: int) -> None:
    """Raise unless each named size is a positive integer."""
    for name, size in sizes.items():
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"{name} must be a positive integer, got {size!r}.")
